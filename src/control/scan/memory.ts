/** Memory of a recorded stream: runs of graphics pages, each page somewhere in one array of dwords. */
import { type Frames, PAGE_DWORDS } from '../../base/index.js';

export interface Run {
  /** Number of the first page. */
  readonly first: number;
  /** Where the contents of each page are in the array, in pages. */
  readonly contents: Int32Array;
}

export class RecordedMemory implements Frames {
  words: Uint32Array;
  readonly #runs: readonly Run[];

  constructor(words: Uint32Array, runs: readonly Run[]) {
    this.words = words;
    this.#runs = [...runs].sort((a, b) => a.first - b.first);
  }

  /** The first page that is there twice, or -1. */
  overlap(): number {
    const next = this.#runs.find((run, i) => i > 0 && run.first < endOf(this.#runs[i - 1]!));
    return next === undefined ? -1 : next.first;
  }

  locate(page: number): number {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#runs[middle]!.first <= page) low = middle + 1;
      else high = middle;
    }
    const run = this.#runs[low - 1];
    return run === undefined || page >= endOf(run) ? -1 : run.contents[page - run.first]! * PAGE_DWORDS;
  }
}

const endOf = (run: Run): number => run.first + run.contents.length;

/** Pages that follow each other in memory as in the array. */
export function straight(firstPage: number, pages: number, firstContents: number): Run {
  return { first: firstPage, contents: Int32Array.from({ length: pages }, (_, i) => firstContents + i) };
}
