/**
 * Scanout: the picture that the monitor of a vGPU shows, read from the guest's own memory through its own GGTT. Nothing here is on
 * a trap path.
 */
import type { Frames } from '../../base/index.js';
import { TRANS, TRANSCODERS } from '../../hw/index.js';
import { Canvas } from './canvas.js';
import { paintCursor } from './cursor.js';
import { correct, legacyPalette } from './gamma.js';
import { GraphicsMemory } from './graphics-memory.js';
import { decoderOf } from './pixels.js';
import { PlanePainter } from './plane-painter.js';
import { readPlanes } from './planes.js';
import type { DisplayHost } from './port.js';

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Red, green, blue, alpha, 8 bits each, row by row. */
  readonly rgba: Uint8Array;
  /** About what it has taken to paint, ns. */
  readonly spent: number;
}

/** Larger than any mode of the virtual monitors; a guest cannot make us paint without bound. */
const LARGEST_PIXELS = 4096 * 2304;

/**
 * The picture on `pipe`; null when its primary plane cannot be decoded. A higher plane that cannot be is left out.
 * @param fine the pipe's fine palette
 * @param only the one plane to show, without the cursor; null when that one cannot be decoded
 */
export function captureScreen(
  host: DisplayHost,
  frames: Frames,
  pipe: number,
  fine: Uint32Array,
  only?: number,
): Picture | null {
  const source = host.bank[(TRANSCODERS[pipe]!.timing + TRANS.PIPESRC) >>> 2]!;
  const width = ((source >>> 16) & 0x1fff) + 1;
  const height = (source & 0x1fff) + 1;
  if (width * height > LARGEST_PIXELS) return null;
  const all = readPlanes(host, pipe, width, height);
  const planes = only === undefined ? all : all.slice(only, only + 1);
  if (planes[0] === undefined) return null;
  const canvas = new Canvas(width, height);
  const memory = new GraphicsMemory(host, frames);
  const palette = legacyPalette(host, pipe);
  for (const plane of planes) {
    if (plane === null || plane === undefined) continue;
    new PlanePainter(canvas, plane, memory, decoderOf(plane, palette)).paint();
  }
  if (only === undefined) paintCursor(host, pipe, canvas, memory);
  correct(host, pipe, canvas, fine);
  return { width, height, rgba: new Uint8Array(canvas.pixels.buffer), spent: canvas.spent };
}
