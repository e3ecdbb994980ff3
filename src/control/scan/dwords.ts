/** Bare command streams: a file of little-endian dwords, or text of hex dwords. Platform and engine are told, not found. */
import { PAGE_DWORDS, PAGE_SIZE } from '../../base/index.js';
import type { EngineId, Platform } from '../../hw/index.js';
import { ALL_OF_GGTT, type Batch } from './batch.js';
import { RecordedMemory, straight } from './memory.js';
import { dwordsOf, malformed } from './unreadable.js';

export interface BareStream {
  readonly platform: Platform;
  readonly engine: EngineId;
  /** Graphics address of the first dword, a multiple of 4. */
  readonly address: number;
}

export function binaryDwords(file: string, bytes: Buffer): Uint32Array {
  if (bytes.length % 4 !== 0) throw malformed(file, '', `its ${bytes.length} bytes are not whole dwords`);
  return dwordsOf(bytes);
}

/** One or more dwords a line, with or without 0x, separated by blanks or commas; from # on a line is a comment. */
export function hexDwords(file: string, text: string): Uint32Array {
  const words: number[] = [];
  text.split('\n').forEach((line, i) => {
    const end = line.indexOf('#');
    for (const token of (end < 0 ? line : line.slice(0, end)).split(/[\s,]+/)) {
      if (token === '') continue;
      if (!/^(0x)?[0-9a-f]{1,8}$/i.test(token)) {
        throw malformed(file, `line ${i + 1}`, `${JSON.stringify(token.slice(0, 40))} is no dword in hex`);
      }
      words.push(Number.parseInt(token, 16));
    }
  });
  return Uint32Array.from(words);
}

/** The last page is filled up with zeros, as a buffer object would be. */
export function bareBatch(file: string, words: Uint32Array, stream: BareStream): Batch {
  if (words.length === 0) throw malformed(file, '', 'it holds no dwords');
  const offset = (stream.address % PAGE_SIZE) / 4;
  const pages = Math.ceil((offset + words.length) / PAGE_DWORDS);
  const contents = new Uint32Array(pages * PAGE_DWORDS);
  contents.set(words, offset);
  const memory = new RecordedMemory(contents, [straight(Math.floor(stream.address / PAGE_SIZE), pages, 0)]);
  return { file, exec: 0, ...stream, memory, ranges: ALL_OF_GGTT };
}
