/** The blitter's commands, decoded into fills and copies. Source: PRM SKL Vol 2a "XY_*_BLT", Vol 10 "Copy Engine". */
import { TILE_BYTES, TILE_LINEAR, TILE_X, TILE_Y, TILE_YF, TILE_YS, type Tiling } from '../../../hw/index.js';
import type { Rectangle, Surface } from '../blitter.js';
import type { Engine } from '../engine.js';
import type { Executor } from './types.js';

/** Which tiling the tiled bits of XY_COLOR_BLT and XY_SRC_COPY_BLT mean: X, or Y where the bit here is set. */
const SWCTRL = 0x22200;
const SWCTRL_SOURCE_Y = 1;
const SWCTRL_DESTINATION_Y = 2;

const DESTINATION_TILED = 1 << 11;
const SOURCE_TILED = 1 << 15;
const WRITE_ALPHA = 1 << 21;
const WRITE_RGB = 1 << 20;
const CLIPPING = 1 << 30;
const ROP_COPY = 0xcc;
const ROP_PATTERN = 0xf0;
const ROP_BLACK = 0x00;
const ROP_WHITE = 0xff;

const low16 = (dword: number): number => (dword << 16) >> 16;
const high16 = (dword: number): number => dword >> 16;

/** Bytes per pixel by colour depth code: 8, 16 (565), 16 (1555), 32 bit. */
const DEPTHS = [1, 2, 2, 4] as const;

function channelsOf(header: number): number {
  return (((header & WRITE_ALPHA) === 0 ? 0 : 0xff000000) | ((header & WRITE_RGB) === 0 ? 0 : 0x00ffffff)) >>> 0;
}

function surface(engine: Engine, pitch: number, tiling: Tiling, lo: number, hi: number): Surface {
  const address = engine.address(lo, hi, false);
  if (tiling === TILE_LINEAR) return { base: address, pitch, tiling };
  // Pitches of tiled surfaces are given in dwords, and their bases are tile aligned.
  return { base: address - (address % TILE_BYTES), pitch: pitch * 4, tiling };
}

function tiledAs(engine: Engine, tiled: number, yBit: number): Tiling {
  if (tiled === 0) return TILE_LINEAR;
  return (engine.device.registers.get(SWCTRL) & yBit) === 0 ? TILE_X : TILE_Y;
}

function rectangle(from: number, to: number): Rectangle {
  return { x1: low16(from), y1: high16(from), x2: low16(to), y2: high16(to) };
}

/** Cuts the rectangle down to the clip rectangle. */
function clipped(area: Rectangle, engine: Engine, enabled: boolean): Rectangle {
  if (!enabled) return area;
  const { clip } = engine.blitter;
  return {
    x1: Math.max(area.x1, clip.x1),
    y1: Math.max(area.y1, clip.y1),
    x2: Math.min(area.x2, clip.x2),
    y2: Math.min(area.y2, clip.y2),
  };
}

export const setupBlt: Executor = (engine, dw) => {
  Object.assign(engine.blitter.clip, rectangle(dw[2]!, dw[3]!));
  return engine.device.cost.state;
};

export const setupClipBlt: Executor = (engine, dw) => {
  Object.assign(engine.blitter.clip, rectangle(dw[1]!, dw[2]!));
  return engine.device.cost.state;
};

export const colorBlt: Executor = (engine, dw, length) => {
  const header = dw[0]!;
  const control = dw[1]!;
  const rop = (control >>> 16) & 0xff;
  const solid = rop === ROP_PATTERN || rop === ROP_BLACK || rop === ROP_WHITE;
  if (!solid || length < 7) return engine.unsupported(header, rop);
  const colour = rop === ROP_PATTERN ? dw[6]! : rop === ROP_WHITE ? 0xffffffff : 0;
  const tiling = tiledAs(engine, header & DESTINATION_TILED, SWCTRL_DESTINATION_Y);
  const to = surface(engine, low16(control), tiling, dw[4]!, dw[5]!);
  const area = clipped(rectangle(dw[2]!, dw[3]!), engine, (control & CLIPPING) !== 0);
  engine.blitter.fill(to, area, DEPTHS[(control >>> 24) & 3]!, colour, channelsOf(header));
  return engine.device.cost.blit;
};

export const srcCopyBlt: Executor = (engine, dw, length) => {
  const header = dw[0]!;
  const control = dw[1]!;
  const rop = (control >>> 16) & 0xff;
  if (rop !== ROP_COPY || length < 10) return engine.unsupported(header, rop);
  const toTiling = tiledAs(engine, header & DESTINATION_TILED, SWCTRL_DESTINATION_Y);
  const fromTiling = tiledAs(engine, header & SOURCE_TILED, SWCTRL_SOURCE_Y);
  const to = surface(engine, low16(control), toTiling, dw[4]!, dw[5]!);
  const from = surface(engine, low16(dw[7]!), fromTiling, dw[8]!, dw[9]!);
  const whole = rectangle(dw[2]!, dw[3]!);
  const area = clipped(whole, engine, (control & CLIPPING) !== 0);
  const fromX = low16(dw[6]!) + area.x1 - whole.x1;
  const fromY = high16(dw[6]!) + area.y1 - whole.y1;
  engine.blitter.copy(to, area, from, fromX, fromY, DEPTHS[(control >>> 24) & 3]!, channelsOf(header));
  return engine.device.cost.blit;
};

/** Bytes per pixel by colour depth code of the fast copy; 2 and the last two are not defined. */
const FAST_DEPTHS = [1, 2, 0, 4, 8, 16, 0, 0] as const;
const FAST_SOURCE_YF = 1 << 31;
const FAST_DESTINATION_YF = 1 << 30;

function fastTiling(code: number, yf: boolean): Tiling {
  if (code === 0) return TILE_LINEAR;
  if (code === 1) return TILE_X;
  if (code === 3) return TILE_YS;
  return yf ? TILE_YF : TILE_Y;
}

export const fastCopyBlt: Executor = (engine, dw, length) => {
  const header = dw[0]!;
  const control = dw[1]!;
  const fromCode = (header >>> 20) & 3;
  const toCode = (header >>> 13) & 3;
  const bytesPerPixel = FAST_DEPTHS[(control >>> 24) & 7]!;
  if (bytesPerPixel === 0 || length < 10) return engine.unsupported(header, bytesPerPixel);
  const toTiling = fastTiling(toCode, (control & FAST_DESTINATION_YF) !== 0);
  const fromTiling = fastTiling(fromCode, (control & FAST_SOURCE_YF) !== 0);
  const to = surface(engine, control & 0xffff, toTiling, dw[4]!, dw[5]!);
  const from = surface(engine, dw[7]! & 0xffff, fromTiling, dw[8]!, dw[9]!);
  const area = rectangle(dw[2]!, dw[3]!);
  engine.blitter.copy(to, area, from, low16(dw[6]!), high16(dw[6]!), bytesPerPixel, 0xffffffff);
  return engine.device.cost.blit;
};
