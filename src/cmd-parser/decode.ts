/**
 * Command streams for people: each command by the name of its row, below it its fields by name and value. Flags are shown
 * where they are set. What no field covers is shown as bare bits, so that nothing of a command is hidden. Not for hot paths.
 */
import {
  type AddressOperand,
  type BitPosition,
  type CommandField,
  type CommandRow,
  type CommandTable,
  entryDwords,
  entryId,
  fieldsOf,
  registerName,
} from '../hw/index.js';

/** The dword at a graphics address, or -1 where nothing is mapped. */
export type ReadDword = (address: number) => number;

const BARE_PER_LINE = 4;
const INDENT = ' '.repeat(23);
const PLACE_WIDTH = 10;
const ADDRESS_DIGITS = 16;
/** Numbers of more bits are shown in hex. */
const DECIMAL_BITS = 16;
const ALL_BITS = 0xffffffff;
const END_OF_BATCH = 'MI_BATCH_BUFFER_END';

/** A line below a command. */
interface Shown {
  readonly dword: number;
  readonly high: number;
  readonly low: number;
  readonly name: string;
  readonly value: string;
}

/**
 * Decodes a piece of a stream that is executed without a jump, one text of whole lines per command. An unknown header, a
 * length that the command does not have, and memory that is not mapped are shown and end it, as does the end of the batch.
 * @param end exclusive; Infinity where it is not known
 */
export function* decodePiece(table: CommandTable, read: ReadDword, start: number, end: number): Generator<string> {
  let address = start;
  while (address < end) {
    const header = read(address);
    if (header < 0) return yield unmapped(address);
    const entry = table.entries[header >>> 16]!;
    const row = table.rows[entryId(entry)];
    if (row === undefined) return yield headLine(address, '?', `unknown header ${hex(header, 8)}`);
    const count = entryDwords(entry, header);
    if (row.length.totals?.includes(count) === false) {
      return yield headLine(address, String(count), `${row.name}: no length of this command, header ${hex(header, 8)}`);
    }
    const dwords: number[] = [header];
    for (let next = 0; dwords.length < count && next >= 0; ) {
      next = read(address + dwords.length * 4);
      if (next >= 0) dwords.push(next);
    }
    yield headLine(address, String(count), row.name) + fieldLines(table, row, dwords);
    if (dwords.length < count) return yield unmapped(address + dwords.length * 4);
    if (row.name === END_OF_BATCH) return;
    address += count * 4;
  }
}

const hex = (value: number | bigint, digits: number): string => `0x${value.toString(16).padStart(digits, '0')}`;
const headLine = (address: number, dwords: string, text: string): string =>
  `${hex(address, 12)} ${dwords.padStart(5)}  ${text}\n`;
const unmapped = (address: number): string => headLine(address, '', 'nothing is mapped here');

function fieldLines(table: CommandTable, row: CommandRow, dwords: readonly number[]): string {
  const fields = allFields(row, dwords);
  const spaces = addressSpaces(row, dwords);
  const shown = fields
    .filter((field) => says(field, dwords))
    .map((field) => ({ ...field, value: textOf(table, field, dwords, spaces) }));
  shown.push(...bare(dwords, coverage(row, fields, dwords)));
  shown.sort((a, b) => a.dword - b.dword || b.high - a.high);
  const width = shown.reduce((most, { name }) => Math.max(most, name.length), 0);
  return shown.map((line) => `${INDENT}${place(line)}  ${line.name.padEnd(width)}  ${line.value}\n`).join('');
}

/** dw3 for whole dwords and addresses, dw3 31:16 or dw3 5 for bits. */
function place({ dword, high, low }: Shown): string {
  const whole = low === 0 && high >= 31;
  const bits = whole ? '' : ` ${high === low ? high : `${high}:${low}`}`;
  return `dw${dword}${bits}`.padEnd(PLACE_WIDTH);
}

/** The named fields, and the operands that the row knows of where no field names them. */
function allFields(row: CommandRow, dwords: readonly number[]): CommandField[] {
  const fields = [...fieldsOf(row, dwords.length)];
  const add = (field: CommandField): void => {
    const inside = field.dword + (field.high >>> 5) < dwords.length;
    if (inside && !fields.some(({ dword, high }) => dword === field.dword && high >= field.low)) fields.push(field);
  };
  for (const operand of row.addresses ?? []) {
    for (const dword of placesOf(operand, dwords.length)) {
      add({ name: 'address', dword, high: operand.bits - 1, low: Math.log2(operand.align), kind: 'address' });
    }
  }
  for (const { dword, access, when } of row.registers ?? []) {
    if (when !== undefined && !isSet(when, dwords)) continue;
    const last = access === 'immediatePairs' ? dwords.length : dword + 1;
    for (let i = dword; i < last; i += 2) add({ name: 'register', dword: i, high: 22, low: 2, kind: 'register' });
  }
  return fields;
}

