import { describe, expect, it } from 'vitest';
import {
  surfaceOffset,
  surfaceRun,
  TILE_X,
  TILE_Y,
  TILE_YF,
  TILE_YS,
  type Tiling,
  tileBytes,
  tileHeight,
  tileWidth,
} from '../../src/hw/tiling.js';

/** Address bits within a tile as the PRM prints them: which bit of the byte column (u) or the row (v) each one is. */
const BITS: readonly (readonly [name: string, tiling: Tiling, bytesPerPixel: number, bits: string])[] = [
  ['X', TILE_X, 4, 'v2 v1 v0 u8 u7 u6 u5 u4 u3 u2 u1 u0'],
  ['Y', TILE_Y, 4, 'u6 u5 u4 v4 v3 v2 v1 v0 u3 u2 u1 u0'],
  ['Yf, 8 bit', TILE_YF, 1, 'u5 v5 u4 v4 v3 v2 v1 v0 u3 u2 u1 u0'],
  ['Yf, 16 bit', TILE_YF, 2, 'u6 v4 u5 v3 u4 v2 v1 v0 u3 u2 u1 u0'],
  ['Yf, 32 bit', TILE_YF, 4, 'u6 v4 u5 v3 u4 v2 v1 v0 u3 u2 u1 u0'],
  ['Yf, 64 bit', TILE_YF, 8, 'u7 v3 u6 v2 u5 u4 v1 v0 u3 u2 u1 u0'],
  ['Yf, 128 bit', TILE_YF, 16, 'u7 v3 u6 v2 u5 u4 v1 v0 u3 u2 u1 u0'],
  ['Ys, 8 bit', TILE_YS, 1, 'u7 v7 u6 v6 u5 v5 u4 v4 v3 v2 v1 v0 u3 u2 u1 u0'],
  ['Ys, 16 bit', TILE_YS, 2, 'u8 v6 u7 v5 u6 v4 u5 v3 u4 v2 v1 v0 u3 u2 u1 u0'],
  ['Ys, 32 bit', TILE_YS, 4, 'u8 v6 u7 v5 u6 v4 u5 v3 u4 v2 v1 v0 u3 u2 u1 u0'],
  ['Ys, 64 bit', TILE_YS, 8, 'u9 v5 u8 v4 u7 v3 u6 v2 u5 u4 v1 v0 u3 u2 u1 u0'],
  ['Ys, 128 bit', TILE_YS, 16, 'u9 v5 u8 v4 u7 v3 u6 v2 u5 u4 v1 v0 u3 u2 u1 u0'],
];

describe.each(BITS)('tiling %s', (_name, tiling, bytesPerPixel, bits) => {
  const bytes = tileBytes(tiling);
  const width = tileWidth(tiling, bytesPerPixel);
  const height = tileHeight(tiling, bytesPerPixel);
  const expected = (u: number, v: number): number =>
    bits.split(' ').reduce((sum, bit) => sum * 2 + (((bit[0] === 'u' ? u : v) >>> Number(bit.slice(1))) & 1), 0);

  it('lays out a tile by the printed bits', () => {
    const cells = Array.from({ length: bytes }, (_, i) => [i % width, Math.floor(i / width)] as const);
    const offsets = cells.map(([u, v]) => surfaceOffset(tiling, u, v, width, bytesPerPixel));
    expect(offsets).toEqual(cells.map(([u, v]) => expected(u, v)));
  });

  it('puts tiles side by side, then row by row', () => {
    const pitch = 3 * width;
    expect(surfaceOffset(tiling, 2 * width, height, pitch, bytesPerPixel)).toBe((3 + 2) * bytes);
    expect(surfaceOffset(tiling, width + 1, 2 * height + 1, pitch, bytesPerPixel)).toBe(7 * bytes + expected(1, 1));
  });

  it('tells how many bytes of a row stay together', () => {
    for (let u = 0; u < width; u++) {
      const run = surfaceRun(tiling, u);
      const first = surfaceOffset(tiling, u, 1, width, bytesPerPixel);
      const offsets = Array.from(
        { length: run },
        (_, i) => surfaceOffset(tiling, u + i, 1, width, bytesPerPixel) - first,
      );
      expect(offsets).toEqual([...offsets.keys()]);
    }
  });
});
