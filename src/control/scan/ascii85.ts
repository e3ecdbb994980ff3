/**
 * The text in which i915 error states hold buffers: each dword as five digits of base 85, the highest first, digit 0 being
 * '!'; a dword of zero as the one letter 'z'. Source: public Linux documentation of ascii85.h.
 */
const FIRST = 0x21;
const ZERO = 0x7a;
const DIGITS = 5;
const BASE = 85;

/** What is wrong with the text, and with which byte of it. */
export interface Ascii85Fault {
  readonly at: number;
  readonly rule: string;
}

export function decodeAscii85(text: Buffer): Uint32Array | Ascii85Fault {
  const words = new Uint32Array(countDwords(text));
  let count = 0;
  let at = 0;
  while (at < text.length) {
    if (text[at] === ZERO) {
      count++;
      at++;
      continue;
    }
    if (at + DIGITS > text.length) return { at, rule: `the last dword has ${text.length - at} of ${DIGITS} digits` };
    let value = 0;
    for (let i = 0; i < DIGITS; i++) {
      const digit = text[at + i]! - FIRST;
      if (digit < 0 || digit >= BASE) return { at: at + i, rule: `byte 0x${text[at + i]!.toString(16)} is no digit` };
      value = value * BASE + digit;
    }
    if (value > 0xffffffff) return { at, rule: 'five digits say more than a dword holds' };
    words[count++] = value;
    at += DIGITS;
  }
  return words.subarray(0, count);
}

/** At most; a 'z' within five digits is a fault and found later. */
function countDwords(text: Buffer): number {
  let zeros = 0;
  for (const byte of text) if (byte === ZERO) zeros++;
  return zeros + Math.ceil((text.length - zeros) / DIGITS);
}
