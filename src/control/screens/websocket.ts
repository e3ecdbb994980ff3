/**
 * The server's end of a WebSocket (RFC 6455), as far as screens need it: whole messages out, short texts in. It is small
 * because it leaves out extensions and large messages, and it shows what the sender has to know: when the peer has taken
 * what it was sent.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const VERSION = '13';
const KEY = /^[A-Za-z0-9+/]{22}==$/;

const CONTINUATION = 0;
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
const FIN = 0x80;
const RESERVED = 0x70;
const MASKED = 0x80;
const OPCODE = 0x0f;
const LENGTH_16 = 126;
const LENGTH_64 = 127;

export const CLOSE_NORMAL = 1000;
export const CLOSE_GOING_AWAY = 1001;
export const CLOSE_PROTOCOL = 1002;
export const CLOSE_TYPE = 1003;
export const CLOSE_RULE = 1008;
export const CLOSE_TOO_BIG = 1009;

/** A message from a viewer is a list of screens at most. */
const MOST_MESSAGE = 16 * 1024;
/** A peer that does not answer a close is cut off after this long. */
const CLOSING_MS = 1000;
const REASON_BYTES = 120;

export interface SocketEvents {
  message(text: string): void;
  /** Called once, however it ended. */
  closed(): void;
}

/** What is wrong with a request to open a WebSocket; undefined when nothing is. */
export function refusalOf({ headers, method }: IncomingMessage): string | undefined {
  if (method !== 'GET') return 'a WebSocket is opened with GET';
  if (headers.upgrade?.toLowerCase() !== 'websocket') return 'only an upgrade to websocket is served';
  if (headers['sec-websocket-version'] !== VERSION) return `Sec-WebSocket-Version must be ${VERSION}`;
  if (!KEY.test(headers['sec-websocket-key'] ?? '')) return 'Sec-WebSocket-Key must be 16 bytes in base64';
  return undefined;
}

export function acceptKey(key: string): string {
  return createHash('sha1').update(`${key}${GUID}`).digest('base64');
}

export class WebSocket {
  readonly #stream: Duplex;
  readonly #events: SocketEvents;
  #pending: Buffer = Buffer.alloc(0);
  #fragments: Buffer[] = [];
  #fragmented = 0;
  #closing = false;
  #ended = false;

