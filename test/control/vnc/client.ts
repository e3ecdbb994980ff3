/** A viewer after RFC 6143, written for the tests: it decodes raw and ZRLE rectangles onto a screen of its own. */
import { connect, type Socket } from 'node:net';
import { constants, createInflate, type Inflate } from 'node:zlib';

export interface ViewerFormat {
  readonly bits: number;
  readonly bigEndian: boolean;
  readonly max: readonly [number, number, number];
  readonly shift: readonly [number, number, number];
}

export const NATIVE: ViewerFormat = { bits: 32, bigEndian: false, max: [255, 255, 255], shift: [16, 8, 0] };

export class RfbClient {
  readonly socket: Socket;
  width = 0;
  height = 0;
  name = '';
  /** RGB, 8 bits each. */
  rgb = Buffer.alloc(0);
  rects: { x: number; y: number; width: number; height: number; encoding: number }[] = [];
  format = NATIVE;
  ended = false;
  readonly #inflate: Inflate = createInflate({ finishFlush: constants.Z_SYNC_FLUSH });
  #bytes = Buffer.alloc(0);
  #wake: (() => void) | null = null;

  constructor(where: string | number) {
    this.socket = typeof where === 'string' ? connect(where) : connect(where, '127.0.0.1');
    this.socket.on('error', () => this.socket.destroy());
    this.socket.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#wake?.();
    });
    this.socket.on('close', () => {
      this.ended = true;
      this.#wake?.();
    });
  }

  async read(length: number): Promise<Buffer> {
    while (this.#bytes.length < length) {
      if (this.ended) throw new Error('the server hung up');
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
    }
    const out = this.#bytes.subarray(0, length);
    this.#bytes = this.#bytes.subarray(length);
    return out;
  }

  async handshake(version = '003.008'): Promise<this> {
    const offered = (await this.read(12)).toString();
    if (offered !== 'RFB 003.008\n') throw new Error(`the server speaks ${offered}`);
    this.socket.write(`RFB ${version}\n`);
    if (version === '003.003') {
      if ((await this.read(4)).readUInt32BE() !== 1) throw new Error('no free entry');
    } else {
      const types = await this.read((await this.read(1))[0]!);
      if (!types.includes(1)) throw new Error('no free entry');
      this.socket.write(Buffer.from([1]));
      if (version === '003.008' && (await this.read(4)).readUInt32BE() !== 0) throw new Error('refused');
    }
    this.socket.write(Buffer.from([1]));
    const init = await this.read(24);
    this.#resize(init.readUInt16BE(0), init.readUInt16BE(2));
    this.name = (await this.read(init.readUInt32BE(20))).toString();
    return this;
  }

  setFormat(format: ViewerFormat): void {
    this.format = format;
    const out = Buffer.alloc(20);
    out[4] = format.bits;
    out[5] = 24;
    out[6] = format.bigEndian ? 1 : 0;
    out[7] = 1;
    format.max.forEach((max, i) => {
      out.writeUInt16BE(max, 8 + 2 * i);
      out[14 + i] = format.shift[i]!;
    });
    this.socket.write(out);
  }

  setEncodings(...encodings: number[]): void {
    const out = Buffer.alloc(4 + 4 * encodings.length);
    out[0] = 2;
    out.writeUInt16BE(encodings.length, 2);
    encodings.forEach((encoding, i) => {
      out.writeInt32BE(encoding, 4 + 4 * i);
    });
    this.socket.write(out);
  }

  request(incremental: boolean, x = 0, y = 0, width = this.width, height = this.height): void {
    const out = Buffer.alloc(10);
    out[0] = 3;
    out[1] = incremental ? 1 : 0;
    [x, y, width, height].forEach((value, i) => {
      out.writeUInt16BE(value, 2 + 2 * i);
    });
    this.socket.write(out);
  }

  /** Takes one update onto the screen. */
  async update(): Promise<void> {
    const head = await this.read(4);
    if (head[0] !== 0) throw new Error(`message ${head[0]}`);
    this.rects = [];
    for (let left = head.readUInt16BE(2); left > 0; left--) {
      const rect = await this.read(12);
      const [x, y, width, height] = [0, 2, 4, 6].map((at) => rect.readUInt16BE(at)) as [number, number, number, number];
      const encoding = rect.readInt32BE(8);
      this.rects.push({ x, y, width, height, encoding });
      if (encoding === -223) this.#resize(width, height);
      else if (encoding === 0) await this.#raw(x, y, width, height);
      else if (encoding === 16) await this.#zrle(x, y, width, height);
      else throw new Error(`encoding ${encoding}`);
    }
  }

  close(): void {
    this.socket.destroy();
  }

  #resize(width: number, height: number): void {
    this.width = width;
    this.height = height;
    this.rgb = Buffer.alloc(width * height * 3, 0x55);
  }

  #put(x: number, y: number, value: number): void {
    const { max, shift } = this.format;
    if (x >= this.width || y >= this.height) throw new Error(`a pixel at ${x},${y} is outside of the screen`);
    max.forEach((most, i) => {
      this.rgb[(y * this.width + x) * 3 + i] = Math.round((((value >>> shift[i]!) & most) * 255) / most);
    });
  }

  #pixel(bytes: Buffer, at: number, size: number): number {
    const { bits, bigEndian, max, shift } = this.format;
    let value = 0;
    for (let i = 0; i < size; i++) value += bytes[at + (bigEndian ? size - 1 - i : i)]! * 2 ** (8 * i);
    // A pixel of which a byte is left out: the low ones are there unless the colours need the top byte.
    const top = max.some((most, i) => most * 2 ** shift[i]! >= 2 ** 24);
    return size === 3 && bits === 32 && top ? value * 256 : value;
  }

  async #raw(x: number, y: number, width: number, height: number): Promise<void> {
    const size = this.format.bits / 8;
    const bytes = await this.read(width * height * size);
    for (let i = 0; i < width * height; i++) {
      this.#put(x + (i % width), y + Math.floor(i / width), this.#pixel(bytes, i * size, size));
    }
  }

  async #zrle(x: number, y: number, width: number, height: number): Promise<void> {
    const length = (await this.read(4)).readUInt32BE();
    const packed = await this.read(length);
    const chunks: Buffer[] = [];
    const keep = (chunk: Buffer) => void chunks.push(chunk);
    this.#inflate.on('data', keep);
    this.#inflate.write(packed);
    await new Promise<void>((done) => this.#inflate.flush(constants.Z_SYNC_FLUSH, done));
    this.#inflate.off('data', keep);
    const bytes = Buffer.concat(chunks);
    const { bits, max, shift } = this.format;
    const used = max.reduce((mask, most, i) => mask + most * 2 ** shift[i]!, 0);
    const size = bits === 32 && (used < 2 ** 24 || used % 256 === 0) ? 3 : bits / 8;
    let at = 0;
    for (let ty = 0; ty < height; ty += 64) {
      for (let tx = 0; tx < width; tx += 64) {
        const w = Math.min(64, width - tx);
        const h = Math.min(64, height - ty);
        at = this.#tile(bytes, at, size, { x: x + tx, y: y + ty, w, h });
      }
    }
    if (at !== bytes.length) throw new Error(`${bytes.length - at} bytes of ZRLE too many`);
  }

  #tile(
    bytes: Buffer,
    at: number,
    size: number,
    { x, y, w, h }: { x: number; y: number; w: number; h: number },
  ): number {
    const kind = bytes[at++]!;
    if (kind === 0) {
      for (let i = 0; i < w * h; i++, at += size)
        this.#put(x + (i % w), y + Math.floor(i / w), this.#pixel(bytes, at, size));
      return at;
    }
    if (kind > 16) throw new Error(`a tile of kind ${kind}`);
    const palette = Array.from({ length: kind }, (_, i) => this.#pixel(bytes, at + i * size, size));
    at += kind * size;
    const bits = kind === 1 ? 0 : kind === 2 ? 1 : kind <= 4 ? 2 : 4;
    for (let row = 0; row < h; row++) {
      for (let column = 0; column < w; column++) {
        const bit = column * bits;
        const index = kind === 1 ? 0 : (bytes[at + (bit >> 3)]! >> (8 - bits - (bit & 7))) & ((1 << bits) - 1);
        this.#put(x + column, y + row, palette[index]!);
      }
      at += Math.ceil((w * bits) / 8);
    }
    return at;
  }
}
