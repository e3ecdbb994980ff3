/** Paints one plane on a canvas, row by row, in stretches that lie in one piece in memory. */
import { PAGE_SIZE } from '../../base/index.js';
import { BYTES_PER_PIXEL, surfaceOffset, surfaceRun } from '../../hw/index.js';
import type { Canvas } from './canvas.js';
import type { GraphicsMemory } from './graphics-memory.js';
import { alphaOf, type Decoder, isPackedYuv, OPAQUE_BLACK } from './pixels.js';
import type { Plane, Surface } from './planes.js';

/** What a pixel takes, ns: of most pictures, and of others. */
const QUICK_NS = 2;
const PIXEL_NS = 20;
/** Luma and chroma of black. */
const BLACK_LUMA = 16;
const NO_CHROMA = 128;

/** The part of a plane's row that lies on the canvas. */
interface Span {
  /** First column of the surface, from the surface's own first shown one on, and how many. */
  readonly begin: number;
  readonly count: number;
  /** Where the first of them is painted, and the way from there. */
  readonly target: number;
  readonly step: 1 | -1;
  /** Row of the surface, from its first shown one on. */
  readonly row: number;
}

/** Blue in the low byte in memory, red on the canvas. */
function copyXrgb(
  from: Uint32Array,
  at: number,
  count: number,
  pixels: Uint32Array,
  target: number,
  step: number,
): void {
  for (let i = 0; i < count; i++, target += step) {
    const word = from[at + i]!;
    pixels[target] = OPAQUE_BLACK | ((word & 0xff) << 16) | (word & 0xff00) | ((word >>> 16) & 0xff);
  }
}

export class PlanePainter {
  readonly #canvas: Canvas;
  readonly #plane: Plane;
  readonly #memory: GraphicsMemory;
  readonly #decode: Decoder;
  readonly #bytes: number;
  /** The decoder wants the whole dword: a pixel of 32 bits or more, or a packed pair of which both pixels need all. */
  readonly #whole: boolean;
  readonly #mask: number;
  /** It is copied as it is. */
  readonly #quick: boolean;
  /** First column that is not painted. */
  readonly #right: number;

  constructor(canvas: Canvas, plane: Plane, memory: GraphicsMemory, decode: Decoder) {
    this.#canvas = canvas;
    this.#plane = plane;
    this.#memory = memory;
    this.#decode = decode;
    this.#bytes = BYTES_PER_PIXEL[plane.format];
    this.#whole = this.#bytes >= 4 || isPackedYuv(plane.format);
    this.#mask = this.#bytes === 2 ? 0xffff : 0xff;
    this.#quick = plane.format === 'XRGB8888' && plane.blend === 'opaque' && plane.alpha === 255;
    this.#right = Math.min(plane.left + plane.width, canvas.width);
  }

  paint(): void {
    const { top, height, left, width, upsideDown, chroma } = this.#plane;
    const bottom = Math.min(top + height, this.#canvas.height);
    const count = this.#right - left;
    if (count <= 0) return;
    this.#canvas.spend(Math.max(0, bottom - top) * count * (this.#quick ? QUICK_NS : PIXEL_NS));
    const luma = chroma === null ? null : new Uint8Array(count);
    for (let y = top; y < bottom; y++) {
      const span: Span = {
        // what of the source lies within the canvas: turned around, the right edge cuts off its beginning
        begin: upsideDown ? left + width - this.#right : 0,
        count,
        target: y * this.#canvas.width + (upsideDown ? this.#right - 1 : left),
        step: upsideDown ? -1 : 1,
        row: upsideDown ? top + height - 1 - y : y - top,
      };
      if (chroma === null || luma === null) this.#row(span);
      else this.#planarRow(span, luma, chroma);
    }
  }

  #row({ begin, count, target, step, row }: Span): void {
    const { tiling, base, pitch, x, y } = this.#plane.surface;
    const bytes = this.#bytes;
    const end = (x + begin + count) * bytes;
    for (let u = (x + begin) * bytes; u < end; ) {
      const address = base + surfaceOffset(tiling, u, y + row, pitch, bytes);
      const length = Math.min(surfaceRun(tiling, u), PAGE_SIZE - (address % PAGE_SIZE), end - u);
      const pixels = length / bytes;
      const at = this.#memory.locate(address);
      if (at >= 0) this.#stretch(at, address % 4, pixels, u / bytes, target, step);
      target += pixels * step;
      u += length;
    }
  }

  /** `count` pixels from byte `byte` of dword `at` on; `column` is the first one's place in the surface. */
  #stretch(at: number, byte: number, count: number, column: number, target: number, step: number): void {
    const words = this.#memory.words;
    const pixels = this.#canvas.pixels;
    const decode = this.#decode;
    const { format, blend, alpha } = this.#plane;
    const solid = blend === 'opaque' && alpha === 255;
    // Nearly every picture is of this kind, and CRCs want one each frame.
    if (this.#quick) {
      copyXrgb(words, at + (byte >> 2), count, pixels, target, step);
      return;
    }
    for (let i = 0; i < count; i++, byte += this.#bytes, target += step) {
      const from = at + (byte >> 2);
      const dword = words[from]!;
      const high = this.#bytes === 8 ? words[from + 1]! : 0;
      const colour = this.#whole
        ? decode(dword, ((column + i) & 1) !== 0, high)
        : decode((dword >>> (8 * (byte & 3))) & this.#mask, false, 0);
      if (solid) pixels[target] = colour;
      else {
        const own = blend === 'opaque' ? 255 : alphaOf(format, dword, high);
        this.#canvas.over(target, colour, own, blend !== 'premultiplied', alpha);
      }
    }
  }

  /** A row of NV12: its luma, and the chroma that it shares with the row above or below. */
  #planarRow({ begin, count, target, step, row }: Span, luma: Uint8Array, chroma: Surface): void {
    const { surface, alpha } = this.#plane;
    const first = begin >> 1;
    const pairs = new Uint8Array((((begin + count - 1) >> 1) - first + 1) * 2);
    this.#read(surface, surface.x + begin, surface.y + row, 1, luma.fill(BLACK_LUMA));
    this.#read(chroma, (chroma.x + first) * 2, chroma.y + (row >> 1), 2, pairs.fill(NO_CHROMA));
    for (let i = 0; i < count; i++, target += step) {
      const pair = (((begin + i) >> 1) - first) * 2;
      const colour = this.#decode(luma[i]! | (pairs[pair]! << 8) | (pairs[pair + 1]! << 16), false, 0);
      if (alpha === 255) this.#canvas.pixels[target] = colour;
      else this.#canvas.over(target, colour, 255, true, alpha);
    }
  }

  /** Bytes of row `v` from byte column `u` on; what is not there stays as it is in `out`. */
  #read({ tiling, base, pitch }: Surface, u: number, v: number, bytes: number, out: Uint8Array): void {
    for (let done = 0; done < out.length; ) {
      const address = base + surfaceOffset(tiling, u + done, v, pitch, bytes);
      const length = Math.min(surfaceRun(tiling, u + done), PAGE_SIZE - (address % PAGE_SIZE), out.length - done);
      const at = this.#memory.locate(address);
      for (let i = 0, byte = address % 4; at >= 0 && i < length; i++, byte++) {
        out[done + i] = this.#memory.words[at + (byte >> 2)]! >>> (8 * (byte & 3));
      }
      done += length;
    }
  }
}
