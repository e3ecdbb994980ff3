/** Names of registers for people: logs, counters, the operator's list of unknown registers. Not for hot paths. */
import type { RegisterRow } from './types.js';

/** Finds rows by offset on one platform. Built once, from any rows. */
export class RegisterNames {
  readonly #rows: readonly RegisterRow[];

  constructor(rows: readonly RegisterRow[], platformBit: number) {
    this.#rows = rows
      .filter((row) => ((row.platforms ?? platformBit) & platformBit) !== 0)
      .sort((a, b) => a.offset - b.offset);
  }

  /** The row that covers `offset`. */
  row(offset: number): RegisterRow | undefined {
    let low = 0;
    let high = this.#rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#rows[middle]!.offset <= offset) low = middle + 1;
      else high = middle;
    }
    const row = this.#rows[low - 1];
    return row !== undefined && offset < row.offset + (row.size ?? 4) ? row : undefined;
  }

  /** RING_TAIL_RCS; LNCF_MOCS+0x8 within a block; 0x12345 where there is no row. */
  name(offset: number): string {
    const row = this.row(offset);
    if (row === undefined) return `0x${offset.toString(16)}`;
    const into = offset - row.offset;
    return into === 0 ? row.name : `${row.name}+0x${into.toString(16)}`;
  }
}
