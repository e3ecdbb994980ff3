/**
 * A guest without a kernel: memory, page tables, contexts and rings built by hand, for driving the arbiter and the model as
 * a driver would. Layout of guest memory by frame: 1.. page tables, 0x100.. context images and rings, 0x200.. data.
 */
import type { Frames } from '../../src/base/index.js';
import { CTX, CTX_PDPS } from '../../src/hw/index.js';
import { SparseMemory } from '../../src/hypervisor/sim/index.js';

const PRESENT_RW = 3;

/** Frames of RAM, from 0 on. */
export const GUEST_RAM_FRAMES = 0x1000;

/** RAM of a guest that lives in this process. */
export function guestRam(frameBase: number): SparseMemory {
  const memory = new SparseMemory(frameBase);
  memory.map(0, GUEST_RAM_FRAMES);
  return memory;
}

export class ScriptedGuest<M extends Frames = Frames> {
  #nextTable = 1;
  readonly pml4: number;

  constructor(
    /** RAM, zeroes from frame 0 to GUEST_RAM_FRAMES. */
    readonly memory: M,
    /** Writes one GGTT entry as the guest would. */
    readonly writeGgtt: (page: number, lo: number, hi: number) => void,
    /** First page of the guest's high graphics memory. */
    public ggttBase: number,
    /** How its CPU writes a dword of RAM, where that is more than a store. */
    readonly store: (address: number, value: number) => void = (address, value) => {
      this.page(Math.floor(address / 4096))[(address % 4096) / 4] = value;
    },
  ) {
    this.pml4 = this.#table();
  }

  #table(): number {
    return this.#nextTable++;
  }

  /** Contents of a guest frame; where there is no memory, what is written is lost. */
  page(gfn: number): Uint32Array {
    const at = this.memory.locate(gfn);
    if (at < 0) return new Uint32Array(1024);
    return this.memory.words.subarray(at, at + 1024);
  }

  /** Maps graphics page `ggttBase + index` to a guest frame. @returns its GMADR */
  bind(index: number, gfn: number): number {
    this.writeGgtt(this.ggttBase + index, gfn * 4096 + 1, 0);
    return (this.ggttBase + index) * 4096;
  }

  /** Maps a PPGTT address (below 512 GiB) to a guest frame by a 4 KiB entry. */
  mapPpgtt(address: number, gfn: number): void {
    let table = this.pml4;
    for (const shift of [39, 30, 21]) {
      const page = this.page(table);
      const index = Math.floor(address / 2 ** shift) % 512;
      if ((page[2 * index]! & 1) === 0) {
        const next = this.#table();
        this.store(table * 4096 + 8 * index, next * 4096 + PRESENT_RW);
        table = next;
      } else {
        table = page[2 * index]! >>> 12;
      }
    }
    this.store(table * 4096 + 8 * (Math.floor(address / 4096) % 512), gfn * 4096 + PRESENT_RW);
  }

  /** Builds a context with `commands` in its ring. @returns what a workload names it by */
  context(slot: number, commands: readonly number[]): { lrca: number; head: number; tail: number } {
    const image = 0x100 + 0x20 * slot;
    const ring = image + 0x1e;
    const first = 0x20 * slot;
    const lrca = this.bind(first, image);
    for (let i = 1; i < 22; i++) this.bind(first + i, image + i);
    const ringStart = this.bind(first + 0x1e, ring);
    this.page(ring).set(commands);
    const state = this.page(image + 1);
    const tail = Math.ceil(commands.length / 2) * 8;
    state[CTX.CONTEXT_CONTROL] = 0x00090008;
    state[CTX.RING_HEAD] = 0;
    state[CTX.RING_TAIL] = tail;
    state[CTX.RING_START] = ringStart;
    state[CTX.RING_CTL] = 1;
    state[CTX_PDPS[0]![1]] = this.pml4 * 4096;
    return { lrca, head: 0, tail };
  }
}

/** MI_STORE_DATA_IMM of one dword; `ggtt` picks the address space. */
export function storeDword(address: number, value: number, ggtt: boolean): number[] {
  const header = 0x10000002 | (ggtt ? 1 << 22 : 0);
  return [header, address >>> 0, Math.floor(address / 2 ** 32), value];
}

/** MI_BATCH_BUFFER_START into the context's PPGTT. */
export function startBatch(address: number): number[] {
  return [0x18800101, address >>> 0, Math.floor(address / 2 ** 32)];
}

export const USER_INTERRUPT = 0x01000000;
export const BATCH_END = 0x05000000;
