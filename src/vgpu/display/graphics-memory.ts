/** Graphics memory of a vGPU as its display reads it: through its own GGTT, a page at a time. What is not there is black. */
import { type Frames, PAGE_SIZE } from '../../base/index.js';
import type { DisplayHost } from './port.js';

/** Graphics address space is 4 GiB; a surface that runs past its end shows nothing there. */
const GGTT_PAGES = 0x100000;

export class GraphicsMemory {
  readonly #host: DisplayHost;
  readonly #frames: Frames;
  #page = -1;
  #at = -1;

  constructor(host: DisplayHost, frames: Frames) {
    this.#host = host;
    this.#frames = frames;
  }

  /**
   * Finds the page of a graphics address.
   * @returns dword index of the address within `words`, or -1 where there is no memory
   */
  locate(address: number): number {
    const page = Math.floor(address / PAGE_SIZE);
    if (page !== this.#page) {
      this.#page = page;
      const gfn = page < GGTT_PAGES ? this.#host.gfnOfGmadrPage(page) : -1;
      this.#at = gfn < 0 ? -1 : this.#frames.locate(gfn);
    }
    return this.#at < 0 ? -1 : this.#at + ((address % PAGE_SIZE) >>> 2);
  }

  /** Backing of the page located last. */
  get words(): Uint32Array {
    return this.#frames.words;
  }
}
