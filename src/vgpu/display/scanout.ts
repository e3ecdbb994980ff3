/**
 * Scanout: the picture that the monitor of a vGPU shows, read from the guest's own memory through its own GGTT. Memory that
 * is not there is black. Nothing here is on a trap path.
 */
import { type Frames, PAGE_SIZE } from '../../base/index.js';
import {
  BDW_ROTATE_180,
  BYTES_PER_PIXEL,
  CURSOR_MODE_MASK,
  CURSOR_MODES,
  GEN9_ROTATE_180,
  GEN9_ROTATE_MASK,
  HW_TILING,
  PALETTE,
  PIPE,
  PIPE_STRIDE,
  type PixelFormat,
  PLANE_ENABLE,
  PLANE_FORMATS,
  PLANE_TILING_SHIFT,
  strideUnit,
  surfaceOffset,
  surfaceRun,
  TILE_LINEAR,
  TILE_X,
  TILE_Y,
  TILE_YF,
  type Tiling,
  TRANS,
  TRANSCODERS,
} from '../../hw/index.js';
import { type Decoder, decoderOf, isPackedYuv, OPAQUE_BLACK, rgba } from './pixels.js';
import type { DisplayHost } from './port.js';

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Red, green, blue, alpha, 8 bits each, row by row. */
  readonly rgba: Uint8Array;
}

/** Larger than any mode of the virtual monitors; a guest cannot make us paint without bound. */
const LARGEST_PIXELS = 4096 * 2304;

/** Graphics address space is 4 GiB; a surface that runs past its end shows nothing there. */
const GGTT_PAGES = 0x100000;
const SURFACE_MASK = 0xfffff000;
const BT709_BIT = 1 << 18;
const GAMMA_MODE_MASK = 3;

const TILINGS: Readonly<Record<number, Tiling>> = {
  [HW_TILING.LINEAR]: TILE_LINEAR,
  [HW_TILING.X]: TILE_X,
  [HW_TILING.Y]: TILE_Y,
  [HW_TILING.YF]: TILE_YF,
};

/** Reads graphics memory of the vGPU, a page at a time. */
class GraphicsMemory {
  readonly #host: DisplayHost;
  readonly #frames: Frames;
  #page = -1;
  #at = -1;

  constructor(host: DisplayHost, frames: Frames) {
    this.#host = host;
    this.#frames = frames;
  }

  /**
   * Finds the page of a graphics address.
   * @returns dword index of the address within `words`, or -1 where there is no memory
   */
  locate(address: number): number {
    const page = Math.floor(address / PAGE_SIZE);
    if (page !== this.#page) {
      this.#page = page;
      const gfn = page < GGTT_PAGES ? this.#host.gfnOfGmadrPage(page) : -1;
      this.#at = gfn < 0 ? -1 : this.#frames.locate(gfn);
    }
    return this.#at < 0 ? -1 : this.#at + ((address % PAGE_SIZE) >>> 2);
  }

  /** Backing of the page located last. */
  get words(): Uint32Array {
    return this.#frames.words;
  }
}

interface Plane {
  readonly format: PixelFormat;
  readonly tiling: Tiling;
  readonly surface: number;
  readonly pitch: number;
  /** First pixel of the surface that is shown. */
  readonly sourceX: number;
  readonly sourceY: number;
  /** Where on the pipe, and how large. */
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly upsideDown: boolean;
  readonly bt709: boolean;
}

