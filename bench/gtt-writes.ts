/** GTT writes: from the guest's write of an entry, over the audit and the arbiter, to the device's own table. */
import { SPACE } from '../src/hypervisor/index.js';
import { BenchGuest, DATA_GFN, GGTT_OFFSET } from './guest.js';
import { compare, type Effort, type Table } from './measure.js';

/** Entries in one walk: what a driver binds for a small object, many times over. */
const PAGES = 4096;
const PRESENT = 1;

/** The baseline: what is left of an entry when nobody checks or translates it. */
class BareTable {
  readonly #lo = new Uint32Array(0x100000);
  readonly #hi = new Uint32Array(0x100000);
  write(page: number, lo: number, hi: number): void {
    this.#lo[page] = lo;
    this.#hi[page] = hi;
  }
  lo(page: number): number {
    return this.#lo[page]!;
  }
}

export function gttWrites(effort: Effort): Table {
  const guest = new BenchGuest();
  const { vgpu, core } = guest;
  const first = guest.scripted.ggttBase;
  const foreign = (vgpu.grant.highStart + vgpu.grant.highBytes) / 4096;
  const bare = new BareTable();
  const mask = PAGES - 1;
  const entry = (i: number): number => (DATA_GFN + (i & 0x7ff)) * 4096 + PRESENT;

  return compare(
    [
      {
        label: 'two array stores',
        loop(count) {
          for (let i = 0; i < count; i++) bare.write(first + (i & mask), entry(i), 0);
          return bare.lo(first);
        },
      },
    ],
    [
      {
        label: 'one 8-byte write',
        loop(count) {
          for (let i = 0; i < count; i++) {
            vgpu.write(SPACE.BAR0, GGTT_OFFSET + 8 * (first + (i & mask)), 8, entry(i), 0);
          }
          return core.gpu.readGgttLo(first);
        },
      },
      {
        label: 'two 4-byte writes',
        loop(count) {
          for (let i = 0; i < count; i++) {
            const at = GGTT_OFFSET + 8 * (first + (i & mask));
            vgpu.write(SPACE.BAR0, at, 4, entry(i), 0);
            vgpu.write(SPACE.BAR0, at + 4, 4, 0, 0);
          }
          return core.gpu.readGgttLo(first);
        },
      },
      {
        label: 'entry of somebody else, refused',
        loop(count) {
          for (let i = 0; i < count; i++) {
            vgpu.write(SPACE.BAR0, GGTT_OFFSET + 8 * (foreign + (i & mask)), 8, entry(i), 0);
          }
          return core.gpu.readGgttLo(foreign);
        },
      },
    ],
    effort,
  );
}
