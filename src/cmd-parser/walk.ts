/**
 * Walking and printing command streams, without judging them: by header lengths alone, and by the same rows that the
 * scanner uses.
 */
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

const hex = (value: number): string => value.toString(16).padStart(8, '0');
/** Dwords printed of a long command. */
const SHOWN = 12;

/** One line for the command at `at`: address, name, dwords, and the graphics addresses that it carries. */
export function decodeLine(table: CommandTable, words: Uint32Array, at: number, address = at * 4): string {
  const header = words[at]!;
  const entry = table.entries[header >>> 16]!;
  const row = table.rows[entryId(entry)];
  const where = address.toString(16).padStart(12, '0');
  if (row === undefined) return `${where}: ${hex(header)}  unknown`;
  const length = entryDwords(entry, header);
  const present = Math.min(length, words.length - at);
  const shown: string[] = [];
  for (let i = 0; i < Math.min(present, SHOWN); i++) shown.push(hex(words[at + i]!));
  if (length > shown.length) shown.push(`... ${length} dwords`);
  const targets = (row.addresses ?? [])
    .filter(({ dword, bits }) => dword + (bits === 48 ? 1 : 0) < present)
    .map(({ dword, bits }) => {
      const high = bits === 48 ? (words[at + dword + 1]! & 0xffff) * 0x100000000 : 0;
      return `dw${dword}=0x${(high + words[at + dword]!).toString(16)}`;
    });
  return [`${where}: ${row.name.padEnd(40)}`, shown.join(' '), ...targets].join(' ').trimEnd();
}
