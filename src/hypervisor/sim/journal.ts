/**
 * The journal: everything that came from a guest and what it was answered, in order. A file is one or more gzip members
 * that unpack to the line "xengt-journal 1", a header line of JSON, and records: a tag byte, then unsigned LEB128 numbers
 * and raw bytes as the tag says. Memory records stand before the event that touched the memory.
 */
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import { PAGE_DWORDS, PAGE_SIZE, reasonOf, XengtError } from '../../base/index.js';
import type { Grant, MonitorSetup } from '../../hw/index.js';

export const JOURNAL_MAGIC = 'xengt-journal 1';

/** What a replay needs to build the same vGPU. Addresses in graphics memory are part of what the guest does. */
export interface JournalHeader {
  readonly platform: string;
  readonly apertureBytes: number;
  readonly grant: Grant;
  readonly type: string;
  /** The mediator's clock when the guest attached, ns: timestamps that the guest read depend on it. */
  readonly startNs: number;
  readonly monitor: boolean;
  /** What was plugged into its ports; left out: the monitor of its type, or none. */
  readonly ports?: readonly MonitorSetup[];
  /**
   * Which engines' per-process batches the mediator judged, and so read when they were submitted. Left out: none; the journal
   * holds them only from when they ran.
   */
  readonly scanProcesses?: 'needed' | 'all';
  readonly note: string;
}

/** Record tags. */
export const REC = {
  TIME: 1,
  MAP: 2,
  UNMAP: 3,
  PAGE_DELTA: 6,
  READ: 7,
  WRITE: 8,
  RESET: 9,
  CONFIG_BLOCK: 10,
  ADVANCE: 11,
  INTERRUPT: 12,
  END: 13,
  /** Writes of one value to consecutive addresses: how consoles and clears paint through the aperture. */
  WRITE_RUN: 14,
  /** The last work that the guest had submitted was done. */
  IDLE: 15,
} as const;

const CHUNK = 1 << 20;
const TWO_32 = 2 ** 32;

/** Writes a journal as it happens; what was flushed survives a crash. */
export class JournalWriter {
  readonly #file: number;
  #buffer = Buffer.alloc(CHUNK + 4 * PAGE_SIZE);
  #at = 0;
  /** Why nothing is written any more, or null: a full disk ends the journal, not the guest that it records. */
  failed: string | null = null;

  constructor(path: string, header: JournalHeader) {
    try {
      this.#file = openSync(path, 'w');
    } catch (cause) {
      throw new XengtError('XENGT_E_IO', `journal ${path}: ${reasonOf(cause)}`, { cause });
    }
    this.#at += this.#buffer.write(`${JOURNAL_MAGIC}\n${JSON.stringify(header)}\n`);
  }

