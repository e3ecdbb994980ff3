/** Register dispatch: from an offset to the answer, through the compiled policy alone and through the whole vGPU. */
import { MMIO_BYTES, RING } from '../src/hw/index.js';
import { SPACE } from '../src/hypervisor/index.js';
import { BenchGuest, plainRegisters } from './guest.js';
import { compare, type Effort, type Table } from './measure.js';

/** Registers in one walk: more than a driver's hot ones, so that no branch predictor learns them by heart. */
const COUNT = 1024;

/** The baseline: an array behind a function, which is the least that a trap can cost. */
class BareBank {
  readonly bank = new Uint32Array(MMIO_BYTES / 4);
  read(offset: number, bytes: number): number {
    return bytes === 4 ? this.bank[offset >>> 2]! : 0;
  }
  write(offset: number, bytes: number, value: number): void {
    if (bytes === 4) this.bank[offset >>> 2] = value;
  }
}

interface MapEntry {
  read(offset: number): number;
  write(offset: number, value: number): void;
}

/** The other baseline: an object with two functions for each register, found by offset in a Map. */
class MapDispatch {
  readonly #bank = new Uint32Array(MMIO_BYTES / 4);
  readonly #entries = new Map<number, MapEntry>();
  constructor(offsets: readonly number[]) {
    for (const at of offsets) {
      this.#entries.set(at, {
        read: (offset) => this.#bank[offset >>> 2]!,
        write: (offset, value) => {
          this.#bank[offset >>> 2] = value;
        },
      });
    }
  }
  read(offset: number): number {
    return this.#entries.get(offset)?.read(offset) ?? 0;
  }
  write(offset: number, value: number): void {
    this.#entries.get(offset)?.write(offset, value);
  }
}

/** Deterministic shuffle, so that every run walks in the same order. */
function shuffled(values: readonly number[]): Int32Array {
  const out = Int32Array.from(values);
  let seed = 12345;
  for (let i = out.length - 1; i > 0; i--) {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    const j = seed % (i + 1);
    const value = out[i]!;
    out[i] = out[j]!;
    out[j] = value;
  }
  return out;
}

/** Repeats `values` until there are COUNT of them. */
const cycle = (values: readonly number[]): number[] =>
  Array.from({ length: COUNT }, (_, i) => values[i % values.length]!);

export function registers(effort: Effort): Table {
  const { vgpu } = new BenchGuest();
  const { regs } = vgpu;
  const plain = shuffled(cycle(plainRegisters(regs.policy, COUNT)));
  // PVINFO, fences of this vGPU, and the frame counter and scanline of pipes that are off.
  const readOffsets = shuffled(cycle([0x78000, 0x78040, 0x78010, 0x100000, 0x100008, 0x70040, 0x71040, 0x70000]));
  // Forcewake, masks of the interrupt tree, TLB invalidations, a masked mode register.
  const writeOffsets = shuffled(
    cycle([0xa278, 0xa188, 0x44304, 0x4430c, 0x4260, 0x426c, 0x2000 + RING.MI_MODE, 0x22000 + RING.MI_MODE]),
  );
  const bare = new BareBank();
  const map = new MapDispatch([...plain]);
  const mask = COUNT - 1;

  return compare(
    [
      {
        label: 'bare array',
        loop(count) {
          let sum = 0;
          for (let i = 0; i < count; i++) sum += bare.read(plain[i & mask]!, 4);
          return sum;
        },
      },
      {
        label: 'Map by offset',
        loop(count) {
          let sum = 0;
          for (let i = 0; i < count; i++) sum += map.read(plain[i & mask]!);
          return sum;
        },
      },
      {
        label: 'bare array, write',
        loop(count) {
          for (let i = 0; i < count; i++) bare.write(plain[i & mask]!, 4, i);
          return bare.bank[plain[0]! >>> 2]!;
        },
      },
      {
        label: 'Map by offset, write',
        loop(count) {
          for (let i = 0; i < count; i++) map.write(plain[i & mask]!, i);
          return map.read(plain[0]!);
        },
      },
    ],
    [
      {
        label: 'plain register, read',
        against: ['bare array', 'Map by offset'],
        loop(count) {
          let sum = 0;
          for (let i = 0; i < count; i++) sum += regs.read(plain[i & mask]!, 4);
          return sum;
        },
      },
      {
        label: 'handled register, read',
        against: ['bare array', 'Map by offset'],
        loop(count) {
          let sum = 0;
          for (let i = 0; i < count; i++) sum += regs.read(readOffsets[i & mask]!, 4);
          return sum;
        },
      },
      {
        label: 'plain register, read by the guest',
        against: ['bare array', 'Map by offset'],
        loop(count) {
          let sum = 0;
          for (let i = 0; i < count; i++) sum += vgpu.read(SPACE.BAR0, plain[i & mask]!, 4);
          return sum;
        },
      },
      {
        label: 'plain register, write',
        against: ['bare array, write', 'Map by offset, write'],
        loop(count) {
          for (let i = 0; i < count; i++) regs.write(plain[i & mask]!, 4, i);
          return regs.bank[plain[0]! >>> 2]!;
        },
      },
      {
        label: 'handled register, write',
        against: ['bare array, write', 'Map by offset, write'],
        loop(count) {
          for (let i = 0; i < count; i++) regs.write(writeOffsets[i & mask]!, 4, 0x00010000);
          return regs.bank[0xd84 >>> 2]!;
        },
      },
      {
        label: 'plain register, written by the guest',
        against: ['bare array, write', 'Map by offset, write'],
        loop(count) {
          for (let i = 0; i < count; i++) vgpu.write(SPACE.BAR0, plain[i & mask]!, 4, i, 0);
          return regs.bank[plain[0]! >>> 2]!;
        },
      },
    ],
    effort,
  );
}
