/** A viewer of screens as a test needs it: a WebSocket written by hand, so that it can also break the rules. */
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import type { Duplex } from 'node:stream';
import { inflateRawSync } from 'node:zlib';

export interface Update {
  readonly id: number;
  readonly serial: number;
  readonly width: number;
  readonly height: number;
  readonly tiles: readonly { x: number; y: number; width: number; height: number; rgba: Buffer }[];
}

export interface Message {
  readonly opcode: number;
  readonly payload: Buffer;
}

/** A frame as a client sends it. */
export function frame(opcode: number, payload: Buffer | string, { fin = true, masked = true } = {}): Buffer {
  const body = Buffer.from(payload);
  const mask = randomBytes(4);
  const long = body.length >= 126;
  const head = Buffer.alloc(long ? 4 : 2);
  head[0] = (fin ? 0x80 : 0) | opcode;
  head[1] = (masked ? 0x80 : 0) | (long ? 126 : body.length);
  if (long) head.writeUInt16BE(body.length, 2);
  if (!masked) return Buffer.concat([head, body]);
  return Buffer.concat([head, mask, Buffer.from(body.map((byte, at) => byte ^ mask[at & 3]!))]);
}

export class ViewerClient {
  readonly messages: Message[] = [];
  readonly stream: Duplex;
  ended = false;
  #bytes = Buffer.alloc(0);
  #waiting: (() => void)[] = [];

  constructor(stream: Duplex, head: Buffer) {
    this.stream = stream;
    stream.on('error', () => stream.destroy());
    stream.on('close', () => {
      this.ended = true;
      this.#wake();
    });
    stream.unshift(head);
    stream.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      while (this.#take());
      this.#wake();
    });
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #take(): boolean {
    const bytes = this.#bytes;
    if (bytes.length < 2) return false;
    const short = bytes[1]! & 0x7f;
    const start = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (bytes.length < start) return false;
    const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
    if (bytes.length < start + length) return false;
    this.messages.push({ opcode: bytes[0]! & 15, payload: Buffer.from(bytes.subarray(start, start + length)) });
    this.#bytes = bytes.subarray(start + length);
    return true;
  }

  say(value: object): void {
    this.stream.write(frame(1, JSON.stringify(value)));
  }

  /** The next message; undefined once the server has hung up. */
  async next(): Promise<Message | undefined> {
    while (this.messages.length === 0 && !this.ended) await new Promise<void>((wake) => this.#waiting.push(wake));
    return this.messages.shift();
  }

  /** The next update. */
  async update(): Promise<Update> {
    const message = await this.next();
    if (message?.opcode !== 2) throw new Error(`no update but ${message?.opcode}: ${message?.payload}`);
    return parse(message.payload);
  }

  close(): void {
    this.stream.destroy();
  }
}

function parse(message: Buffer): Update {
  const body = inflateRawSync(message.subarray(16));
  const tiles = [];
  let at = 0;
  for (let left = message.readUInt32LE(12); left > 0; left--) {
    const [x, y, width, height] = [0, 2, 4, 6].map((field) => body.readUInt16LE(at + field)) as [
      number,
      number,
      number,
      number,
    ];
    at += 8;
    tiles.push({ x, y, width, height, rgba: body.subarray(at, at + width * height * 4) });
    at += width * height * 4;
  }
  if (at !== body.length) throw new Error(`${body.length - at} bytes too many`);
  return {
    id: message.readUInt32LE(0),
    serial: message.readUInt32LE(4),
    width: message.readUInt16LE(8),
    height: message.readUInt16LE(10),
    tiles,
  };
}

const UPGRADE = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

/** @returns the viewer, or the status that it was refused with */
export function view(
  where: string | number,
  headers: Readonly<Record<string, string>> = {},
  path = '/v1/screens',
): Promise<ViewerClient | { readonly status: number; readonly text: string }> {
  const address = typeof where === 'string' ? { socketPath: where } : { host: '127.0.0.1', port: where };
  return new Promise((resolve, reject) => {
    const asked = request({ ...address, path, headers: { ...UPGRADE, ...headers }, agent: false });
    asked.on('error', reject);
    asked.on('upgrade', (response, stream, head) => {
      const accept = response.headers['sec-websocket-accept'];
      if (accept === 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=' || 'sec-websocket-key' in headers)
        resolve(new ViewerClient(stream, head));
      else reject(new Error(`wrong Sec-WebSocket-Accept: ${accept}`));
    });
    asked.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
    });
    asked.end();
  });
}