/** The primary plane as programmed; null when it is off, `undefined` when it cannot be decoded. */
function primaryPlane(host: DisplayHost, pipe: number, width: number, height: number): Plane | null | undefined {
  const reg = (offset: number): number => host.bank[(offset + pipe * PIPE_STRIDE) >>> 2]!;
  const control = reg(PIPE.PLANE_CTL);
  if ((control & PLANE_ENABLE) === 0) return null;
  const row = PLANE_FORMATS.find(
    (entry) => (entry.platforms & host.platform.bit) !== 0 && (control & entry.mask) === entry.value,
  );
  const gen9 = host.platform.gen === 9;
  const hwTiling = (control >>> PLANE_TILING_SHIFT) & (gen9 ? 7 : 1);
  const tiling = TILINGS[hwTiling];
  if (row === undefined || tiling === undefined) return undefined;
  const offset = reg(PIPE.PLANE_OFFSET);
  const common = {
    format: row.format,
    tiling,
    surface: (reg(PIPE.PLANE_SURF) & SURFACE_MASK) >>> 0,
    sourceX: offset & 0x1fff,
    sourceY: (offset >>> 16) & 0x1fff,
  };
  if (!gen9) {
    const pitch = reg(PIPE.PLANE_STRIDE) & 0xffc0;
    const upsideDown = (control & BDW_ROTATE_180) !== 0;
    return { ...common, pitch, left: 0, top: 0, width, height, upsideDown, bt709: false };
  }
  const rotation = control & GEN9_ROTATE_MASK;
  // a quarter turn shows the surface through a rotated view of the GGTT, of which only the guest knows the shape
  if ((rotation & 1) !== 0) return undefined;
  const position = reg(PIPE.PLANE_POS);
  const size = reg(PIPE.PLANE_SIZE);
  return {
    ...common,
    pitch: (reg(PIPE.PLANE_STRIDE) & 0x3ff) * strideUnit(hwTiling, BYTES_PER_PIXEL[row.format]),
    left: position & 0x1fff,
    top: (position >>> 16) & 0x1fff,
    width: (size & 0x1fff) + 1,
    height: ((size >>> 16) & 0x1fff) + 1,
    upsideDown: rotation === GEN9_ROTATE_180,
    bt709: (control & BT709_BIT) !== 0,
  };
}

/** The legacy palette of a pipe, while its gamma mode is the 8-bit one. */
function paletteOf(host: DisplayHost, pipe: number): Uint32Array | null {
  const at = pipe * PALETTE.STRIDE;
  if ((host.bank[(PALETTE.GAMMA_MODE + at) >>> 2]! & GAMMA_MODE_MASK) !== 0) return null;
  const first = (PALETTE.BASE + at) >>> 2;
  return host.bank.subarray(first, first + 256);
}

class Canvas {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint32Array;

  constructor(width: number, height: number) {
    this.width = width;
    this.height = height;
    this.pixels = new Uint32Array(width * height).fill(OPAQUE_BLACK);
  }

  /** Premultiplied alpha over what is there. */
  blend(x: number, y: number, argb: number): void {
    const at = y * this.width + x;
    const under = this.pixels[at]!;
    const keep = 255 - (argb >>> 24);
    const mix = (over: number, below: number): number => Math.min(255, over + Math.round((below * keep) / 255));
    this.pixels[at] = rgba(
      mix((argb >>> 16) & 0xff, under & 0xff),
      mix((argb >>> 8) & 0xff, (under >>> 8) & 0xff),
      mix(argb & 0xff, (under >>> 16) & 0xff),
    );
  }

  /** AND with the mask byte, XOR with the colour. */
  andXor(x: number, y: number, pixel: number): void {
    const at = y * this.width + x;
    const and = pixel >>> 24;
    const under = this.pixels[at]!;
    this.pixels[at] = rgba(
      (under & and & 0xff) ^ ((pixel >>> 16) & 0xff),
      ((under >>> 8) & and & 0xff) ^ ((pixel >>> 8) & 0xff),
      ((under >>> 16) & and & 0xff) ^ (pixel & 0xff),
    );
  }
}

/** Paints one plane on a canvas, in stretches that lie in one piece in memory. */
class PlanePainter {
  readonly #canvas: Canvas;
  readonly #plane: Plane;
  readonly #memory: GraphicsMemory;
  readonly #decode: Decoder;
  readonly #bytes: number;
  /** The decoder wants the whole dword: a pixel of 32 bits, or a packed pair of which both pixels need all. */
  readonly #whole: boolean;
  readonly #mask: number;
  /** First column that is not painted, and the way along a row. */
  readonly #right: number;
  readonly #step: 1 | -1;

  constructor(canvas: Canvas, plane: Plane, memory: GraphicsMemory, decode: Decoder) {
    this.#canvas = canvas;
    this.#plane = plane;
    this.#memory = memory;
    this.#decode = decode;
    this.#bytes = BYTES_PER_PIXEL[plane.format];
    this.#whole = this.#bytes === 4 || isPackedYuv(plane.format);
    this.#mask = this.#bytes === 2 ? 0xffff : 0xff;
    this.#right = Math.min(plane.left + plane.width, canvas.width);
    this.#step = plane.upsideDown ? -1 : 1;
  }

