/** Pixels of the plane formats, decoded to RGBA as a little-endian dword (red in the low byte), always opaque. */
import type { PixelFormat } from '../../hw/index.js';

/**
 * @param raw the pixel, as many bits as the format has; of a packed YUV format the dword that holds two pixels; of 64 bits the
 *   lower half; of NV12 luma, and chroma from bit 8 on
 * @param second of a packed YUV format, the pixel that is meant
 * @param high upper half of a pixel of 64 bits
 */
export type Decoder = (raw: number, second: boolean, high: number) => number;

export const OPAQUE_BLACK = 0xff000000;

export const rgba = (r: number, g: number, b: number): number => (OPAQUE_BLACK | (b << 16) | (g << 8) | r) >>> 0;

const fiveBits = (value: number): number => (value << 3) | (value >> 2);
const sixBits = (value: number): number => (value << 2) | (value >> 4);
const clamp = (value: number): number => (value < 0 ? 0 : value > 255 ? 255 : Math.round(value));

/** YUV to RGB, of limited range and of full range. Source: ITU-R BT.601 and BT.709. */
interface YuvMatrix {
  readonly black: number;
  readonly y: number;
  readonly rv: number;
  readonly gu: number;
  readonly gv: number;
  readonly bu: number;
}
const BT601: YuvMatrix = { black: 16, y: 1.164, rv: 1.596, gu: 0.391, gv: 0.813, bu: 2.018 };
const BT709: YuvMatrix = { black: 16, y: 1.164, rv: 1.793, gu: 0.213, gv: 0.533, bu: 2.112 };
const BT601_FULL: YuvMatrix = { black: 0, y: 1, rv: 1.402, gu: 0.344, gv: 0.714, bu: 1.772 };
const BT709_FULL: YuvMatrix = { black: 0, y: 1, rv: 1.575, gu: 0.187, gv: 0.468, bu: 1.856 };

function packedYuv(y0: number, u: number, y1: number, v: number, matrix: YuvMatrix): Decoder {
  return (raw, second) => {
    const y = matrix.y * (((raw >>> (second ? y1 : y0)) & 0xff) - matrix.black);
    const cb = ((raw >>> u) & 0xff) - 128;
    const cr = ((raw >>> v) & 0xff) - 128;
    return rgba(clamp(y + matrix.rv * cr), clamp(y - matrix.gu * cb - matrix.gv * cr), clamp(y + matrix.bu * cb));
  };
}

export const isPackedYuv = (format: PixelFormat): boolean => format.includes('U') && format !== 'XYUV';

/** Level that a 16-bit floating point number from 0 to 1 stands for (IEEE 754 binary16); what is beyond is cut off. */
export function levelOfHalf(bits: number): number {
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 0x3ff;
  if ((bits & 0x8000) !== 0 || (exponent === 31 && fraction !== 0)) return 0;
  if (exponent >= 15) return 255;
  const value = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return Math.round(value * 255);
}

/** Of the formats whose top bits are alpha, where a plane is blended: how much of what lies below it a pixel hides, 0 to 255. */
export function alphaOf(format: PixelFormat, raw: number, high: number): number {
  switch (format) {
    case 'XRGB8888':
    case 'XBGR8888':
      return raw >>> 24;
    case 'XRGB16F':
    case 'XBGR16F':
      return levelOfHalf(high >>> 16);
    default:
      return 255;
  }
}

/** What of a plane says how its pixels are read. */
export interface PixelKind {
  readonly format: PixelFormat;
  readonly bt709: boolean;
  readonly fullRange: boolean;
}

/** @param palette 256 dwords of 8:8:8 for C8; null shows the index as grey */
export function decoderOf({ format, bt709, fullRange }: PixelKind, palette: Uint32Array | null): Decoder {
  const matrix = fullRange ? (bt709 ? BT709_FULL : BT601_FULL) : bt709 ? BT709 : BT601;
  switch (format) {
    case 'C8':
      return (raw) => {
        if (palette === null) return rgba(raw, raw, raw);
        const colour = palette[raw]!;
        return rgba((colour >>> 16) & 0xff, (colour >>> 8) & 0xff, colour & 0xff);
      };
    case 'RGB565':
      return (raw) => rgba(fiveBits((raw >> 11) & 31), sixBits((raw >> 5) & 63), fiveBits(raw & 31));
    case 'XRGB8888':
      return (raw) => rgba((raw >>> 16) & 0xff, (raw >>> 8) & 0xff, raw & 0xff);
    case 'XBGR8888':
      return (raw) => (raw | OPAQUE_BLACK) >>> 0;
    case 'XRGB2101010':
      return (raw) => rgba((raw >>> 22) & 0xff, (raw >>> 12) & 0xff, (raw >>> 2) & 0xff);
    case 'XBGR2101010':
      return (raw) => rgba((raw >>> 2) & 0xff, (raw >>> 12) & 0xff, (raw >>> 22) & 0xff);
    case 'XRGB16F':
      return (raw, _second, high) =>
        rgba(levelOfHalf(high & 0xffff), levelOfHalf(raw >>> 16), levelOfHalf(raw & 0xffff));
    case 'XBGR16F':
      return (raw, _second, high) =>
        rgba(levelOfHalf(raw & 0xffff), levelOfHalf(raw >>> 16), levelOfHalf(high & 0xffff));
    case 'NV12':
      return packedYuv(0, 8, 0, 16, matrix);
    case 'YUYV':
      return packedYuv(0, 8, 16, 24, matrix);
    case 'UYVY':
      return packedYuv(8, 0, 24, 16, matrix);
    case 'YVYU':
      return packedYuv(0, 24, 16, 8, matrix);
    case 'VYUY':
      return packedYuv(8, 16, 24, 0, matrix);
    case 'XYUV':
      return packedYuv(16, 8, 16, 0, matrix);
  }
}