  /** Answers `request`, which `refusalOf` found nothing wrong with; `head` are bytes that came after it. */
  constructor(request: IncomingMessage, stream: Duplex, head: Buffer, events: SocketEvents) {
    this.#stream = stream;
    this.#events = events;
    const key = request.headers['sec-websocket-key'] ?? '';
    const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'];
    stream.write(`${lines.join('\r\n')}\r\nSec-WebSocket-Accept: ${acceptKey(key)}\r\n\r\n`);
    if (head.length > 0) stream.unshift(head);
    stream.on('data', (chunk: Buffer) => this.#take(chunk));
    stream.on('error', () => stream.destroy());
    // A peer that sends no more has no way left to say that it saw anything.
    stream.on('end', () => stream.destroy());
    stream.on('close', () => this.#gone());
  }

  /** Bytes that were sent and are still here, because the peer does not read as fast. */
  get behind(): number {
    return this.#stream.writableLength;
  }

  get open(): boolean {
    return !this.#closing && !this.#ended;
  }

  sendText(text: string): void {
    this.#send(TEXT, [Buffer.from(text)]);
  }

  /** @param parts of one message; not copied, and not to be changed until they are sent */
  sendBinary(parts: readonly Uint8Array[]): void {
    this.#send(BINARY, parts);
  }

  ping(): void {
    this.#send(PING, []);
  }

  close(code: number, reason: string): void {
    if (!this.open) return;
    const text = Buffer.from(reason).subarray(0, REASON_BYTES);
    const status = Buffer.from([code >> 8, code & 0xff]);
    this.#send(CLOSE, [status, text]);
    this.#closing = true;
    setTimeout(() => this.#stream.destroy(), CLOSING_MS).unref();
  }

  #send(opcode: number, parts: readonly Uint8Array[]): void {
    if (!this.open) return;
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    this.#stream.cork();
    this.#stream.write(headerOf(opcode, length));
    for (const part of parts) if (part.length > 0) this.#stream.write(part);
    this.#stream.uncork();
  }

  #take(chunk: Buffer): void {
    // After a close only the answer to it may come, which says no more than that the stream ends.
    if (this.#closing) {
      this.#stream.destroy();
      return;
    }
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    while (this.open && this.#frame());
  }

  /** Takes one frame of what came. @returns false while it is not whole */
  #frame(): boolean {
    const bytes = this.#pending;
    if (bytes.length < 2) return false;
    const first = bytes[0]!;
    const opcode = first & OPCODE;
    const short = bytes[1]! & ~MASKED;
    if ((first & RESERVED) !== 0) return this.#refuse(CLOSE_PROTOCOL, 'no extension was agreed on');
    if ((bytes[1]! & MASKED) === 0) return this.#refuse(CLOSE_PROTOCOL, 'a client masks its frames');
    if (opcode >= CLOSE && (short >= LENGTH_16 || (first & FIN) === 0)) {
      return this.#refuse(CLOSE_PROTOCOL, 'a control frame is short and whole');
    }
    if (short === LENGTH_64) return this.#refuse(CLOSE_TOO_BIG, `a message has at most ${MOST_MESSAGE} bytes`);
    const start = short === LENGTH_16 ? 8 : 6;
    if (bytes.length < start) return false;
    const length = short === LENGTH_16 ? bytes.readUInt16BE(2) : short;
    if (length + this.#fragmented > MOST_MESSAGE) {
      return this.#refuse(CLOSE_TOO_BIG, `a message has at most ${MOST_MESSAGE} bytes`);
    }
    if (bytes.length < start + length) return false;
    const payload = Buffer.from(bytes.subarray(start, start + length));
    for (let at = 0; at < length; at++) payload[at] = payload[at]! ^ bytes[start - 4 + (at & 3)]!;
    this.#pending = bytes.subarray(start + length);
    this.#dispatch(opcode, (first & FIN) !== 0, payload);
    return true;
  }

  #dispatch(opcode: number, last: boolean, payload: Buffer): void {
    switch (opcode) {
      case PING:
        this.#send(PONG, [payload]);
        break;
      case PONG:
        break;
      case CLOSE:
        this.close(CLOSE_NORMAL, '');
        this.#stream.end();
        break;
      case TEXT:
      case CONTINUATION:
        this.#part(opcode, last, payload);
        break;
      default:
        this.#refuse(CLOSE_TYPE, 'only texts are understood');
    }
  }

  #part(opcode: number, last: boolean, payload: Buffer): void {
    if ((opcode === CONTINUATION) !== this.#fragments.length > 0) {
      this.#refuse(CLOSE_PROTOCOL, 'fragments of a message follow each other');
      return;
    }
    this.#fragments.push(payload);
    // An empty fragment costs too.
    this.#fragmented += payload.length + 1;
    if (!last) return;
    const text = Buffer.concat(this.#fragments).toString('utf8');
    this.#fragments = [];
    this.#fragmented = 0;
    this.#events.message(text);
  }

  #refuse(code: number, reason: string): false {
    this.close(code, reason);
    return false;
  }

  #gone(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#pending = Buffer.alloc(0);
    this.#fragments = [];
    this.#events.closed();
  }
}

function headerOf(opcode: number, length: number): Buffer {
  if (length < LENGTH_16) return Buffer.from([FIN | opcode, length]);
  if (length < 0x10000) {
    const header = Buffer.from([FIN | opcode, LENGTH_16, 0, 0]);
    header.writeUInt16BE(length, 2);
    return header;
  }
  const header = Buffer.alloc(10);
  header[0] = FIN | opcode;
  header[1] = LENGTH_64;
  header.writeBigUInt64BE(BigInt(length), 2);
  return header;
}
