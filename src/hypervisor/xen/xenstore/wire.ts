/**
 * Messages of xenstored: a header of four dwords, then at most 4096 bytes (Xen's public header io/xs_wire.h; what each
 * carries: Xen's docs/misc/xenstore.txt). Texts in a payload end with a zero byte.
 */
import { XengtError } from '../../../base/index.js';

export const OPERATION = {
  DIRECTORY: 1,
  READ: 2,
  GET_PERMS: 3,
  WATCH: 4,
  UNWATCH: 5,
  TRANSACTION_START: 6,
  TRANSACTION_END: 7,
  GET_DOMAIN_PATH: 10,
  WRITE: 11,
  MKDIR: 12,
  RM: 13,
  SET_PERMS: 14,
  WATCH_EVENT: 15,
  ERROR: 16,
  IS_DOMAIN_INTRODUCED: 17,
  DIRECTORY_PART: 22,
} as const;

export type Operation = (typeof OPERATION)[keyof typeof OPERATION];

const NAMES = new Map<number, string>(Object.entries(OPERATION).map(([name, type]) => [type, name]));

export const operationName = (type: number): string => NAMES.get(type) ?? `operation ${type}`;

export const HEADER_BYTES = 16;
export const PAYLOAD_MAX = 4096;
/** Of absolute paths (XENSTORE_ABS_PATH_MAX). */
export const PATH_MAX = 3072;

export interface Frame {
  readonly type: number;
  readonly request: number;
  readonly transaction: number;
  readonly payload: Buffer;
}

export function encodeFrame(type: number, request: number, transaction: number, payload: Buffer): Buffer {
  if (payload.length > PAYLOAD_MAX) {
    const text = `xenstore: ${operationName(type)} of ${payload.length} bytes; at most ${PAYLOAD_MAX} fit`;
    throw new XengtError('XENGT_E_XEN', text);
  }
  const out = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  out.writeUInt32LE(type, 0);
  out.writeUInt32LE(request, 4);
  out.writeUInt32LE(transaction, 8);
  out.writeUInt32LE(payload.length, 12);
  payload.copy(out, HEADER_BYTES);
  return out;
}

/** Texts, each with its zero byte. */
export function texts(...parts: readonly string[]): Buffer {
  return Buffer.from(parts.map((part) => `${part}\0`).join(''), 'utf8');
}

/** What `texts` made. @returns null when the last text has no end */
export function splitTexts(payload: Buffer): string[] | null {
  if (payload.length === 0) return [];
  if (payload[payload.length - 1] !== 0) return null;
  return payload.toString('utf8', 0, payload.length - 1).split('\0');
}

/** Puts messages together from what a stream delivers, in pieces of any size. */
export class FrameReader {
  #pieces: Buffer[] = [];
  #bytes = 0;
  /** Of the message that is coming in; -1: its header is not here yet. */
  #length = -1;

  /** Bytes of a message that is not complete. */
  get pending(): number {
    return this.#bytes;
  }

  /**
   * @returns the messages that are complete now
   * @throws XengtError when the stream is no stream of such messages: there is no way to find the next one
   */
  push(chunk: Buffer): Frame[] {
    const frames: Frame[] = [];
    if (chunk.length === 0) return frames;
    this.#pieces.push(chunk);
    this.#bytes += chunk.length;
    for (;;) {
      if (this.#length < 0) {
        if (this.#bytes < HEADER_BYTES) return frames;
        this.#length = payloadLength(this.#joined());
      }
      const whole = HEADER_BYTES + this.#length;
      if (this.#bytes < whole) return frames;
      const buffer = this.#joined();
      frames.push({
        type: buffer.readUInt32LE(0),
        request: buffer.readUInt32LE(4),
        transaction: buffer.readUInt32LE(8),
        payload: buffer.subarray(HEADER_BYTES, whole),
      });
      this.#pieces = this.#bytes > whole ? [buffer.subarray(whole)] : [];
      this.#bytes -= whole;
      this.#length = -1;
    }
  }

  #joined(): Buffer {
    const [first = Buffer.alloc(0)] = this.#pieces;
    if (this.#pieces.length <= 1) return first;
    const joined = Buffer.concat(this.#pieces);
    this.#pieces = [joined];
    return joined;
  }
}

function payloadLength(header: Buffer): number {
  const length = header.readUInt32LE(12);
  if (length <= PAYLOAD_MAX) return length;
  const name = operationName(header.readUInt32LE(0));
  throw new XengtError(
    'XENGT_E_XEN',
    `xenstored sent a ${name} of ${length} bytes; at most ${PAYLOAD_MAX} are allowed`,
  );
}
