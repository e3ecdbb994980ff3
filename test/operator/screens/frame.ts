/** A guest's own frame: what it keeps in files of the folder that it shares with the host, as it stands in its memory. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { XengtError } from '../../../src/base/index.js';
import type { Screen } from '../../../src/mediator/api.js';
import { programSource } from '../../guest/paths.js';

const CURSOR_SIZE = sizeOfCursor();

function sizeOfCursor(): number {
  const header = readFileSync(programSource('picture', 'screen.h'), 'utf8');
  return Number(/#define CURSOR_SIZE (\d+)/.exec(header)?.[1]);
}

/** A pixel in memory, little-endian, as red << 16 | green << 8 | blue. */
interface Format {
  readonly bytes: number;
  rgb(pixels: Buffer, at: number): number;
}

/** A channel of fewer bits reaches from 0 to 255 when its upper bits are repeated below. */
const from5 = (value: number) => (value << 3) | (value >> 2);
const from6 = (value: number) => (value << 2) | (value >> 4);

const XR24: Format = { bytes: 4, rgb: (pixels, at) => pixels.readUInt32LE(at) & 0xffffff };
const RG16: Format = {
  bytes: 2,
  rgb: (pixels, at) => {
    const value = pixels.readUInt16LE(at);
    return (from5(value >> 11) << 16) | (from6((value >> 5) & 63) << 8) | from5(value & 31);
  },
};
const FORMATS: Readonly<Record<string, Format>> = { XR24, RG16 };

/** @param pitch bytes from one row to the next */
function decoded(pixels: Buffer, width: number, height: number, pitch: number, format: Format): Screen {
  if (pixels.length < pitch * (height - 1) + width * format.bytes) {
    throw new XengtError('XENGT_E_IO', `A frame of ${width}x${height} has ${pixels.length} bytes`);
  }
  const rgba = new Uint8Array(width * height * 4);
  const view = new DataView(rgba.buffer);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++, to += 4) {
      view.setUint32(to, format.rgb(pixels, y * pitch + x * format.bytes) * 256 + 255);
    }
  }
  return { width, height, rgba };
}

/** Lays a cursor over a frame whose pixels are either opaque or clear; what is off the screen is not seen. */
function laidOver({ width, height, rgba }: Screen, cursor: Buffer, left: number, top: number): void {
  const view = new DataView(rgba.buffer);
  for (let y = 0; y < CURSOR_SIZE; y++) {
    for (let x = 0; x < CURSOR_SIZE; x++) {
      const argb = cursor.readUInt32LE((y * CURSOR_SIZE + x) * 4);
      const inside = left + x >= 0 && left + x < width && top + y >= 0 && top + y < height;
      if (inside && argb >>> 24 === 255) {
        view.setUint32(((top + y) * width + left + x) * 4, (argb & 0xffffff) * 256 + 255);
      }
    }
  }
}

/** The picture that a line of xengt-picture tells of. @param share the folder of the host's that is the guest's /share */
export function pictureOf(lines: readonly string[], share: string): Screen {
  const said = lines.find((line) => line.startsWith('XENGT-PICTURE ')) ?? '';
  const found = /file=\/share\/(\S+) format=(\S+) width=(\d+) height=(\d+) cursor=(-?\d+),(-?\d+)/.exec(said);
  const format = FORMATS[found?.[2] ?? ''];
  if (found === null || format === undefined) {
    throw new XengtError('XENGT_E_IO', `The guest shows no picture: ${lines.slice(-5).join('; ')}`);
  }
  const [width, height, left, top] = found.slice(3).map(Number) as [number, number, number, number];
  const file = join(share, found[1] ?? '');
  const frame = decoded(readFileSync(file), width, height, width * format.bytes, format);
  laidOver(frame, readFileSync(`${file}.cursor`), left, top);
  return frame;
}

/** The text console's frame buffer, from what the guest's sysfs says of it and what it read of /dev/fb0. */
export function consoleOf(lines: readonly string[], file: string): Screen {
  const found = /size=(\d+),(\d+) stride=(\d+) bits=32\b/.exec(lines.join(' '));
  if (found === null) throw new XengtError('XENGT_E_IO', `The guest has no text console: ${lines.join('; ')}`);
  const [width, height, pitch] = found.slice(1).map(Number) as [number, number, number];
  return decoded(readFileSync(file), width, height, pitch, XR24);
}
