/** The private copies of one scan's batches. Their buffers are kept from scan to scan. */
import { type Frames, PAGE_DWORDS, PAGE_SIZE } from '../base/index.js';
import { BATCH_BUDGET_DWORDS } from './budgets.js';
import type { ShadowBatch } from './types.js';

/** Why a page was not copied. */
export const UNMAPPED = 0;
export const OVER_BUDGET = -1;

export class BatchCopies {
  readonly #buffers: (Uint32Array | undefined)[] = [];
  /** Dwords copied of each batch, and of all. */
  readonly #reach: number[] = [];
  #copied = 0;

  clear(): void {
    this.#copied = 0;
  }

  /** @returns dwords copied of batch `index` so far; of one that is not copied in this scan anything */
  reachOf(index: number): number {
    return this.#reach[index]!;
  }

  bufferFor(index: number): Uint32Array {
    let words = this.#buffers[index];
    if (words === undefined) {
      words = new Uint32Array(PAGE_DWORDS);
      this.#buffers[index] = words;
    }
    this.#reach[index] = 0;
    return words;
  }

  /** Counts a batch that is there already, of which nothing is copied. @returns whether the budget allows it */
  charge(dwords: number): boolean {
    if (this.#copied + dwords > BATCH_BUDGET_DWORDS) return false;
    this.#copied += dwords;
    return true;
  }

  /**
   * Copies batch `index` on, up to the end of the source's page.
   * @param frames where the batch lies, undefined where it may not be read. @returns how many dwords, or UNMAPPED, or OVER_BUDGET
   */
  copyPage(index: number, batch: ShadowBatch, frames: Frames | undefined): number {
    const from = this.#reach[index]!;
    const address = batch.sourceGmadr + from * 4;
    const offset = (address & (PAGE_SIZE - 1)) >>> 2;
    const dwords = PAGE_DWORDS - offset;
    if (this.#copied + dwords > BATCH_BUDGET_DWORDS) return OVER_BUDGET;
    const found = frames === undefined ? -1 : frames.locate(Math.floor(address / PAGE_SIZE));
    if (found < 0) return UNMAPPED;
    if (from + dwords > batch.words.length) {
      // twice is enough: a buffer is no smaller than a page, of which there is one more at most
      const grown = new Uint32Array(batch.words.length * 2);
      grown.set(batch.words.subarray(0, from));
      batch.words = grown;
      this.#buffers[index] = grown;
    }
    const first = found + offset;
    batch.words.set(frames!.words.subarray(first, first + dwords), from);
    this.#copied += dwords;
    this.#reach[index] = from + dwords;
    return dwords;
  }
}