function placesOf({ dword, every, times }: AddressOperand, dwords: number): number[] {
  if (every === undefined) return [dword];
  const most = Math.max(0, Math.ceil((dwords - dword) / every));
  return Array.from({ length: Math.min(times ?? most, most) }, (_, i) => dword + i * every);
}

/** By which page tables each address goes. */
function addressSpaces(row: CommandRow, dwords: readonly number[]): Map<number, string> {
  const spaces = new Map<number, string>();
  for (const operand of row.addresses ?? []) {
    const { space, select } = operand;
    const selected = select !== undefined && isSet(select, dwords) === (select.ppgttWhenSet !== true);
    const name = space === 'select' ? (selected ? 'ggtt' : 'ppgtt') : space;
    for (const dword of placesOf(operand, dwords.length)) spaces.set(dword, name);
  }
  return spaces;
}

const isSet = ({ dword, bit }: BitPosition, dwords: readonly number[]): boolean =>
  dword < dwords.length && ((dwords[dword]! >>> bit) & 1) !== 0;

function rawOf({ dword, high, low }: CommandField, dwords: readonly number[]): bigint {
  const upper = high > 31 ? BigInt(dwords[dword + 1] ?? 0) << 32n : 0n;
  return BigInt.asUintN(high - low + 1, (upper | BigInt(dwords[dword]!)) >> BigInt(low));
}

/** A flag that is not set says nothing, nor does a number of 0 in the header, where most commands have none. */
function says(field: CommandField, dwords: readonly number[]): boolean {
  const optional = field.kind === 'bool' || (field.dword === 0 && field.kind === undefined);
  return !optional || rawOf(field, dwords) !== 0n;
}

function textOf(
  table: CommandTable,
  field: CommandField,
  dwords: readonly number[],
  spaces: ReadonlyMap<number, string>,
): string {
  const raw = rawOf(field, dwords);
  switch (field.kind) {
    case 'address':
      return `${hex(raw << BigInt(field.low), ADDRESS_DIGITS)} ${spaces.get(field.dword) ?? ''}`.trimEnd();
    case 'register': {
      const offset = Number(raw << BigInt(field.low));
      return `${hex(offset, 8)} ${registerName(table.platform, offset)}`;
    }
    case 'bool':
      return 'yes';
    case 'enum':
      return `${raw} ${field.values?.[Number(raw)] ?? ''}`.trimEnd();
    default: {
      const bits = field.high - field.low + 1;
      return bits > DECIMAL_BITS ? hex(raw, Math.ceil(bits / 4)) : String(raw);
    }
  }
}

/** Per dword, the bits that some field names; of the header also what the command's name and length say. */
function coverage(row: CommandRow, fields: readonly CommandField[], dwords: readonly number[]): Uint32Array {
  const covered = new Uint32Array(dwords.length);
  covered[0] = bitsFrom(32 - row.bits) | ~bitsFrom(row.length.width);
  for (const { dword, high, low, kind } of fields) {
    covered[dword]! |= bitsFrom(low) & ~bitsFrom(high + 1);
    if (high <= 31) continue;
    const above = bitsFrom(high - 31);
    covered[dword + 1]! |= ~above;
    // above an address may be copies of its highest bit
    const isNegative = ((dwords[dword + 1]! >>> (high - 32)) & 1) !== 0;
    if (kind === 'address' && isNegative && (dwords[dword + 1]! & above) === above) covered[dword + 1]! |= above;
  }
  return covered;
}

/** Bits 31 down to `low`; none where that is beyond the dword. */
const bitsFrom = (low: number): number => (low > 31 ? 0 : ALL_BITS << low);

/** Dwords that nothing names, some a line, and the bits that are set beside named ones. */
function bare(dwords: readonly number[], covered: Uint32Array): Shown[] {
  const shown: Shown[] = [];
  for (let i = 0; i < dwords.length; ) {
    let count = 0;
    while (count < BARE_PER_LINE && i + count < dwords.length && covered[i + count] === 0) count++;
    if (count > 0) {
      const value = dwords.slice(i, i + count).map((dword) => hex(dword, 8));
      shown.push({ dword: i, high: 31, low: 0, name: '', value: value.join(' ') });
    } else {
      const rest = (dwords[i]! & ~covered[i]!) >>> 0;
      if (rest !== 0) shown.push({ dword: i, high: 31, low: 0, name: 'other bits', value: hex(rest, 8) });
    }
    i += Math.max(1, count);
  }
  return shown;
}
