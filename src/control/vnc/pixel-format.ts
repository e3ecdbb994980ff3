/** Pixels as a viewer wants them. Source: RFC 6143, 7.4 "Pixel Format Data Structure" and 7.7.5 "CPIXEL". */
import { XengtError } from '../../base/index.js';

export interface PixelFormat {
  readonly bits: 8 | 16 | 32;
  readonly bigEndian: boolean;
  /** Largest value and place of red, green and blue. */
  readonly max: readonly [number, number, number];
  readonly shift: readonly [number, number, number];
}

export const FORMAT_BYTES = 16;

/** What is offered: eight bits a colour, blue in the low byte, as most viewers have it themselves. */
export const OFFERED: PixelFormat = { bits: 32, bigEndian: false, max: [255, 255, 255], shift: [16, 8, 0] };

export function writeFormat({ bits, bigEndian, max, shift }: PixelFormat, out: Buffer, at: number): void {
  out.writeUInt8(bits, at);
  out.writeUInt8(bits === 32 ? 24 : bits, at + 1);
  out.writeUInt8(bigEndian ? 1 : 0, at + 2);
  out.writeUInt8(1, at + 3);
  max.forEach((value, i) => {
    out.writeUInt16BE(value, at + 4 + 2 * i);
  });
  shift.forEach((value, i) => {
    out.writeUInt8(value, at + 10 + i);
  });
}

/** @throws XengtError XENGT_E_PROTOCOL for a format that cannot be served */
export function readFormat(bytes: Buffer, at: number): PixelFormat {
  const bits = bytes.readUInt8(at);
  if (bits !== 8 && bits !== 16 && bits !== 32) throw refused(`${bits} bits a pixel; allowed: 8, 16, 32`);
  if (bytes.readUInt8(at + 3) === 0) throw refused('a colour map; allowed: true colour');
  const triple = (read: (i: number) => number) => [read(0), read(1), read(2)] as const;
  const max = triple((i) => bytes.readUInt16BE(at + 4 + 2 * i));
  const shift = triple((i) => bytes.readUInt8(at + 10 + i));
  // A colour is as many ones as it has bits, and lies within the pixel.
  const fits = max.every((value, i) => (value & (value + 1)) === 0 && value * 2 ** shift[i]! < 2 ** bits);
  if (!fits) throw refused(`colours up to ${max.join(', ')} at bits ${shift.join(', ')} of ${bits}`);
  return { bits, bigEndian: bytes.readUInt8(at + 2) !== 0, max, shift };
}

function refused(what: string): XengtError {
  return new XengtError('XENGT_E_PROTOCOL', `The viewer asks for pixels with ${what}`);
}

/** Writes one pixel. @returns the place behind it */
export type PixelWriter = (out: Buffer, at: number, pixel: number) => number;

/** Pixels of a format, for those of a frame (red in the low byte). */
export class PixelCodec {
  readonly bytes: number;
  /** Bytes of a pixel within ZRLE, where one that is unused is left out. */
  readonly compactBytes: number;
  readonly write: PixelWriter;
  readonly writeCompact: PixelWriter;

  constructor(format: PixelFormat) {
    const { bits, bigEndian } = format;
    this.bytes = bits / 8;
    const value = translator(format);
    this.write = writer(value, this.bytes, 0, bigEndian);
    const used = format.max.reduce((mask, max, i) => mask | (max << format.shift[i]!), 0) >>> 0;
    const low = used < 2 ** 24;
    const compact = bits === 32 && (low || (used & 0xff) === 0);
    this.compactBytes = compact ? 3 : this.bytes;
    this.writeCompact = compact ? writer(value, 3, low ? 0 : 8, bigEndian) : this.write;
  }
}

function translator({ max, shift }: PixelFormat): (pixel: number) => number {
  const table = (i: 0 | 1 | 2) =>
    Uint32Array.from({ length: 256 }, (_, level) => Math.round((level * max[i]) / 255) * 2 ** shift[i]);
  const [red, green, blue] = [table(0), table(1), table(2)];
  return (pixel) => (red[pixel & 0xff]! | green[(pixel >>> 8) & 0xff]! | blue[(pixel >>> 16) & 0xff]!) >>> 0;
}

function writer(value: (pixel: number) => number, bytes: number, drop: number, bigEndian: boolean): PixelWriter {
  const last = bytes - 1;
  return (out, at, pixel) => {
    const shown = value(pixel) >>> drop;
    for (let i = 0; i < bytes; i++) out[at + i] = (shown >>> (8 * (bigEndian ? last - i : i))) & 0xff;
    return at + bytes;
  };
}
