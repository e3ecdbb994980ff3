/**
 * Compiles command rows into one flat table per platform and engine. The upper 16 bits of any header index it directly:
 * one load tells how long the command is, which handler it wants and which row it came from, without a branch on the
 * command type. 0 means that the command streamer of that engine does not know the header.
 */
import { XengtError } from '../../base/index.js';
import type { EngineId } from '../engines.js';
import type { Platform } from '../platform.js';
import { BLITTER_COMMANDS } from './blitter.js';
import { MEDIA_COMMANDS } from './media.js';
import { MI_COMMANDS } from './mi.js';
import { RENDER_COMMANDS } from './render.js';
import { COMMAND_HANDLERS, type CommandRow, engineBit } from './types.js';
import { SFC_COMMANDS, VIDEO_COMMANDS, VIDEO_ENHANCE_COMMANDS } from './video.js';

export const COMMANDS: readonly CommandRow[] = [
  ...MI_COMMANDS,
  ...BLITTER_COMMANDS,
  ...RENDER_COMMANDS,
  ...MEDIA_COMMANDS,
  ...VIDEO_COMMANDS,
  ...VIDEO_ENHANCE_COMMANDS,
  ...SFC_COMMANDS,
];

/** Layout of a table entry: [4:0] width of the length field, [9:5] bias, [10] totals are limited, [16:11] handler, [31:17] id. */
const BIAS_SHIFT = 5;
const LIMITED = 1 << 10;
const HANDLER_SHIFT = 11;
const ID_SHIFT = 17;

export interface CommandTable {
  readonly platform: Platform;
  readonly engine: EngineId;
  /** By header >>> 16. Read it with the entry* functions. */
  readonly entries: Uint32Array;
  /** By command id; id 0 is "unknown" and has no row. */
  readonly rows: readonly (CommandRow | undefined)[];
  /** By command id: smallest and largest total that the streamer defines, where limited. */
  readonly minDwords: Uint32Array;
  readonly maxDwords: Uint32Array;
}

/** Total dwords of the command with this header. Meaningless for entry 0. */
export const entryDwords = (entry: number, header: number): number =>
  (header & ((1 << (entry & 31)) - 1)) + ((entry >>> BIAS_SHIFT) & 31);
export const entryIsLimited = (entry: number): boolean => (entry & LIMITED) !== 0;
/** Index into COMMAND_HANDLERS; 0 is 'plain'. */
export const entryHandler = (entry: number): number => (entry >>> HANDLER_SHIFT) & 63;
export const entryId = (entry: number): number => entry >>> ID_SHIFT;

export function compileCommands(platform: Platform, engine: EngineId): CommandTable {
  const chosen = COMMANDS.filter(
    (row) => (row.engines & engineBit(engine)) !== 0 && (row.platforms & platform.bit) !== 0,
  );
  const entries = new Uint32Array(0x10000);
  const rows: (CommandRow | undefined)[] = [undefined, ...chosen];
  const minDwords = new Uint32Array(rows.length);
  const maxDwords = new Uint32Array(rows.length);
  chosen.forEach((row, i) => {
    const id = i + 1;
    const { width, bias, totals } = row.length;
    const handler = row.handler === undefined ? 0 : COMMAND_HANDLERS.indexOf(row.handler);
    check(row, width <= 16 && bias >= 1 && bias < 32, 'length rule');
    check(row, (row.header & ((2 ** (32 - row.bits) - 1) >>> 0)) === 0, 'header');
    let limited = 0;
    if (totals !== undefined) {
      minDwords[id] = totals[0]!;
      maxDwords[id] = totals[totals.length - 1]!;
      check(row, minDwords[id]! >= bias && maxDwords[id]! <= bias + 2 ** width - 1, 'totals');
      limited = LIMITED;
    }
    const entry = (width | (bias << BIAS_SHIFT) | limited | (handler << HANDLER_SHIFT) | (id << ID_SHIFT)) >>> 0;
    const first = row.header >>> 16;
    const span = 2 ** Math.max(0, 16 - row.bits);
    for (let index = first; index < first + span; index++) {
      check(row, entries[index] === 0, `opcode (also ${rows[entryId(entries[index]!)]?.name ?? 'unknown'})`);
      entries[index] = entry;
    }
  });
  return { platform, engine, entries, rows, minDwords, maxDwords };
}

/** The row of a header, or undefined. Not for hot paths. */
export function commandRow(table: CommandTable, header: number): CommandRow | undefined {
  return table.rows[entryId(table.entries[header >>> 16]!)];
}

function check(row: CommandRow, good: boolean, what: string): void {
  if (!good) throw new XengtError('XENGT_E_TABLE', `Command ${row.name}: its ${what} contradicts the table.`);
}
