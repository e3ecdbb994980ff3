/**
 * Compiles register rows for one platform into flat typed arrays: a row number per dword of the window, and per row its
 * masks, flags and handlers. A table that contradicts itself does not compile.
 */
import { XengtError } from '../base/index.js';
import { MMIO_BYTES, R, type RegisterRow } from '../hw/index.js';
import type { Handlers, ReadHandler, WriteHandler } from './context.js';

export const MMIO_DWORDS = MMIO_BYTES / 4;
const ALL = 0xffffffff;

/** How a write to a row is done. */
export const WRITE_PLAIN = 0;
export const WRITE_COLUMNS = 1;
export const WRITE_HANDLER = 2;

export interface Policy<C> {
  /** Name and bit of the platform compiled for. */
  readonly platform: { readonly name: string; readonly bit: number };
  /** Rows by number; number 0 means "no row" and repeats the first. */
  readonly rows: readonly RegisterRow[];
  /** Row number of each dword. */
  readonly rowOf: Uint16Array;
  /** 1 at each dword whose read is the bank's value and nothing else; without a row it is not, for such reads are counted. */
  readonly plainReads: Uint8Array;
  /** Value of each dword after reset. */
  readonly resetBank: Uint32Array;
  readonly flags: Uint16Array;
  readonly writeMask: Uint32Array;
  readonly w1c: Uint32Array;
  /** Request bits, state bits, and how far the state is to the left of the request. */
  readonly mirrorFrom: Uint32Array;
  readonly mirrorTo: Uint32Array;
  readonly mirrorShift: Int8Array;
  /** WRITE_* of each row. */
  readonly writeAction: Uint8Array;
  /** Index into `reads` and `writes`; 0 is none. */
  readonly readHandler: Uint16Array;
  readonly writeHandler: Uint16Array;
  readonly reads: readonly ReadHandler<C>[];
  readonly writes: readonly WriteHandler<C>[];
}

function fail(row: RegisterRow, why: string): never {
  throw new XengtError('XENGT_E_TABLE', `Register ${row.name} at 0x${row.offset.toString(16)} ${why}.`);
}

function checkMask(row: RegisterRow, column: string, mask: number | undefined): void {
  if (mask === undefined) return;
  if (!Number.isInteger(mask) || mask < 0 || mask > ALL) fail(row, `has a ${column} wider than the register`);
}

function mirrorShift(row: RegisterRow): number {
  if (row.mirror === undefined) return 0;
  const [request, state] = row.mirror;
  checkMask(row, 'mirror', request);
  checkMask(row, 'mirror', state);
  const shift = Math.clz32(request) - Math.clz32(state);
  const forth = (shift >= 0 ? request << shift : request >>> -shift) >>> 0;
  const back = (shift >= 0 ? state >>> shift : state << -shift) >>> 0;
  if (request === 0 || forth !== state || back !== request)
    fail(row, 'mirrors bits that do not have the pattern of their request');
  if ((request & state) !== 0) fail(row, 'mirrors bits onto themselves');
  return shift;
}

function checkRow(row: RegisterRow): void {
  const size = row.size ?? 4;
  if (!Number.isInteger(row.offset) || row.offset < 0 || row.offset % 4 !== 0) fail(row, 'is misaligned');
  if (!Number.isInteger(size) || size <= 0 || size % 4 !== 0) fail(row, `has an impossible size of ${size} bytes`);
  if (row.offset + size > MMIO_BYTES) fail(row, 'lies outside the register window');
  checkMask(row, 'reset value', row.reset);
  checkMask(row, 'write mask', row.writeMask);
  checkMask(row, 'write-1-to-clear mask', row.w1c);
  const flags = row.flags ?? 0;
  if ((flags & R.MODE_MASK) !== 0) {
    const wide = (row.reset ?? 0) | (row.writeMask ?? 0) | (row.w1c ?? 0);
    if (wide >>> 16 !== 0) fail(row, 'uses its upper half, which is the mode mask');
  }
  const writable = row.writeMask !== undefined || row.w1c !== undefined || row.mirror !== undefined || row.write;
  if ((flags & R.RO) !== 0 && writable) fail(row, 'is read-only but says how to write it');
}

