/** Refusals of files: which file, where in it, and the rule that it breaks. */
import { readFileSync, statSync } from 'node:fs';
import { reasonOf, XengtError } from '../../base/index.js';

/** Largest file that is read as a whole. */
const MOST_BYTES = 2 ** 29;

/** @param where line, key or byte; empty when the file as a whole is meant */
export function malformed(file: string, where: string, rule: string, cause?: unknown): XengtError {
  return new XengtError('XENGT_E_STREAM', `${file}${where === '' ? '' : `, ${where}`}: ${rule}`, { cause });
}

export function readWhole(file: string): Buffer {
  let bytes: Buffer;
  try {
    const { size } = statSync(file);
    if (size > MOST_BYTES) throw malformed(file, '', `its ${size} bytes are more than the ${MOST_BYTES} that are read`);
    bytes = readFileSync(file);
  } catch (error) {
    if (error instanceof XengtError) throw error;
    throw new XengtError('XENGT_E_IO', `${file} can not be read: ${reasonOf(error)}`, { cause: error });
  }
  return bytes;
}

/** Little-endian dwords; what is left over behind the last whole one is not looked at. */
export function dwordsOf(bytes: Buffer, room = bytes.length >>> 2): Uint32Array {
  const words = new Uint32Array(room);
  new Uint8Array(words.buffer).set(bytes.subarray(0, Math.min(bytes.length, room * 4)));
  return words;
}
