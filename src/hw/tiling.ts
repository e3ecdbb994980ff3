/**
 * Where a byte of a surface lies in memory, for each surface tiling of Gen8/Gen9.
 * Source: PRM SKL Vol 5 "Memory Views", tiling formats; the Yf bit order is tabled in public Mesa isl_tiled_memcpy.c.
 *
 * A tile is 4 KiB, one of Ys 64 KiB. Within it, with u the byte column and v the row:
 *   X    8 rows of 512 bytes                        v2 v1 v0 u8 ... u0
 *   Y    8 columns of 16 bytes by 32 rows           u6 u5 u4 v4 v3 v2 v1 v0 u3 u2 u1 u0
 *   Yf   8 bit per pixel, 64 bytes by 64 rows       u5 v5 u4 v4 v3 v2 v1 v0 u3 u2 u1 u0
 *        16 and 32 bit, 128 bytes by 32 rows        u6 v4 u5 v3 u4 v2 v1 v0 u3 u2 u1 u0
 *        64 and 128 bit, 256 bytes by 16 rows       u7 v3 u6 v2 u5 u4 v1 v0 u3 u2 u1 u0
 *   Ys   a Yf with two more bits of each on top, in turns: 4 by 4 Yf tiles, in Z order.
 *        8 bit per pixel, 256 bytes by 256 rows     u7 v7 u6 v6 and as Yf
 *        16 and 32 bit, 512 bytes by 128 rows       u8 v6 u7 v5 and as Yf
 *        64 and 128 bit, 1024 bytes by 64 rows      u9 v5 u8 v4 and as Yf
 */
export const TILE_LINEAR = 0;
export const TILE_X = 1;
export const TILE_Y = 2;
export const TILE_YF = 3;
export const TILE_YS = 4;
export type Tiling = 0 | 1 | 2 | 3 | 4;

/** Of the tiles that are not Ys; and all that a tiled surface's base is aligned to here. */
export const TILE_BYTES = 4096;
const YS_TILE_BYTES = 65536;

export function tileBytes(tiling: Tiling): number {
  return tiling === TILE_YS ? YS_TILE_BYTES : TILE_BYTES;
}

const YF_SMALL = 0;
const YF_MIDDLE = 1;
const YF_LARGE = 2;

function yfShape(bytesPerPixel: number): 0 | 1 | 2 {
  if (bytesPerPixel === 1) return YF_SMALL;
  return bytesPerPixel <= 4 ? YF_MIDDLE : YF_LARGE;
}

/** Bytes of one row of a tile. */
export function tileWidth(tiling: Tiling, bytesPerPixel: number): number {
  if (tiling === TILE_X) return 512;
  if (tiling === TILE_Y) return 128;
  return (tiling === TILE_YS ? 256 : 64) << yfShape(bytesPerPixel);
}

/** Rows of a tile. */
export function tileHeight(tiling: Tiling, bytesPerPixel: number): number {
  return tileBytes(tiling) / tileWidth(tiling, bytesPerPixel);
}

function withinY(u: number, v: number): number {
  return ((u & 0x70) << 5) | (v << 4) | (u & 15);
}

function withinYf(u: number, v: number, shape: 0 | 1 | 2): number {
  const low = u & 15;
  switch (shape) {
    case YF_SMALL:
      return low | ((v & 0x1f) << 4) | ((u & 0x10) << 5) | ((v & 0x20) << 5) | ((u & 0x20) << 6);
    case YF_MIDDLE:
      return (
        low |
        ((v & 7) << 4) |
        ((u & 0x10) << 3) |
        ((v & 8) << 5) |
        ((u & 0x20) << 4) |
        ((v & 0x10) << 6) |
        ((u & 0x40) << 5)
      );
    default:
      return (
        low |
        ((v & 3) << 4) |
        ((u & 0x30) << 2) |
        ((v & 4) << 6) |
        ((u & 0x40) << 3) |
        ((v & 8) << 7) |
        ((u & 0x80) << 4)
      );
  }
}

function withinYs(u: number, v: number, shape: 0 | 1 | 2): number {
  const uInner = 6 + shape;
  const vInner = 6 - shape;
  const inner = withinYf(u & ((1 << uInner) - 1), v & ((1 << vInner) - 1), shape);
  const uOuter = u >>> uInner;
  const vOuter = v >>> vInner;
  const block = ((uOuter & 2) << 2) | ((vOuter & 2) << 1) | ((uOuter & 1) << 1) | (vOuter & 1);
  return block * TILE_BYTES + inner;
}

/**
 * Byte offset, from the surface's first byte, of byte column `u` of row `v`.
 * @param pitch bytes from one row to the next; of a tiled surface, a whole number of tiles
 */
export function surfaceOffset(tiling: Tiling, u: number, v: number, pitch: number, bytesPerPixel: number): number {
  if (tiling === TILE_LINEAR) return v * pitch + u;
  const width = tileWidth(tiling, bytesPerPixel);
  const bytes = tileBytes(tiling);
  const height = bytes / width;
  const tile = Math.floor(v / height) * Math.floor(pitch / width) + Math.floor(u / width);
  const inU = u & (width - 1);
  const inV = v & (height - 1);
  let within: number;
  if (tiling === TILE_X) within = inV * 512 + inU;
  else if (tiling === TILE_Y) within = withinY(inU, inV);
  else if (tiling === TILE_YF) within = withinYf(inU, inV, yfShape(bytesPerPixel));
  else within = withinYs(inU, inV, yfShape(bytesPerPixel));
  return tile * bytes + within;
}

/** Bytes of a row, from byte column `u` on, that lie one after another in memory. */
export function surfaceRun(tiling: Tiling, u: number): number {
  if (tiling === TILE_LINEAR) return Number.MAX_SAFE_INTEGER;
  return tiling === TILE_X ? 512 - (u & 511) : 16 - (u & 15);
}
