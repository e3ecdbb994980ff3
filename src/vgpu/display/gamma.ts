/**
 * The palette of a pipe as gamma correction of its picture, in its 8-bit mode: of each colour the entry of its level is shown. A plane
 * says whether it takes part; drivers say the same for all, so that the blended picture is corrected if one of its planes is.
 * Source: PRM SKL Vol 2c "PLANE_CTL", "LGC_PALETTE", "GAMMA_MODE"; Vol 12 "Pipe Gamma".
 */
import { BDW_PLANES, GEN9_PLANES, PIPE, PIPE_STRIDE, PLANE_ENABLE, PLANE_GAMMA, PLANE_STRIDE } from '../../hw/index.js';
import type { Canvas } from './canvas.js';
import { rgba } from './pixels.js';
import type { DisplayHost } from './port.js';

function takesPart(host: DisplayHost, pipe: number): boolean {
  const planes = host.platform.gen === 9 ? GEN9_PLANES : BDW_PLANES;
  for (let plane = 0; plane < planes; plane++) {
    const control = host.bank[(PIPE.PLANE_CTL + pipe * PIPE_STRIDE + plane * PLANE_STRIDE) >>> 2]!;
    if ((control & PLANE_ENABLE) !== 0 && (control & PLANE_GAMMA) !== 0) return true;
  }
  return false;
}

/** @param palette 256 dwords of 8:8:8, null where the pipe is in another mode */
export function correct(host: DisplayHost, pipe: number, canvas: Canvas, palette: Uint32Array | null): void {
  if (palette === null || !takesPart(host, pipe)) return;
  if (palette.every((colour, level) => (colour & 0xffffff) === level * 0x010101)) return;
  const { pixels } = canvas;
  for (let i = 0; i < pixels.length; i++) {
    const pixel = pixels[i]!;
    const red = palette[pixel & 0xff]! >>> 16;
    const green = palette[(pixel >>> 8) & 0xff]! >>> 8;
    pixels[i] = rgba(red & 0xff, green & 0xff, palette[(pixel >>> 16) & 0xff]! & 0xff);
  }
}
