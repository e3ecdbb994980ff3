/**
 * Copies between pages of two memories only where they differ. Comparing reads what copying would read and write, and finds most
 * pages of a context the same; memcmp (Buffer.compare) does a page in a fraction of a microsecond, but wants a Buffer over the
 * memory: one is kept for each backing that was seen.
 */
import { constants } from 'node:buffer';

const buffers = new WeakMap<Uint32Array, Buffer | null>();

function bufferOf(words: Uint32Array): Buffer | null {
  let buffer = buffers.get(words);
  if (buffer === undefined) {
    // Memory in one piece larger than a Buffer may be is compared by the dword.
    const fits = words.byteLength <= constants.MAX_LENGTH;
    buffer = fits ? Buffer.from(words.buffer, words.byteOffset, words.byteLength) : null;
    buffers.set(words, buffer);
  }
  return buffer;
}

/** Makes `dwords` dwords of `to` what they are in `from`. @returns bytes copied: none where they are the same */
export function carry(from: Uint32Array, fromAt: number, to: Uint32Array, toAt: number, dwords: number): number {
  if (same(from, fromAt, to, toAt, dwords)) return 0;
  to.set(from.subarray(fromAt, fromAt + dwords), toAt);
  return dwords * 4;
}

/** Whether `dwords` dwords are the same. */
export function same(a: Uint32Array, aAt: number, b: Uint32Array, bAt: number, dwords: number): boolean {
  const aBytes = bufferOf(a);
  const bBytes = bufferOf(b);
  if (aBytes !== null && bBytes !== null) {
    return aBytes.compare(bBytes, bAt * 4, (bAt + dwords) * 4, aAt * 4, (aAt + dwords) * 4) === 0;
  }
  for (let i = 0; i < dwords; i++) if (a[aAt + i] !== b[bAt + i]) return false;
  return true;
}
