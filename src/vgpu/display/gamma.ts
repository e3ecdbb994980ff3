/**
 * The palette of a pipe as gamma correction of its picture, and the matrix before or behind it. A plane says whether it takes
 * part; drivers say the same for all, so that the blended picture is corrected if one of its planes is.
 * Source: PRM SKL Vol 2c "PLANE_CTL", "LGC_PALETTE", "GAMMA_MODE"; Vol 12 "Pipe Gamma".
 */
import {
  BDW_PLANE_CSC,
  BDW_PLANES,
  GEN9_PLANE_CSC,
  GEN9_PLANES,
  PALETTE,
  PIPE,
  PIPE_STRIDE,
  PLANE_ENABLE,
  PLANE_GAMMA,
  PLANE_STRIDE,
} from '../../hw/index.js';
import type { Canvas } from './canvas.js';
import { matrixOf, multiply } from './csc.js';
import { PALETTE_ENTRIES } from './palettes.js';
import { rgba } from './pixels.js';
import type { DisplayHost } from './port.js';

const LEVELS = 256;
/** What it takes, ns a pixel. */
const CURVE_NS = 3;
const MATRIX_NS = 25;
const MODE_MASK = 3;
const EIGHT_BITS = 0;
const TEN_BITS = 1;
const SPLIT = 3;
/** Where red, green and blue are in an entry of 10 bits each. */
const SHIFTS = [20, 10, 0] as const;

/** What level becomes of each level, by colour: red, green, blue. */
type Curves = readonly [Uint8Array, Uint8Array, Uint8Array];

/** Whether a plane that is shown has `bit` set. */
function takesPart(host: DisplayHost, pipe: number, bit: number): boolean {
  const planes = host.platform.gen === 9 ? GEN9_PLANES : BDW_PLANES;
  for (let plane = 0; plane < planes; plane++) {
    const control = host.bank[(PIPE.PLANE_CTL + pipe * PIPE_STRIDE + plane * PLANE_STRIDE) >>> 2]!;
    if ((control & PLANE_ENABLE) !== 0 && (control & bit) !== 0) return true;
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

/** The corrections in front of the matrix and behind it; of the modes other than split there is one. */
interface Correction {
  readonly only: Curves | null;
  readonly before: Curves | null;
  readonly behind: Curves | null;
}

const NONE: Correction = { only: null, before: null, behind: null };

function correction(host: DisplayHost, pipe: number, fine: Uint32Array): Correction {
  const legacy = legacyPalette(host, pipe);
  if (legacy !== null) {
    return { ...NONE, only: curvesOf((level, colour) => (legacy[level]! >>> (16 - 8 * colour)) & 0xff) };
  }
  /** Of a table within the fine palette, the upper 8 bits of its 10. */
  const table = (first: number, entries: number): Curves =>
    curvesOf(
      (level, colour) => (fine[first + Math.round((level * (entries - 1)) / 255)]! >>> (SHIFTS[colour]! + 2)) & 0xff,
    );
  const mode = host.bank[(PALETTE.GAMMA_MODE + pipe * PALETTE.STRIDE) >>> 2]! & MODE_MASK;
  if (mode === TEN_BITS) return { ...NONE, only: table(0, PALETTE_ENTRIES) };
  if (mode !== SPLIT) return NONE;
  // the lower half takes gamma out, the upper one puts it in
  const half = PALETTE_ENTRIES / 2;
  return { only: null, before: table(0, half), behind: table(half, half) };
}

function apply(curves: Curves | null, canvas: Canvas): void {
  if (curves === null || curves.every((curve) => curve.every((value, level) => value === level))) return;
  const [red, green, blue] = curves;
  const { pixels } = canvas;
  canvas.spend(pixels.length * CURVE_NS);
  for (let i = 0; i < pixels.length; i++) {
    const pixel = pixels[i]!;
    pixels[i] = rgba(red[pixel & 0xff]!, green[(pixel >>> 8) & 0xff]!, blue[(pixel >>> 16) & 0xff]!);
  }
}

/**
 * The colours of a picture as its pipe sends them.
 * @param fine the pipe's palette of 1024 entries
 */
export function correct(host: DisplayHost, pipe: number, canvas: Canvas, fine: Uint32Array): void {
  const { only, before, behind } = takesPart(host, pipe, PLANE_GAMMA) ? correction(host, pipe, fine) : NONE;
  const matrix = takesPart(host, pipe, host.platform.gen === 9 ? GEN9_PLANE_CSC : BDW_PLANE_CSC)
    ? matrixOf(host, pipe)
    : null;
  apply(before, canvas);
  if (matrix?.first !== true) apply(only, canvas);
  if (matrix !== null) {
    canvas.spend(canvas.pixels.length * MATRIX_NS);
    multiply(canvas.pixels, matrix);
  }
  if (matrix?.first === true) apply(only, canvas);
  apply(behind, canvas);
}