/** Collects the handlers that rows name, each once. */
class HandlerTable<H> {
  readonly list: H[];
  readonly #numbers = new Map<string, number>();
  readonly #known: Readonly<Record<string, H>>;
  readonly #kind: string;
  constructor(kind: string, known: Readonly<Record<string, H>>, none: H) {
    this.#kind = kind;
    this.#known = known;
    this.list = [none];
  }
  number(row: RegisterRow, name: string | undefined): number {
    if (name === undefined) return 0;
    const seen = this.#numbers.get(name);
    if (seen !== undefined) return seen;
    if (!Object.hasOwn(this.#known, name)) fail(row, `names a ${this.#kind} behaviour without handler: ${name}`);
    this.#numbers.set(name, this.list.length);
    this.list.push(this.#known[name]!);
    return this.list.length - 1;
  }
}

/**
 * @param platform the rows that apply are those whose `platforms` contain `bit`
 * @throws XengtError XENGT_E_TABLE naming the row that is wrong
 */
export function compilePolicy<C>(
  platform: { readonly name: string; readonly bit: number },
  rows: readonly RegisterRow[],
  handlers: Handlers<C>,
): Policy<C> {
  const own = rows.filter((row) => row.platforms === undefined || (row.platforms & platform.bit) !== 0);
  if (own.length === 0 || own.length > 0xfffe) {
    throw new XengtError('XENGT_E_TABLE', `${own.length} register rows apply to ${platform.name}; 1 to 65534 can.`);
  }
  const count = own.length + 1;
  const rowOf = new Uint16Array(MMIO_DWORDS);
  const plainReads = new Uint8Array(MMIO_DWORDS);
  const resetBank = new Uint32Array(MMIO_DWORDS);
  const flags = new Uint16Array(count);
  const writeMask = new Uint32Array(count).fill(ALL);
  const w1c = new Uint32Array(count);
  const mirrorFrom = new Uint32Array(count);
  const mirrorTo = new Uint32Array(count);
  const shifts = new Int8Array(count);
  const writeAction = new Uint8Array(count);
  const readHandler = new Uint16Array(count);
  const writeHandler = new Uint16Array(count);
  const reads = new HandlerTable<ReadHandler<C>>('read', handlers.read, () => 0);
  const writes = new HandlerTable<WriteHandler<C>>('write', handlers.write, () => undefined);
  const names = new Set<string>();

  own.forEach((row, index) => {
    const id = index + 1;
    checkRow(row);
    if (names.has(row.name)) fail(row, 'has the name of another register');
    names.add(row.name);
    const first = row.offset / 4;
    const end = first + (row.size ?? 4) / 4;
    for (let at = first; at < end; at++) {
      const other = rowOf[at]!;
      if (other !== 0) fail(row, `overlaps ${own[other - 1]!.name} on ${platform.name}`);
      rowOf[at] = id;
    }
    resetBank.fill(row.reset ?? 0, first, end);
    flags[id] = row.flags ?? 0;
    w1c[id] = row.w1c ?? 0;
    writeMask[id] = (row.writeMask ?? ALL) & ~(row.w1c ?? 0) & ~(row.mirror?.[1] ?? 0);
    shifts[id] = mirrorShift(row);
    mirrorFrom[id] = row.mirror?.[0] ?? 0;
    mirrorTo[id] = row.mirror?.[1] ?? 0;
    readHandler[id] = reads.number(row, row.read);
    if (readHandler[id] === 0) plainReads.fill(1, first, end);
    writeHandler[id] = writes.number(row, row.write);
    const plain = writeMask[id] === ALL && (flags[id]! & (R.RO | R.MODE_MASK)) === 0;
    writeAction[id] = writeHandler[id] !== 0 ? WRITE_HANDLER : plain ? WRITE_PLAIN : WRITE_COLUMNS;
  });

  return {
    platform,
    rows: [own[0]!, ...own],
    rowOf,
    plainReads,
    resetBank,
    flags,
    writeMask,
    w1c,
    mirrorFrom,
    mirrorTo,
    mirrorShift: shifts,
    writeAction,
    readHandler,
    writeHandler,
    reads: reads.list,
    writes: writes.list,
  };
}
