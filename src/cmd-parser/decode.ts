/**
 * Command streams for people: each command by the name of its row, below it its fields by name and value. Dwords that no
 * field covers are shown bare, so that nothing of a command is hidden. Not for hot paths.
 */
import {
  type AddressOperand,
  type BitPosition,
  type CommandRow,
  type CommandTable,
  entryDwords,
  entryId,
  type RegisterOperand,
  registerName,
} from '../hw/index.js';

/** The dword at a graphics address, or -1 where nothing is mapped. */
export type ReadDword = (address: number) => number;

const BARE_PER_LINE = 4;
const INDENT = ' '.repeat(23);
const PLACE_WIDTH = 10;
const ADDRESS_DIGITS = 16;
const HIGH_HALF = 0x100000000;
/** Bits of a register operand that select the register. */
const REGISTER_BITS = 0x007ffffc;
const END_OF_BATCH = 'MI_BATCH_BUFFER_END';

/** A line below a command: what is in which bits of which dword. */
interface Shown {
  readonly dword: number;
  readonly dwords: number;
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

const hex = (value: number, digits: number): string => `0x${value.toString(16).padStart(digits, '0')}`;
const headLine = (address: number, dwords: string, text: string): string =>
  `${hex(address, 12)} ${dwords.padStart(5)}  ${text}\n`;
const unmapped = (address: number): string => headLine(address, '', 'nothing is mapped here');

function fieldLines(table: CommandTable, row: CommandRow, dwords: readonly number[]): string {
  const shown = [...addressesOf(row, dwords), ...registersOf(table, row, dwords)];
  const covered = new Uint8Array(dwords.length);
  covered[0] = 1;
  for (const { dword, dwords: count } of shown) covered.fill(1, dword, dword + count);
  shown.push(...bare(dwords, covered));
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

function addressesOf(row: CommandRow, dwords: readonly number[]): Shown[] {
  const shown: Shown[] = [];
  for (const operand of row.addresses ?? []) {
    const size = operand.bits === 48 ? 2 : 1;
    const times = operand.every === undefined ? 1 : (operand.times ?? Infinity);
    for (let i = 0, dword = operand.dword; i < times && dword + size <= dwords.length; i++) {
      const high = size === 2 ? dwords[dword + 1]! & 0xffff : 0;
      const low = dwords[dword]! - (dwords[dword]! % operand.align);
      const value = `${hex(high * HIGH_HALF + low, ADDRESS_DIGITS)} ${spaceOf(operand, dwords)}`;
      shown.push({ dword, dwords: size, high: operand.bits - 1, low: 0, name: 'Address', value });
      dword += operand.every ?? 0;
    }
  }
  return shown;
}

function spaceOf({ space, select }: AddressOperand, dwords: readonly number[]): string {
  if (space !== 'select' || select === undefined) return space;
  return isSet(select, dwords) === (select.ppgttWhenSet !== true) ? 'ggtt' : 'ppgtt';
}

const isSet = ({ dword, bit }: BitPosition, dwords: readonly number[]): boolean =>
  dword < dwords.length && ((dwords[dword]! >>> bit) & 1) !== 0;

function registersOf(table: CommandTable, row: CommandRow, dwords: readonly number[]): Shown[] {
  const shown: Shown[] = [];
  const whole = (dword: number, name: string, value: string): void => {
    if (dword < dwords.length) shown.push({ dword, dwords: 1, high: 31, low: 0, name, value });
  };
  for (const operand of row.registers ?? []) {
    if (operand.when !== undefined && !isSet(operand.when, dwords)) continue;
    const pairs = operand.access === 'immediatePairs';
    for (let dword = operand.dword; dword < dwords.length; dword += 2) {
      const offset = dwords[dword]! & REGISTER_BITS;
      whole(dword, registerTitle(operand), `${hex(offset, 8)} ${registerName(table.platform, offset)}`);
      if (!pairs) break;
      whole(dword + 1, 'Value', hex(dwords[dword + 1] ?? 0, 8));
    }
  }
  return shown;
}

const registerTitle = ({ access }: RegisterOperand): string =>
  access === 'read' ? 'Register read' : 'Register written';

/** Runs of dwords that nothing else shows. */
function bare(dwords: readonly number[], covered: Uint8Array): Shown[] {
  const shown: Shown[] = [];
  for (let i = 0; i < dwords.length; ) {
    let count = 0;
    while (count < BARE_PER_LINE && i + count < dwords.length && covered[i + count] === 0) count++;
    if (count > 0) {
      const value = dwords
        .slice(i, i + count)
        .map((dword) => hex(dword, 8))
        .join(' ');
      shown.push({ dword: i, dwords: count, high: count * 32 - 1, low: 0, name: '', value });
    }
    i += Math.max(1, count);
  }
  return shown;
}
