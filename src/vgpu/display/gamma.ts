/**
 * The palette of a pipe as gamma correction of its picture: of each colour what its level's entry says is shown. A plane says whether
 * it takes part; drivers say the same for all, so that the blended picture is corrected if one of its planes is.
 * Source: PRM SKL Vol 2c "PLANE_CTL", "LGC_PALETTE", "GAMMA_MODE"; Vol 12 "Pipe Gamma".
 */
import {
  BDW_PLANES,
  GEN9_PLANES,
  PALETTE,
  PIPE,
  PIPE_STRIDE,
  PLANE_ENABLE,
  PLANE_GAMMA,
  PLANE_STRIDE,
} from '../../hw/index.js';
import type { Canvas } from './canvas.js';
import { PALETTE_ENTRIES } from './palettes.js';
import { rgba } from './pixels.js';
import type { DisplayHost } from './port.js';

const LEVELS = 256;
const MODE_MASK = 3;
const EIGHT_BITS = 0;
const TEN_BITS = 1;
const SPLIT = 3;
/** Where red, green and blue are in an entry of 10 bits each. */
const SHIFTS = [20, 10, 0] as const;

/** What level becomes of each level, by colour: red, green, blue. */
type Curves = readonly [Uint8Array, Uint8Array, Uint8Array];

function takesPart(host: DisplayHost, pipe: number): boolean {
  const planes = host.platform.gen === 9 ? GEN9_PLANES : BDW_PLANES;
  for (let plane = 0; plane < planes; plane++) {
    const control = host.bank[(PIPE.PLANE_CTL + pipe * PIPE_STRIDE + plane * PLANE_STRIDE) >>> 2]!;
    if ((control & PLANE_ENABLE) !== 0 && (control & PLANE_GAMMA) !== 0) return true;
  }
  return false;
}

/** The legacy palette of a pipe: 256 dwords of 8:8:8; null in its other modes. */
export function legacyPalette(host: DisplayHost, pipe: number): Uint32Array | null {
  const at = pipe * PALETTE.STRIDE;
  if ((host.bank[(PALETTE.GAMMA_MODE + at) >>> 2]! & MODE_MASK) !== EIGHT_BITS) return null;
  const first = (PALETTE.BASE + at) >>> 2;
  return host.bank.subarray(first, first + LEVELS);
}

const curvesOf = (valueAt: (level: number, colour: number) => number): Curves => {
  const curve = (colour: number) => Uint8Array.from({ length: LEVELS }, (_, level) => valueAt(level, colour));
  return [curve(0), curve(1), curve(2)];
};

function curves(host: DisplayHost, pipe: number, fine: Uint32Array): Curves | null {
  const legacy = legacyPalette(host, pipe);
  if (legacy !== null) return curvesOf((level, colour) => (legacy[level]! >>> (16 - 8 * colour)) & 0xff);
  /** Of a table within the fine palette: 10 bits for a part of the whole range. */
  const look = (part: number, first: number, entries: number, colour: number): number =>
    (fine[first + Math.round(part * (entries - 1))]! >>> SHIFTS[colour]!) & 0x3ff;
  const mode = host.bank[(PALETTE.GAMMA_MODE + pipe * PALETTE.STRIDE) >>> 2]! & MODE_MASK;
  if (mode === TEN_BITS) return curvesOf((level, colour) => look(level / 255, 0, PALETTE_ENTRIES, colour) >>> 2);
  if (mode !== SPLIT) return null;
  // the lower half takes gamma out, the upper one puts it in
  const half = PALETTE_ENTRIES / 2;
  return curvesOf((level, colour) => look(look(level / 255, 0, half, colour) / 0x3ff, half, half, colour) >>> 2);
}

/** @param fine the pipe's palette of 1024 entries */
export function correct(host: DisplayHost, pipe: number, canvas: Canvas, fine: Uint32Array): void {
  const found = takesPart(host, pipe) ? curves(host, pipe, fine) : null;
  if (found === null || found.every((curve) => curve.every((value, level) => value === level))) return;
  const [red, green, blue] = found;
  const { pixels } = canvas;
  for (let i = 0; i < pixels.length; i++) {
    const pixel = pixels[i]!;
    pixels[i] = rgba(red[pixel & 0xff]!, green[(pixel >>> 8) & 0xff]!, blue[(pixel >>> 16) & 0xff]!);
  }
}
