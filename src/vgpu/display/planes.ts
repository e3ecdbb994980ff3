/**
 * The planes of a pipe as the guest programmed them, from the lowest to the highest. A scaler cannot be bound to a plane here,
 * and colour keys are not looked at.
 */
import {
  BDW_PLANES,
  BDW_ROTATE_180,
  BYTES_PER_PIXEL,
  GEN9_PLANES,
  GEN9_ROTATE_180,
  GEN9_ROTATE_MASK,
  HW_TILING,
  PIPE,
  PIPE_STRIDE,
  type PixelFormat,
  PLANE_ALPHA,
  PLANE_ALPHA_ENABLE,
  PLANE_ENABLE,
  PLANE_FORMATS,
  PLANE_FULL_RANGE,
  PLANE_STRIDE,
  PLANE_TILING_SHIFT,
  SPRITE_FORMATS,
  strideUnit,
  TILE_LINEAR,
  TILE_X,
  TILE_Y,
  TILE_YF,
  type Tiling,
} from '../../hw/index.js';
import type { DisplayHost } from './port.js';

const SURFACE_MASK = 0xfffff000;
const BT709_BIT = 1 << 18;
const STRIDE_MASK = 0x3ff;
const BDW_PITCH_MASK = 0xffc0;
const COORDINATE = 0x1fff;
/** Chroma of NV12: two bytes for two by two pixels. */
const CHROMA_BYTES = 2;

const TILINGS: Readonly<Record<number, Tiling>> = {
  [HW_TILING.LINEAR]: TILE_LINEAR,
  [HW_TILING.X]: TILE_X,
  [HW_TILING.Y]: TILE_Y,
  [HW_TILING.YF]: TILE_YF,
};

/** Where in graphics memory pixels lie. */
export interface Surface {
  readonly tiling: Tiling;
  readonly base: number;
  readonly pitch: number;
  /** First pixel that is shown. */
  readonly x: number;
  readonly y: number;
}

export type Blend = 'opaque' | 'premultiplied' | 'straight';

export interface Plane {
  readonly format: PixelFormat;
  readonly surface: Surface;
  /** Of NV12 alone. */
  readonly chroma: Surface | null;
  /** Where on the pipe, and how large. */
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly upsideDown: boolean;
  readonly bt709: boolean;
  /** YUV from 0 to 255, not 16 to 235 and 240. */
  readonly fullRange: boolean;
  readonly blend: Blend;
  /** Of the whole plane, besides that of its pixels: 255 is opaque. */
  readonly alpha: number;
}

/** null for a plane that is off, `undefined` for one that cannot be decoded. */
type Read = Plane | null | undefined;

/** All planes of a pipe of this size; the first is the primary one. */
export function readPlanes(host: DisplayHost, pipe: number, width: number, height: number): Read[] {
  if (host.platform.gen === 9) return Array.from({ length: GEN9_PLANES }, (_, plane) => gen9Plane(host, pipe, plane));
  return Array.from({ length: BDW_PLANES }, (_, plane) => bdwPlane(host, pipe, plane, width, height));
}

const reader = (host: DisplayHost, pipe: number, plane: number) => {
  const at = pipe * PIPE_STRIDE + plane * PLANE_STRIDE;
  return (offset: number): number => host.bank[(offset + at) >>> 2]!;
};

const surfaceAt = (register: number): number => (register & SURFACE_MASK) >>> 0;
const pointOf = (register: number) => ({ x: register & COORDINATE, y: (register >>> 16) & COORDINATE });

