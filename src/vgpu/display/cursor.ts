/** The cursor of a pipe, over all planes. */
import { CURSOR_MODE_MASK, CURSOR_MODES, PIPE, PIPE_STRIDE } from '../../hw/index.js';
import type { Canvas } from './canvas.js';
import type { GraphicsMemory } from './graphics-memory.js';
import type { DisplayHost } from './port.js';

/** What a pixel takes, ns. */
const PIXEL_NS = 30;
const SURFACE_MASK = 0xfffff000;

/** A position field: magnitude and a sign bit. */
function signed(field: number): number {
  const magnitude = field & 0x7fff;
  return (field & 0x8000) !== 0 ? -magnitude : magnitude;
}

export function paintCursor(host: DisplayHost, pipe: number, canvas: Canvas, memory: GraphicsMemory): void {
  const reg = (offset: number): number => host.bank[(offset + pipe * PIPE_STRIDE) >>> 2]!;
  const mode = CURSOR_MODES[reg(PIPE.CUR_CTL) & CURSOR_MODE_MASK];
  if (mode === undefined) return;
  const base = (reg(PIPE.CUR_BASE) & SURFACE_MASK) >>> 0;
  const position = reg(PIPE.CUR_POS);
  const left = signed(position);
  const top = signed(position >>> 16);
  const reduced = reg(PIPE.CUR_FBC_CTL);
  const rows = (reduced & 0x80000000) !== 0 ? Math.min((reduced & 0xff) + 1, mode.size) : mode.size;
  canvas.spend(rows * mode.size * PIXEL_NS);
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
