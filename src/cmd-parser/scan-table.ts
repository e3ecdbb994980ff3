/**
 * Everything that the scan of one engine's streams at one trust level looks up, compiled into flat arrays: command rows,
 * command policy and register policy. The upper 16 bits of a header index `entries`, and most commands are judged by that
 * entry alone.
 */
import { type CommandTable, entryId } from '../hw/index.js';
import { decisionOf, type Trust } from './command-policy.js';
import { ACTION_ALLOW, actionOf } from './handlers.js';
import type { RegisterPolicy } from './register-policy.js';

/**
 * Layout of an entry. Most commands are allowed, with an 8-bit length field and a total of that + 2: those have the smallest
 * field in bits 8:0 and the span of fields in 16:9, and one comparison judges them. Entries of other shapes have a smallest
 * field that no header reaches, and more in the upper bits. 0x1ff alone is a header that no command of the engine has.
 */
export const FIELD8_MIN = 0x1ff;
export const FIELD8_SPAN_SHIFT = 9;
export const FIELD8_SPAN = 0xff;
const NOT_FIELD8 = 0x1ff;
export const UNKNOWN = NOT_FIELD8;
/** Allowed, one dword. */
export const ONE_DWORD = NOT_FIELD8 | (1 << 9);
/** Anything else: [14:10] width of the length field, [19:15] bias, [20] allowed totals have gaps, [31:21] action. */
export const WIDTH_SHIFT = 10;
export const BIAS_SHIFT = 15;
export const GAPS = 1 << 20;
export const ACTION_SHIFT = 21;

const FIELD8_BIAS = 2;

export interface ScanTable {
  readonly trust: Trust;
  readonly commands: CommandTable;
  /** By header >>> 16. */
  readonly entries: Int32Array;
  /** By header >>> 16: command id in `commands.rows`, 0 is unknown. */
  readonly ids: Uint16Array;
  /** By command id: the smallest and the largest total that the streamer defines, and where there are gaps, all of them. */
  readonly least: Uint32Array;
  readonly most: Uint32Array;
  readonly totals: readonly (readonly number[])[];
  /** By command id: dword of the first graphics address, and whether a high half follows. */
  readonly addressAt: Uint8Array;
  readonly addressWide: Uint8Array;
  /** By command id: dword of the second graphics address. */
  readonly secondAt: Uint8Array;
  readonly registers: RegisterPolicy;
}

export function compileScanTable(commands: CommandTable, trust: Trust, registers: RegisterPolicy): ScanTable {
  const { rows } = commands;
  const entryOfId = new Int32Array(rows.length).fill(UNKNOWN);
  const addressAt = new Uint8Array(rows.length);
  const addressWide = new Uint8Array(rows.length);
  const secondAt = new Uint8Array(rows.length);
  const least = new Uint32Array(rows.length);
  const most = new Uint32Array(rows.length);
  const totals: (readonly number[])[] = rows.map((row) => row?.length.totals ?? []);
  rows.forEach((row, id) => {
    if (row === undefined) return;
    const { width, bias } = row.length;
    const action = actionOf(row.handler ?? 'plain', decisionOf(row, trust));
    const [address, second] = row.addresses ?? [];
    addressAt[id] = address?.dword ?? 0;
    addressWide[id] = address !== undefined && address.bits > 32 ? 1 : 0;
    secondAt[id] = second?.dword ?? 0;
    const allowed = totals[id]!;
    const first = allowed[0] ?? bias;
    const last = allowed[allowed.length - 1] ?? bias + 2 ** width - 1;
    least[id] = first;
    most[id] = last;
    const unbroken = allowed.length === 0 || last - first === allowed.length - 1;
    if (action === ACTION_ALLOW && width === 0 && bias === 1) entryOfId[id] = ONE_DWORD;
    else if (action === ACTION_ALLOW && width === 8 && bias === FIELD8_BIAS && unbroken) {
      entryOfId[id] = (first - FIELD8_BIAS) | ((last - first) << FIELD8_SPAN_SHIFT);
    } else {
      const gaps = unbroken ? 0 : GAPS;
      entryOfId[id] = NOT_FIELD8 | (width << WIDTH_SHIFT) | (bias << BIAS_SHIFT) | gaps | (action << ACTION_SHIFT);
    }
  });
  const entries = new Int32Array(commands.entries.length);
  const ids = new Uint16Array(commands.entries.length);
  for (let i = 0; i < entries.length; i++) {
    ids[i] = entryId(commands.entries[i]!);
    entries[i] = entryOfId[ids[i]!]!;
  }
  return { trust, commands, entries, ids, least, most, totals, addressAt, addressWide, secondAt, registers };
}
