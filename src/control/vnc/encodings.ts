/**
 * Rectangles of a picture as they travel. Source: RFC 6143, 7.7.1 "Raw" and 7.7.6 "ZRLE". Of ZRLE's kinds of tiles, the raw
 * one, the one of a single colour and packed palettes are made: that is most of what guests' desktops and consoles need.
 */
import { constants, createDeflate } from 'node:zlib';
import type { Rect } from '../screens/index.js';
import type { PixelCodec } from './pixel-format.js';

export const RAW = 0;
export const ZRLE = 16;
/** Pseudo-encoding: the size of the screen changes. */
export const DESKTOP_SIZE = -223;

const TILE = 64;
const MOST_PALETTE = 16;
const KIND_RAW = 0;
const KIND_SOLID = 1;

/** A picture to take rectangles of: what lies outside of the guest's screen is black. */
export interface Source {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint32Array;
}

/** One viewer's way of encoding; ZRLE's compressor goes on from rectangle to rectangle. */
export class Encoder {
  codec: PixelCodec;
  readonly #deflate = createDeflate({ level: constants.Z_BEST_SPEED });
  readonly #block = new Uint32Array(TILE * TILE);
  #chunks: Buffer[] = [];

  constructor(codec: PixelCodec) {
    this.codec = codec;
    this.#deflate.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
  }

  close(): void {
    this.#deflate.destroy();
  }

  /** What follows a rectangle's header. The pixels are read before the first pause. */
  encode(encoding: typeof RAW | typeof ZRLE, source: Source, rect: Rect): Promise<Buffer> {
    return encoding === RAW ? Promise.resolve(this.#raw(source, rect)) : this.#zrle(source, rect);
  }

  #raw(source: Source, rect: Rect): Buffer {
    const { bytes, write } = this.codec;
    const out = Buffer.allocUnsafe(rect.width * rect.height * bytes);
    let at = 0;
    for (let y = rect.y; y < rect.y + rect.height; y++) {
      for (let x = rect.x; x < rect.x + rect.width; x++) at = write(out, at, pixelOf(source, x, y));
    }
    return out;
  }

  async #zrle(source: Source, rect: Rect): Promise<Buffer> {
    const plain = this.#tiles(source, rect);
    this.#chunks = [];
    this.#deflate.write(plain);
    await this.#flushed();
    const length = Buffer.alloc(4);
    length.writeUInt32BE(this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    return Buffer.concat([length, ...this.#chunks]);
  }

  /** All that was written has come out; or nobody wants it any more. */
  #flushed(): Promise<void> {
    const deflate = this.#deflate;
    return new Promise((resolve) => {
      const done = () => {
        deflate.off('close', done);
        resolve();
      };
      deflate.once('close', done);
      deflate.flush(constants.Z_SYNC_FLUSH, done);
    });
  }

  #tiles(source: Source, rect: Rect): Buffer {
    const tiles = Math.ceil(rect.width / TILE) * Math.ceil(rect.height / TILE);
    const out = Buffer.allocUnsafe(rect.width * rect.height * this.codec.compactBytes + tiles * (1 + MOST_PALETTE * 4));
    let at = 0;
    for (let y = rect.y; y < rect.y + rect.height; y += TILE) {
      for (let x = rect.x; x < rect.x + rect.width; x += TILE) {
        const width = Math.min(TILE, rect.x + rect.width - x);
        const height = Math.min(TILE, rect.y + rect.height - y);
        at = this.#tile(source, { x, y, width, height }, out, at);
      }
    }
    return out.subarray(0, at);
  }

  #tile(source: Source, { x, y, width, height }: Rect, out: Buffer, at: number): number {
    const block = this.#block;
    const palette: number[] = [];
    let count = 0;
    let last = -1;
    for (let row = y; row < y + height; row++) {
      for (let column = x; column < x + width; column++) {
        const pixel = pixelOf(source, column, row);
        block[count++] = pixel;
        if (pixel === last) continue;
        last = pixel;
        if (palette.length <= MOST_PALETTE && !palette.includes(pixel)) palette.push(pixel);
      }
    }
    const { writeCompact } = this.codec;
    if (palette.length > MOST_PALETTE) {
      out[at++] = KIND_RAW;
      for (let i = 0; i < count; i++) at = writeCompact(out, at, block[i]!);
      return at;
    }
    out[at++] = palette.length === 1 ? KIND_SOLID : palette.length;
    for (const pixel of palette) at = writeCompact(out, at, pixel);
    return palette.length === 1 ? at : packed(block, width, height, palette, out, at);
  }
}

/** Indices into a palette, 1, 2 or 4 bits each, every row from a new byte on. */
function packed(
  block: Uint32Array,
  width: number,
  height: number,
  palette: readonly number[],
  out: Buffer,
  at: number,
): number {
  const bits = palette.length === 2 ? 1 : palette.length <= 4 ? 2 : 4;
  for (let row = 0; row < height; row++) {
    let byte = 0;
    let left = 8;
    for (let column = 0; column < width; column++) {
      left -= bits;
      byte |= palette.indexOf(block[row * width + column]!) << left;
      if (left > 0) continue;
      out[at++] = byte;
      byte = 0;
      left = 8;
    }
    if (left < 8) out[at++] = byte;
  }
  return at;
}

const BLACK = 0xff000000;

function pixelOf({ width, height, pixels }: Source, x: number, y: number): number {
  return x < width && y < height ? pixels[y * width + x]! : BLACK;
}
