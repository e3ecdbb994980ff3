/**
 * From guest entries to the device's GGTT: the guest frame becomes a machine frame. What is not mapped, or is no RAM of the
 * guest, points at the vGPU's own scratch page, as prefetchers and display overfetch reach past what a driver maps.
 */
import type { GuestMemory } from '../base/index.js';
import { frameHi, frameLo, frameOf, GGTT_ATTRIBUTES, PTE_PRESENT, PTE_RW } from '../hw/index.js';
import type { GgttSink } from './ggtt-slice.js';

/** The device's table: the arbiter, or a Gpu in a test. */
export interface GgttDevice {
  writeGgtt(index: number, lo: number, hi: number): void;
}

export class GgttMapper implements GgttSink {
  /** Present entries that named a frame which is no RAM. */
  unmapped = 0;
  readonly #guest: GuestMemory;
  readonly #device: GgttDevice;
  readonly #scratchLo: number;
  readonly #scratchHi: number;

  constructor(guest: GuestMemory, device: GgttDevice, scratchMfn: number) {
    this.#guest = guest;
    this.#device = device;
    this.#scratchLo = frameLo(scratchMfn) | PTE_PRESENT | PTE_RW;
    this.#scratchHi = frameHi(scratchMfn);
  }

  setEntry(page: number, lo: number, hi: number): void {
    if ((lo & PTE_PRESENT) !== 0) {
      const mfn = this.#guest.mfnOf(frameOf(lo, hi));
      if (mfn >= 0) {
        this.#device.writeGgtt(page, (frameLo(mfn) | (lo & GGTT_ATTRIBUTES)) >>> 0, frameHi(mfn));
        return;
      }
      this.unmapped++;
    }
    this.#device.writeGgtt(page, this.#scratchLo >>> 0, this.#scratchHi);
  }

  /** Points a whole range at scratch: before its first guest, and after its last. */
  scratchFill(firstPage: number, pages: number): void {
    for (let page = firstPage; page < firstPage + pages; page++) {
      this.#device.writeGgtt(page, this.#scratchLo >>> 0, this.#scratchHi);
    }
  }
}