  tag(tag: number): void {
    if (this.#at >= CHUNK) this.flush();
    this.#buffer[this.#at++] = tag;
  }

  /** Unsigned LEB128, below 2^53. */
  number(value: number): void {
    while (value >= 0x80) {
      this.#buffer[this.#at++] = (value % 0x80) | 0x80;
      value = Math.floor(value / 0x80);
    }
    this.#buffer[this.#at++] = value;
  }

  bytes(data: Uint8Array): void {
    this.#buffer.set(data, this.#at);
    this.#at += data.length;
  }

  flush(): void {
    const bytes = this.#buffer.subarray(0, this.#at);
    this.#at = 0;
    if (bytes.length === 0 || this.failed !== null) return;
    try {
      writeFileSync(this.#file, gzipSync(bytes, { level: 9 }));
    } catch (error) {
      this.failed = reasonOf(error);
    }
  }

  close(): void {
    this.tag(REC.END);
    this.flush();
    closeSync(this.#file);
  }
}

function unpack(path: string): Buffer {
  let file: Buffer;
  try {
    file = readFileSync(path);
  } catch (cause) {
    throw new XengtError('XENGT_E_IO', `journal ${path}: ${reasonOf(cause)}`, { cause });
  }
  try {
    return gunzipSync(file);
  } catch (cause) {
    throw new XengtError('XENGT_E_JOURNAL', `journal ${path}: not gzip data (${reasonOf(cause)})`, { cause });
  }
}

/** Reads a journal record by record. After next() the fields that belong to the tag are set. */
export class JournalReader {
  readonly header: JournalHeader;
  readonly #data: Buffer;
  readonly #start: number;
  #at: number;
  tag = 0;
  /** TIME: ns since the last one. MAP, UNMAP, WRITE_RUN: count. */
  value = 0;
  /** MAP, UNMAP, PAGE_DELTA. */
  gfn = 0;
  space = 0;
  width = 0;
  offset = 0;
  lo = 0;
  hi = 0;
  /** CONFIG_BLOCK: the answer. PAGE_DELTA: runs. A view, valid until the next record. */
  data: Uint8Array = new Uint8Array(0);

  /** @throws XengtError XENGT_E_JOURNAL when the file is not a journal */
  constructor(
    private readonly path: string,
    content?: Buffer,
  ) {
    this.#data = content ?? unpack(path);
    const magicEnd = this.#data.indexOf('\n');
    const headerEnd = this.#data.indexOf('\n', magicEnd + 1);
    if (magicEnd < 0 || headerEnd < 0 || this.#data.toString('utf8', 0, magicEnd) !== JOURNAL_MAGIC) {
      throw new XengtError('XENGT_E_JOURNAL', `journal ${path}: does not start with "${JOURNAL_MAGIC}"`);
    }
    try {
      this.header = JSON.parse(this.#data.toString('utf8', magicEnd + 1, headerEnd)) as JournalHeader;
    } catch (cause) {
      throw new XengtError('XENGT_E_JOURNAL', `journal ${path}: header is not JSON`, { cause });
    }
    this.#start = headerEnd + 1;
    this.#at = this.#start;
  }

  /** Another reader of the same journal, at the same place. */
  fork(): JournalReader {
    const other = new JournalReader(this.path, this.#data);
    other.#at = this.#at;
    return other;
  }

  rewind(): void {
    this.#at = this.#start;
    this.tag = 0;
  }

  /** @returns false at the end @throws XengtError XENGT_E_JOURNAL at a damaged record */
  next(): boolean {
    if (this.#at >= this.#data.length) return false;
    const start = this.#at;
    this.tag = this.#data[this.#at++]!;
    switch (this.tag) {
      case REC.TIME:
        this.value = this.#number();
        break;
      case REC.MAP:
      case REC.UNMAP:
        this.gfn = this.#number();
        this.value = this.#number();
        break;
      case REC.PAGE_DELTA:
        this.gfn = this.#number();
        this.value = this.#number(); // bytes of runs that follow
        this.data = this.#bytes(this.value);
        break;
      case REC.READ:
      case REC.WRITE:
      case REC.WRITE_RUN: {
        const packed = this.#data[this.#at++]!;
        this.space = packed >>> 4;
        this.width = packed & 15;
        this.offset = this.#number();
        this.lo = this.#number();
        this.hi = this.width === 8 ? this.#number() : 0;
        this.value = this.tag === REC.WRITE_RUN ? this.#number() : 1;
        break;
      }
      case REC.CONFIG_BLOCK:
        this.offset = this.#number();
        this.data = this.#bytes(this.#number());
        break;
      case REC.RESET:
      case REC.ADVANCE:
      case REC.INTERRUPT:
      case REC.IDLE:
        break;
      case REC.END:
        this.#at = this.#data.length;
        return false;
      default:
        throw this.#damaged(start, `unknown record ${this.tag}`);
    }
    if (this.#at > this.#data.length) throw this.#damaged(start, 'cut off');
    return true;
  }

  /** Applies the runs of a PAGE_DELTA record: pairs of (dwords to skip, dwords that follow). */
  applyDelta(words: Uint32Array, at: number): void {
    const runs = this.data;
    const view = new DataView(runs.buffer, runs.byteOffset, runs.length);
    let index = 0;
    for (let i = 0; i + 4 <= runs.length; ) {
      index += view.getUint16(i, true);
      const count = view.getUint16(i + 2, true);
      i += 4;
      if (index + count > PAGE_DWORDS || i + 4 * count > runs.length)
        throw this.#damaged(this.#at, 'delta beyond its page');
      for (let k = 0; k < count; k++, i += 4) words[at + index++] = view.getUint32(i, true);
    }
  }

  #number(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.#data[this.#at++];
      if (byte === undefined) throw this.#damaged(this.#at, 'cut off');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      if (scale > TWO_32 * TWO_32) throw this.#damaged(this.#at, 'number too long');
    }
  }

  #bytes(length: number): Uint8Array {
    const bytes = this.#data.subarray(this.#at, this.#at + length);
    if (bytes.length !== length) throw this.#damaged(this.#at, 'cut off');
    this.#at += length;
    return bytes;
  }

  #damaged(at: number, what: string): XengtError {
    return new XengtError('XENGT_E_JOURNAL', `journal ${this.path}: damaged at byte ${at} of its content: ${what}`);
  }
}

const encoded = Buffer.alloc(2 * PAGE_SIZE);

/**
 * Encodes how a page changed and takes the change over into `known`.
 * @returns bytes of runs, empty when nothing changed; a view, valid until the next call
 */
export function encodeDelta(known: Uint32Array, words: Uint32Array, at: number): Uint8Array {
  let length = 0;
  let last = 0;
  for (let i = 0; i < PAGE_DWORDS; i++) {
    if (known[i] === words[at + i]) continue;
    let end = i;
    while (end < PAGE_DWORDS && known[end] !== words[at + end]) end++;
    length = encoded.writeUInt16LE(i - last, length);
    length = encoded.writeUInt16LE(end - i, length);
    for (; i < end; i++) {
      const value = words[at + i]!;
      known[i] = value;
      length = encoded.writeUInt32LE(value, length);
    }
    last = end;
  }
  return encoded.subarray(0, length);
}
