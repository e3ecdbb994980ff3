/** Walking command streams without judging them: by header lengths alone, from the same rows that the scanner uses. */
import { type CommandRow, type CommandTable, entryDwords, entryId } from '../hw/index.js';

/** Steps through a dword range, command by command; allocates nothing. */
export class CommandWalker {
  readonly #table: CommandTable;
  readonly #words: Uint32Array;
  readonly #end: number;
  #next: number;
  /** Dword index of the current command. */
  at = -1;
  header = 0;
  /** Total dwords of the current command; 0 when its header is unknown. */
  length = 0;
  /** Command id in the table; 0 is unknown. */
  id = 0;

  constructor(table: CommandTable, words: Uint32Array, start: number, end: number) {
    this.#table = table;
    this.#words = words;
    this.#next = start;
    this.#end = end;
  }

  /** @returns false at the end of the range, or after an unknown header */
  next(): boolean {
    if (this.#next >= this.#end || (this.at >= 0 && this.id === 0)) return false;
    const header = this.#words[this.#next]!;
    const entry = this.#table.entries[header >>> 16]!;
    this.at = this.#next;
    this.header = header;
    this.id = entryId(entry);
    this.length = this.id === 0 ? 0 : entryDwords(entry, header);
    this.#next += this.length;
    return true;
  }

  get row(): CommandRow | undefined {
    return this.#table.rows[this.id];
  }
}

export function walk(table: CommandTable, words: Uint32Array, start: number, end: number): CommandWalker {
  return new CommandWalker(table, words, start, end);
}
