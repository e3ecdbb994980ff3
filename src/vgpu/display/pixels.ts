/** Pixels of the plane formats, decoded to RGBA as a little-endian dword (red in the low byte), always opaque. */
import type { PixelFormat } from '../../hw/index.js';

/**
 * @param raw the pixel, as many bits as the format has; of a packed YUV format the dword that holds two pixels
 * @param second of a packed YUV format, the pixel that is meant
 */
export type Decoder = (raw: number, second: boolean) => number;

export const OPAQUE_BLACK = 0xff000000;

export const rgba = (r: number, g: number, b: number): number => (OPAQUE_BLACK | (b << 16) | (g << 8) | r) >>> 0;

const fiveBits = (value: number): number => (value << 3) | (value >> 2);
const sixBits = (value: number): number => (value << 2) | (value >> 4);
const clamp = (value: number): number => (value < 0 ? 0 : value > 255 ? 255 : Math.round(value));

/** Limited-range YUV to RGB. Source: ITU-R BT.601 and BT.709. */
interface YuvMatrix {
  readonly rv: number;
  readonly gu: number;
  readonly gv: number;
  readonly bu: number;
}
const BT601: YuvMatrix = { rv: 1.596, gu: 0.391, gv: 0.813, bu: 2.018 };
const BT709: YuvMatrix = { rv: 1.793, gu: 0.213, gv: 0.533, bu: 2.112 };

function packedYuv(y0: number, u: number, y1: number, v: number, matrix: YuvMatrix): Decoder {
  return (raw, second) => {
    const y = 1.164 * (((raw >>> (second ? y1 : y0)) & 0xff) - 16);
    const cb = ((raw >>> u) & 0xff) - 128;
    const cr = ((raw >>> v) & 0xff) - 128;
    return rgba(clamp(y + matrix.rv * cr), clamp(y - matrix.gu * cb - matrix.gv * cr), clamp(y + matrix.bu * cb));
  };
}

export const isPackedYuv = (format: PixelFormat): boolean => format.includes('U');

/** @param palette 256 dwords of 8:8:8 for C8; null shows the index as grey */
export function decoderOf(format: PixelFormat, bt709: boolean, palette: Uint32Array | null): Decoder {
  const matrix = bt709 ? BT709 : BT601;
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
    case 'YUYV':
      return packedYuv(0, 8, 16, 24, matrix);
    case 'UYVY':
      return packedYuv(8, 0, 24, 16, matrix);
    case 'YVYU':
      return packedYuv(0, 24, 16, 8, matrix);
    case 'VYUY':
      return packedYuv(8, 16, 24, 0, matrix);
  }
}
