/**
 * An independent judge of accepted streams: slow, with its own length rules and its own idea of what each MI command
 * touches. It shares no table and no code with the scanner, and knows only what would hurt: accesses through the global
 * GTT and writes to registers.
 */
export interface Access {
  what: string;
  from: bigint;
  bytes: bigint;
}
export interface Effects {
  accesses: Access[];
  registers: number[];
  reads: number[];
}

const MI_FIXED: Record<number, number> = { 18: 2, 19: 2 };
const MI_FIELD: Record<number, number> = { 32: 10, 35: 10, 38: 6, 39: 10, 40: 6 };

function lengthOf(header: number, engine: number): number {
  const type = header >>> 29;
  const low = (bits: number): number => (header % 2 ** bits) + 2;
  if (type === 0) {
    const opcode = (header >>> 23) & 0x3f;
    if (opcode < 0x10) return 1;
    return MI_FIXED[opcode] ?? low(MI_FIELD[opcode] ?? 8);
  }
  if (type === 2) return low(8);
  if (type !== 3) return 0;
  const subtype = (header >>> 27) & 3;
  const top = header >>> 16;
  if (subtype === 1) return 1;
  if (engine !== 0) return low(top >= 0x7600 && top <= 0x7609 && engine !== 3 ? 16 : 12);
  if (subtype === 2) return low(top === 0x7105 ? 8 : 16);
  if (top === 0x6103) return low(3);
  if (top >= 0x7839 && top <= 0x783a) return low(11);
  if ((top >= 0x7843 && top <= 0x7847) || top === 0x7917) return low(9);
  return low(8);
}

/** Everything that running `words` from `start` to `end` (or to the end of the batch) could touch, one buffer deep. */
export function effectsOf(words: Uint32Array, start: number, end: number, engine: number): Effects {
  const effects: Effects = { accesses: [], registers: [], reads: [] };
  const at64 = (i: number): bigint => (BigInt(words[i + 1]!) << 32n) | BigInt(words[i]!);
  const touch = (what: string, address: bigint, bytes: number, align: bigint): void => {
    effects.accesses.push({ what, from: (address / align) * align, bytes: BigInt(bytes) });
  };
  for (let at = start; at < end; ) {
    const header = words[at]!;
    const length = lengthOf(header, engine);
    if (length === 0 || at + length > end) throw new Error(`the stream leaves its buffer at ${at}`);
    const bit = (n: number): boolean => ((header >>> n) & 1) === 1;
    if (header >>> 29 === 0) {
      switch ((header >>> 23) & 0x3f) {
        case 0x0a:
          return effects;
        case 0x20:
          if (bit(22)) touch('store data', at64(at + 1), 4 * (length - 3), 4n);
          break;
        case 0x21:
        case 0x23:
          touch('unauditable', 0n, 1, 1n);
          break;
        case 0x22:
          for (let i = at + 1; i < at + length; i += 2) effects.registers.push(words[i]!);
          break;
        case 0x24:
          effects.reads.push(words[at + 1]!);
          if (bit(22)) touch('store register', at64(at + 2), 4, 4n);
          break;
        case 0x26:
          if (((header >>> 14) & 3) !== 0) {
            if (bit(21)) touch('unauditable index', 0n, 1, 1n);
            else if ((words[at + 1]! & 4) !== 0) touch('flush', at64(at + 1), 8, 8n);
          }
          break;
        case 0x28:
          if ((words[at + 1]! & 1) !== 0) touch('perf report', at64(at + 1), 256, 64n);
          break;
        case 0x29:
          effects.registers.push(words[at + 1]!);
          if (bit(22)) touch('load register', at64(at + 2), 4, 4n);
          break;
        case 0x2a:
          effects.reads.push(words[at + 1]!);
          effects.registers.push(words[at + 2]!);
          break;
        case 0x2e:
          if (bit(21)) touch('copy to', at64(at + 1), 4, 4n);
          if (bit(22)) touch('copy from', at64(at + 3), 4, 4n);
          break;
        case 0x2f:
          if (bit(22)) touch('atomic', at64(at + 1), 4 << ((header >>> 19) & 3), 4n);
          break;
        case 0x1c:
        case 0x36:
          if (bit(22)) touch('poll', at64(at + 2), 4, 4n);
          break;
        case 0x03:
        case 0x12:
        case 0x13:
        case 0x14:
          touch('display', 0n, 1, 1n);
          break;
      }
    } else if (header >>> 16 === 0x7a00) {
      const flags = words[at + 1]!;
      if (((flags >>> 23) & 1) === 1) effects.registers.push(words[at + 2]! & 0x7ffffc);
      if (((flags >>> 14) & 3) !== 0) {
        if (((flags >>> 21) & 1) === 1) touch('unauditable index', 0n, 1, 1n);
        else if (((flags >>> 24) & 1) === 1) touch('pipe control', at64(at + 2), 8, 4n);
      }
    }
    at += length;
  }
  return effects;
}