  paint(): void {
    const { top, height, sourceY, upsideDown } = this.#plane;
    const bottom = Math.min(top + height, this.#canvas.height);
    for (let y = top; y < bottom; y++) this.#row(y, sourceY + (upsideDown ? top + height - 1 - y : y - top));
  }

  #row(y: number, v: number): void {
    const { surface, tiling, pitch, sourceX, left, width, upsideDown } = this.#plane;
    const bytes = this.#bytes;
    // what of the source lies within the canvas: turned around, the right edge cuts off its beginning
    const cut = left + width - this.#right;
    const begin = sourceX + (upsideDown ? cut : 0);
    const end = (begin + this.#right - left) * bytes;
    let target = y * this.#canvas.width + (upsideDown ? this.#right - 1 : left);
    for (let u = begin * bytes; u < end; ) {
      const address = surface + surfaceOffset(tiling, u, v, pitch, bytes);
      const length = Math.min(surfaceRun(tiling, u), PAGE_SIZE - (address % PAGE_SIZE), end - u);
      const count = length / bytes;
      const at = this.#memory.locate(address);
      if (at >= 0) this.#stretch(at, address % 4, count, u / bytes, target);
      target += count * this.#step;
      u += length;
    }
  }

  /** `count` pixels from byte `byte` of dword `at` on; `column` is the first one's place in the surface. */
  #stretch(at: number, byte: number, count: number, column: number, target: number): void {
    const words = this.#memory.words;
    const pixels = this.#canvas.pixels;
    const decode = this.#decode;
    for (let i = 0; i < count; i++, byte += this.#bytes, target += this.#step) {
      const dword = words[at + (byte >> 2)]!;
      pixels[target] = this.#whole
        ? decode(dword, ((column + i) & 1) !== 0)
        : decode((dword >>> (8 * (byte & 3))) & this.#mask, false);
    }
  }
}

/** A position field: magnitude and a sign bit. */
function signed(field: number): number {
  const magnitude = field & 0x7fff;
  return (field & 0x8000) !== 0 ? -magnitude : magnitude;
}

function paintCursor(host: DisplayHost, pipe: number, canvas: Canvas, memory: GraphicsMemory): void {
  const reg = (offset: number): number => host.bank[(offset + pipe * PIPE_STRIDE) >>> 2]!;
  const mode = CURSOR_MODES[reg(PIPE.CUR_CTL) & CURSOR_MODE_MASK];
  if (mode === undefined) return;
  const base = (reg(PIPE.CUR_BASE) & SURFACE_MASK) >>> 0;
  const position = reg(PIPE.CUR_POS);
  const left = signed(position);
  const top = signed(position >>> 16);
  const reduced = reg(PIPE.CUR_FBC_CTL);
  const rows = (reduced & 0x80000000) !== 0 ? Math.min((reduced & 0xff) + 1, mode.size) : mode.size;
  for (let row = Math.max(0, -top); row < rows && top + row < canvas.height; row++) {
    for (let column = Math.max(0, -left); column < mode.size && left + column < canvas.width; column++) {
      const at = memory.locate(base + (row * mode.size + column) * 4);
      if (at < 0) continue;
      const pixel = memory.words[at]!;
      if (mode.alpha) canvas.blend(left + column, top + row, pixel);
      else canvas.andXor(left + column, top + row, pixel);
    }
  }
}

/** The picture on `pipe`; null when it cannot be decoded. */
export function captureScreen(host: DisplayHost, frames: Frames, pipe: number): Picture | null {
  const source = host.bank[(TRANSCODERS[pipe]!.timing + TRANS.PIPESRC) >>> 2]!;
  const width = ((source >>> 16) & 0x1fff) + 1;
  const height = (source & 0x1fff) + 1;
  if (width * height > LARGEST_PIXELS) return null;
  const plane = primaryPlane(host, pipe, width, height);
  if (plane === undefined) return null;
  const canvas = new Canvas(width, height);
  const memory = new GraphicsMemory(host, frames);
  if (plane !== null) {
    const decode = decoderOf(plane.format, plane.bt709, paletteOf(host, pipe));
    new PlanePainter(canvas, plane, memory, decode).paint();
  }
  paintCursor(host, pipe, canvas, memory);
  return { width, height, rgba: new Uint8Array(canvas.pixels.buffer) };
}
