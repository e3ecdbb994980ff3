/**
 * The blitter's work: fills and copies of rectangles, a row at a time, so that a large one takes engine time as it goes and
 * never holds the host for long. A row passes through a buffer: what overlaps within a row is read before it is written.
 */
import { PAGE_SIZE } from '../../base/index.js';
import { surfaceOffset, surfaceRun, TILE_LINEAR, type Tiling } from '../../hw/index.js';
import type { Device } from './device.js';
import { GMADR_SPAN, type Mmu } from './mmu.js';

export interface Surface {
  /** Graphics address of the first byte, in the running context's address space. */
  base: number;
  /** Bytes from one row to the next; may be negative where linear. */
  pitch: number;
  tiling: Tiling;
}

/** A destination rectangle, pixels; x2 and y2 are the first outside. */
export interface Rectangle {
  x1: number;
  y1: number;
  x2: number;
  y2: number;
}

const ALL_CHANNELS = 0xffffffff;
/** Below this many bytes a loop is faster than Uint8Array.set. */
const SHORT = 96;

export class Blitter {
  active = false;
  readonly clip: Rectangle = { x1: 0, y1: 0, x2: 0, y2: 0 };
  readonly #device: Device;
  readonly #mmu: Mmu;
  #row = new Uint8Array(4096);
  #words = new Uint32Array(this.#row.buffer);

  #copying = false;
  #destination: Surface = { base: 0, pitch: 0, tiling: TILE_LINEAR };
  #source: Surface = this.#destination;
  #bytesPerPixel = 1;
  #channels = ALL_CHANNELS;
  #bytes = 0;
  #x = 0;
  #y = 0;
  #sourceX = 0;
  #sourceY = 0;
  #rows = 0;
  #step = 1;

  constructor(device: Device, mmu: Mmu) {
    this.#device = device;
    this.#mmu = mmu;
  }

  reset(): void {
    this.active = false;
  }

  /** @param channels bits of a 32-bit pixel that are written */
  fill(to: Surface, area: Rectangle, bytesPerPixel: number, colour: number, channels: number): void {
    if (!this.#begin(to, area, bytesPerPixel, channels)) return;
    this.#copying = false;
    const row = this.#row;
    for (let i = 0; i < this.#bytes; i++) row[i] = colour >>> ((i % bytesPerPixel) * 8);
  }

  /** Copies into `area` what starts at pixel (fromX, fromY) of `from`. */
  copy(
    to: Surface,
    area: Rectangle,
    from: Surface,
    fromX: number,
    fromY: number,
    bytesPerPixel: number,
    channels: number,
  ): void {
    if (!this.#begin(to, area, bytesPerPixel, channels)) return;
    this.#copying = true;
    this.#source = from;
    this.#sourceX = fromX * bytesPerPixel;
    this.#sourceY = fromY;
    // Downwards within one surface: from the bottom, so that no row is written before it is read.
    if (to.base === from.base && area.y1 > fromY) {
      this.#step = -1;
      this.#y += this.#rows - 1;
      this.#sourceY += this.#rows - 1;
    }
  }

  /** Does one row. @returns its bytes */
  step(): number {
    const bytes = this.#bytes;
    if (this.#copying) {
      this.#read(bytes);
      this.#sourceY += this.#step;
    }
    this.#write(bytes);
    this.#y += this.#step;
    if (--this.#rows === 0) this.active = false;
    return bytes;
  }

  #begin(to: Surface, area: Rectangle, bytesPerPixel: number, channels: number): boolean {
    this.#rows = area.y2 - area.y1;
    this.#bytes = (area.x2 - area.x1) * bytesPerPixel;
    if (this.#rows <= 0 || this.#bytes <= 0) return false;
    if (this.#bytes > this.#row.length) {
      this.#row = new Uint8Array(2 ** Math.ceil(Math.log2(this.#bytes)));
      this.#words = new Uint32Array(this.#row.buffer);
    }
    this.#destination = to;
    this.#bytesPerPixel = bytesPerPixel;
    this.#channels = bytesPerPixel === 4 ? channels : ALL_CHANNELS;
    this.#x = area.x1 * bytesPerPixel;
    this.#y = area.y1;
    this.#step = 1;
    this.active = true;
    return true;
  }

  #address(surface: Surface, u: number, v: number): number {
    const address = surface.base + surfaceOffset(surface.tiling, u, v, surface.pitch, this.#bytesPerPixel);
    return ((address % GMADR_SPAN) + GMADR_SPAN) % GMADR_SPAN;
  }

  #read(bytes: number): void {
    const { memory } = this.#device;
    const row = this.#row;
    for (let done = 0; done < bytes; ) {
      const u = this.#sourceX + done;
      const gma = this.#address(this.#source, u, this.#sourceY);
      const inPage = gma % PAGE_SIZE;
      const run = Math.min(bytes - done, surfaceRun(this.#source.tiling, u), PAGE_SIZE - inPage);
      const mfn = this.#mmu.translate(gma, false, false);
      if (mfn < 0) {
        row.fill(0, done, done + run);
      } else {
        const at = memory.locate(mfn) * 4 + inPage;
        const bytesOf = memory.bytes;
        if (run < SHORT) for (let i = 0; i < run; i++) row[done + i] = bytesOf[at + i]!;
        else row.set(bytesOf.subarray(at, at + run), done);
      }
      done += run;
    }
  }

  #write(bytes: number): void {
    const { memory } = this.#device;
    const row = this.#row;
    for (let done = 0; done < bytes; ) {
      const u = this.#x + done;
      const gma = this.#address(this.#destination, u, this.#y);
      const inPage = gma % PAGE_SIZE;
      const run = Math.min(bytes - done, surfaceRun(this.#destination.tiling, u), PAGE_SIZE - inPage);
      const mfn = this.#mmu.translate(gma, false, true);
      if (mfn >= 0) {
        const first = memory.locate(mfn);
        if (this.#channels !== ALL_CHANNELS) this.#merge(first + (inPage >>> 2), done >>> 2, run >>> 2);
        else {
          const at = first * 4 + inPage;
          const bytesOf = memory.bytes;
          if (run < SHORT) for (let i = 0; i < run; i++) bytesOf[at + i] = row[done + i]!;
          else bytesOf.set(row.subarray(done, done + run), at);
        }
      }
      done += run;
    }
  }

  /** Writes only the enabled channels of 32-bit pixels. */
  #merge(at: number, from: number, pixels: number): void {
    const { words } = this.#device.memory;
    const channels = this.#channels;
    for (let i = 0; i < pixels; i++) words[at + i] = (words[at + i]! & ~channels) | (this.#words[from + i]! & channels);
  }
}
