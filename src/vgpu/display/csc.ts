/**
 * The matrix of a pipe: three rows of coefficients by which red, green and blue become others.
 * Source: PRM SKL Vol 2c "PIPE_CSC_COEFF", "PIPE_CSC_MODE"; public i915 display/intel_color.c for the encoding of the coefficients.
 */
import { PIPE_CSC } from '../../hw/index.js';
import type { DisplayHost } from './port.js';

/** By the exponent's field: bits behind the point of the mantissa, which is of 12 bits. */
const POINTS = [12, 13, 14, 15, 0, 0, 10, 11] as const;
const BEFORE_GAMMA = 2;
/** Levels between the black and the white of a limited range, 16 and 235. */
const RANGE = 219;

/** One coefficient: sign, exponent, mantissa. */
function coefficient(field: number): number {
  const point = POINTS[(field >>> 12) & 7]!;
  const size = point === 0 ? 0 : (field & 0xff8) / 2 ** point;
  return (field & 0x8000) !== 0 ? -size : size;
}

export interface Matrix {
  /** Row by row: red, green and blue of the output, by red, green and blue of the input. */
  readonly rows: readonly number[];
  /** The output is for a monitor that takes it for limited range. */
  readonly limited: boolean;
  /** The palette's correction comes after it. */
  readonly first: boolean;
}

export function matrixOf(host: DisplayHost, pipe: number): Matrix {
  const at = (offset: number): number => host.bank[(offset + pipe * PIPE_CSC.STRIDE) >>> 2]!;
  const rows = [0, 1, 2].flatMap((row) => {
    const two = at(PIPE_CSC.COEFFICIENTS + row * 8);
    return [
      coefficient(two >>> 16),
      coefficient(two & 0xffff),
      coefficient(at(PIPE_CSC.COEFFICIENTS + row * 8 + 4) >>> 16),
    ];
  });
  const limited = at(PIPE_CSC.POST_OFFSETS) !== 0;
  return { rows, limited, first: (at(PIPE_CSC.MODE) & BEFORE_GAMMA) !== 0 };
}

/** Applies the matrix to pixels of 8 bits a colour, red in the lowest; a monitor's own correction of a limited range is made too. */
export function multiply(pixels: Uint32Array, { rows, limited }: Matrix): void {
  const [rr, rg, rb, gr, gg, gb, br, bg, bb] = rows as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  // the offset of a limited range is what the monitor takes away again
  const scale = limited ? 255 / RANGE : 1;
  const level = (value: number): number => {
    const scaled = Math.round(value * scale);
    return scaled < 0 ? 0 : scaled > 255 ? 255 : scaled;
  };
  for (let i = 0; i < pixels.length; i++) {
    const pixel = pixels[i]!;
    const r = pixel & 0xff;
    const g = (pixel >>> 8) & 0xff;
    const b = (pixel >>> 16) & 0xff;
    pixels[i] =
      0xff000000 |
      level(rr * r + rg * g + rb * b) |
      (level(gr * r + gg * g + gb * b) << 8) |
      (level(br * r + bg * g + bb * b) << 16);
  }
}