function gen9Plane(host: DisplayHost, pipe: number, plane: number): Read {
  const reg = reader(host, pipe, plane);
  const control = reg(PIPE.PLANE_CTL);
  if ((control & PLANE_ENABLE) === 0) return null;
  const row = PLANE_FORMATS.find(
    (entry) => (entry.platforms & host.platform.bit) !== 0 && (control & entry.mask) === entry.value,
  );
  const hwTiling = (control >>> PLANE_TILING_SHIFT) & 7;
  const tiling = TILINGS[hwTiling];
  const rotation = control & GEN9_ROTATE_MASK;
  // a quarter turn shows the surface through a rotated view of the GGTT, of which only the guest knows the shape
  if (row === undefined || tiling === undefined || (rotation & 1) !== 0) return undefined;
  const { format } = row;
  const base = surfaceAt(reg(PIPE.PLANE_SURF));
  const unit = strideUnit(hwTiling, BYTES_PER_PIXEL[format]);
  const pitch = (reg(PIPE.PLANE_STRIDE) & STRIDE_MASK) * unit;
  const aux = reg(PIPE.PLANE_AUX_DIST);
  const chroma = {
    tiling,
    base: base + surfaceAt(aux),
    pitch: (aux & STRIDE_MASK) * strideUnit(hwTiling, CHROMA_BYTES),
    ...pointOf(reg(PIPE.PLANE_AUX_OFFSET)),
  };
  const position = pointOf(reg(PIPE.PLANE_POS));
  const size = pointOf(reg(PIPE.PLANE_SIZE));
  return {
    format,
    surface: { tiling, base, pitch, ...pointOf(reg(PIPE.PLANE_OFFSET)) },
    chroma: format === 'NV12' ? chroma : null,
    left: position.x,
    top: position.y,
    width: size.x + 1,
    height: size.y + 1,
    upsideDown: rotation === GEN9_ROTATE_180,
    bt709: (control & BT709_BIT) !== 0,
    fullRange: (control & PLANE_FULL_RANGE) !== 0,
    blend: blendOf((control >>> PLANE_ALPHA.SHIFT) & PLANE_ALPHA.MASK, plane),
    alpha: (reg(PIPE.PLANE_KEYMSK) & PLANE_ALPHA_ENABLE) === 0 ? 255 : reg(PIPE.PLANE_KEYMAX) >>> 24,
  };
}

function blendOf(field: number, plane: number): Blend {
  // below the lowest plane all is black: colours that are multiplied already stay what they are
  if (field === PLANE_ALPHA.PREMULTIPLIED) return plane === 0 ? 'opaque' : 'premultiplied';
  return field === PLANE_ALPHA.STRAIGHT ? 'straight' : 'opaque';
}

/** The primary plane has the size of the pipe; the sprite has one of its own, and other format bits. */
function bdwPlane(host: DisplayHost, pipe: number, plane: number, width: number, height: number): Read {
  const reg = reader(host, pipe, plane);
  const control = reg(PIPE.PLANE_CTL);
  if ((control & PLANE_ENABLE) === 0) return null;
  const sprite = plane > 0;
  const row = (sprite ? SPRITE_FORMATS : PLANE_FORMATS).find(
    (entry) => (entry.platforms & host.platform.bit) !== 0 && (control & entry.mask) === entry.value,
  );
  if (row === undefined) return undefined;
  const size = pointOf(reg(PIPE.PLANE_SIZE));
  const position = sprite ? pointOf(reg(PIPE.PLANE_POS)) : { x: 0, y: 0 };
  return {
    format: row.format,
    surface: {
      tiling: ((control >>> PLANE_TILING_SHIFT) & 1) !== 0 ? TILE_X : TILE_LINEAR,
      base: surfaceAt(reg(PIPE.PLANE_SURF)),
      pitch: reg(PIPE.PLANE_STRIDE) & BDW_PITCH_MASK,
      ...pointOf(reg(PIPE.PLANE_OFFSET)),
    },
    chroma: null,
    left: position.x,
    top: position.y,
    width: sprite ? size.x + 1 : width,
    height: sprite ? size.y + 1 : height,
    upsideDown: (control & BDW_ROTATE_180) !== 0,
    bt709: sprite && (control & BT709_BIT) !== 0,
    fullRange: sprite && (control & PLANE_FULL_RANGE) !== 0,
    blend: 'opaque',
    alpha: 255,
  };
}
