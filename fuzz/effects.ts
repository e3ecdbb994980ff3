/**
 * An independent reading of accepted streams: own length rules, own idea of what each command touches, no table and no code
 * shared with the scanner or the model. Slower and simpler, it knows only what would hurt: accesses through the global GTT,
 * jumps with privilege, and commands that reach beyond their context. Lengths that two readings see differently show as an
 * end that is not one.
 * Source: PRM SKL Vol 2a "Command Reference: Instructions" (MI command formats, "Command Header Format" for the length fields).
 */
import { BCS, type EngineId, RCS, VECS } from '../src/hw/index.js';
import type { Escape } from './escape.js';
import { MAY_CHANGE, MAY_NOTHING, type PrivilegedRegisters } from './privileged-registers.js';

const BY_FIELD = -1;
/** Total dwords of MI commands with opcodes from 0x10 on that have no length field. */
const MI_FIXED: Readonly<Record<number, number>> = { 18: 2, 19: 2 };
/** Width of the length field where it is not 8 bits. */
const MI_WIDTHS: Readonly<Record<number, number>> = { 32: 10, 35: 10, 38: 6, 39: 10, 40: 6 };

function widthOf(header: number, engine: EngineId): number {
  const type = header >>> 29;
  if (type === 2) return 8;
  const top = header >>> 16;
  const subtype = (header >>> 27) & 3;
  if (engine !== RCS) return engine !== VECS && engine !== BCS && top >= 0x7600 && top <= 0x7609 ? 16 : 12;
  if (subtype === 2) return top === 0x7104 || top === 0x7105 ? 8 : 16;
  if (top === 0x6103) return 3;
  if (top === 0x7839 || top === 0x783a) return 11;
  return (top >= 0x7843 && top <= 0x7847) || top === 0x7917 ? 9 : 8;
}

/** Total dwords of the command, or 0 for a header that is none. */
function lengthOf(header: number, engine: EngineId): number {
  const type = header >>> 29;
  if (type === 0) {
    const opcode = (header >>> 23) & 0x3f;
    if (opcode < 0x10) return 1;
    const fixed = MI_FIXED[opcode] ?? BY_FIELD;
    return fixed !== BY_FIELD ? fixed : (header % 2 ** (MI_WIDTHS[opcode] ?? 8)) + 2;
  }
  if (type !== 2 && type !== 3) return 0;
  if (type === 3 && ((header >>> 27) & 3) === 1) return 1;
  return (header % 2 ** widthOf(header, engine)) + 2;
}

export interface Reading {
  readonly words: Uint32Array;
  readonly end: number;
  readonly engine: EngineId;
  /** 0 is a ring or workaround buffer. */
  readonly level: 0 | 1 | 2;
  readonly wa: boolean;
  readonly gen: 7 | 8 | 9;
  /** A copy of a batch of a process: it may wait for the display, for a frame at most, as it may in its own place. */
  readonly perProcess: boolean;
  /** Whether every jump must lead to a copy, the per-process ones too. */
  readonly placesAll: boolean;
  /** Registers of the command streamer that reads this; null where they are somebody else's business. */
  readonly registers: PrivilegedRegisters | null;
  /** Whether all of `bytes` from `from` on may be touched through the global GTT. */
  readonly owns: (from: number, bytes: number) => boolean;
  /** Whether the dword at which a privileged jump has its address will hold the address of a scanned copy. */
  readonly isPlaced: (dword: number) => boolean;
}

/** @returns the first thing in the stream that must not have been accepted, or null */
export function harmIn(reading: Reading): Escape | null {
  const { words, end, engine, level, wa } = reading;
  let ended = false;
  for (let at = 0; at < end; ) {
    if (ended) return harm('walk', at, words, 'follows the end of its batch');
    const header = words[at]!;
    const length = lengthOf(header, engine);
    if (length === 0 || at + length > end) return harm('walk', at, words, 'does not end within its buffer');
    const found = header >>> 29 === 0 ? harmOfMi(reading, at, length) : harmOfPipe(reading, at);
    if (found !== null) return found;
    const opcode = header >>> 23;
    const second = bit(header, 22);
    if (level > 0) ended = opcode === 0x0a || (opcode === 0x31 && !second && !bit(header, 15));
    else if (wa && opcode === 0x0a) {
      // Nothing behind its end may be left that was not looked at.
      for (let i = at + 1; i < end; i++) if (words[i] !== 0) return harm('walk', i, words, 'follows the end');
      return null;
    } else if (opcode === 0x0a) return harm('walk', at, words, 'ends a ring');
    at += length;
  }
  if (level > 0 && !ended) return harm('walk', end, words, 'is missing: the batch has no end');
  return null;
}

const bit = (word: number, n: number): boolean => ((word >>> n) & 1) === 1;

function harm(kind: string, at: number, words: Uint32Array, what: string): Escape {
  return { kind, detail: `dword ${at} (0x${(words[at] ?? 0).toString(16).padStart(8, '0')}) ${what}` };
}

