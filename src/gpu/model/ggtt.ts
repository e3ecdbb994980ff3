/** The device's global GTT: one entry for each page of its graphics address space. */
import { type GgttFormat, ggttFormat, type Platform, PTE_PRESENT } from '../../hw/index.js';

export class GlobalGtt {
  readonly entries: number;
  readonly #words: Uint32Array;
  readonly #format: GgttFormat;

  constructor(platform: Pick<Platform, 'gen' | 'ggttEntries'>) {
    this.entries = platform.ggttEntries;
    this.#format = ggttFormat(platform);
    this.#words = new Uint32Array(this.entries * 2);
  }

  lo(index: number): number {
    return this.#words[index * 2] ?? 0;
  }
  hi(index: number): number {
    return this.#words[index * 2 + 1] ?? 0;
  }
  /** @returns false where there is no such entry */
  write(index: number, lo: number, hi: number): boolean {
    if (!(index >= 0 && index < this.entries)) return false;
    this.#words[index * 2] = lo;
    this.#words[index * 2 + 1] = hi;
    return true;
  }

  /** Machine frame of a page of graphics address space, or -1 where no entry is present. */
  frame(page: number): number {
    const lo = this.lo(page);
    return (lo & PTE_PRESENT) === 0 ? -1 : this.#format.frameOf(lo, this.hi(page));
  }
}