function harmOfMi(reading: Reading, at: number, length: number): Escape | null {
  const { words, level, wa, isPlaced, gen, placesAll } = reading;
  const header = words[at]!;
  const wide = gen >= 8;
  const touch = (dword: number, bytes: number, align: number): Escape | null =>
    touched(reading, at, dword, bytes, align);
  const never = (what: string): Escape => harm('command', at, words, what);
  switch (header >>> 23) {
    case 0x01: // set predicate
      return level > 0 && (header & 15) !== 0 ? never('could skip the end of a batch') : null;
    case 0x03:
    case 0x12:
    case 0x13:
      return reading.perProcess && gen >= 8 ? null : never('waits for the display');
    case 0x14:
      return never('shows what it likes');
    case 0x18:
      return never('switches contexts');
    case 0x21:
      return never('stores to the status page of the device');
    case 0x23:
      return never('changes page tables');
    case 0x27:
      return bit(header, 22) ? never('flushes global memory') : null;
    case 0x20: {
      if (!bit(header, 22)) return null;
      // In core mode each core adds its own offset.
      const cores = bit(words[wide ? at + 1 : at + 2]!, 0) ? (bit(header, 21) ? 8 : 4) : 0;
      return touch(wide ? at + 1 : at + 2, 4 * (length - 3) + cores, 4);
    }
    case 0x22:
      return length < 3 || length % 2 === 0 ? harm('walk', at, words, 'has half a pair') : loaded(reading, at, length);
    case 0x24:
      return reads(reading, at, at + 1) ?? (bit(header, 22) ? touch(at + 2, 4, 4) : null);
    case 0x29:
      return writes(reading, at, at + 1) ?? (bit(header, 22) ? touch(at + 2, 4, 4) : null);
    case 0x2a:
      return reads(reading, at, at + 1) ?? writes(reading, at, at + 2);
    case 0x26:
      if (((header >>> 14) & 3) === 0) return null;
      if (length < (wide ? 4 : 3)) return never('writes what it has no room for');
      if (bit(header, 21)) return never('indexes a status page');
      return bit(words[at + 1]!, 2) ? touch(at + 1, 8, 8) : null;
    case 0x28:
      return bit(words[at + 1]!, 0) ? touch(at + 1, 256, 64) : null;
    case 0x2e:
      return (bit(header, 21) ? touch(at + 1, 4, 4) : null) ?? (bit(header, 22) ? touch(at + 3, 4, 4) : null);
    case 0x2f:
      if (!bit(header, 22)) return null;
      return ((header >>> 19) & 3) === 3 ? never('has no size') : touch(at + 1, 4 << ((header >>> 19) & 3), 4);
    case 0x1c:
      return bit(header, 22) ? touch(at + 2, 4, 4) : null;
    case 0x36:
      if (level === 0) return never('ends what is no batch');
      return bit(header, 22) ? touch(at + 2, 8, 8) : null;
    case 0x31:
      if (wa) return never('leaves a workaround buffer');
      if (bit(header, 22) && level !== 1) return never('nests a batch where none can be');
      if (bit(header, 8) && !placesAll) return null;
      if (bit(header, 16)) return never('jumps by a register');
      return isPlaced(at + 1) ? null : never('jumps with privilege to what was not scanned');
    default:
      return null;
  }
}

/** PIPE_CONTROL; no other command of the pipelines has a select of the global GTT. */
function harmOfPipe(reading: Reading, at: number): Escape | null {
  const { words, engine } = reading;
  if (engine !== RCS || words[at]! >>> 16 !== 0x7a00) return null;
  const flags = words[at + 1]!;
  if (bit(flags, 23)) return writes(reading, at, at + 2);
  if (((flags >>> 14) & 3) === 0) return null;
  if (bit(flags, 21)) return harm('command', at, words, 'indexes a status page');
  return bit(flags, 24) ? touched(reading, at, at + 2, 8, 4) : null;
}

function touched(reading: Reading, at: number, dword: number, bytes: number, align: number): Escape | null {
  const { words, owns, gen } = reading;
  const from = (gen >= 8 ? words[dword + 1]! * 2 ** 32 : 0) + words[dword]!;
  if (owns(from - (from % align), bytes)) return null;
  return harm('access', at, words, `touches ${bytes} bytes at global address 0x${from.toString(16)}`);
}

function loaded(reading: Reading, at: number, length: number): Escape | null {
  for (let i = at + 1; i < at + length; i += 2) {
    const found = writes(reading, at, i);
    if (found !== null) return found;
  }
  return null;
}

function writes({ words, registers }: Reading, at: number, dword: number): Escape | null {
  if (registers === null || registers.rightsOf(words[dword]!) === MAY_CHANGE) return null;
  return harm('register-write', at, words, `sets register 0x${words[dword]!.toString(16)}`);
}

function reads({ words, registers }: Reading, at: number, dword: number): Escape | null {
  if (registers === null || registers.rightsOf(words[dword]!) !== MAY_NOTHING) return null;
  return harm('register-read', at, words, `reads register 0x${words[dword]!.toString(16)}`);
}
