/**
 * The newest picture of a screen, cut into tiles, and for each tile the serial of the picture in which it last changed. A
 * viewer that has seen picture N is owed the tiles with a later serial, however many pictures it missed: what it is behind
 * costs no memory, and it never sees anything but the newest.
 */
import type { Screen } from '../../mediator/api.js';

export const TILE = 64;
const OPAQUE = 0xff000000;

export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export class Frame {
  /** Zero by zero while nothing is shown. */
  width = 0;
  height = 0;
  /** Red in the low byte, alpha always 255. */
  pixels = new Uint32Array(0);
  /** Of the newest picture; 0 before the first. */
  serial = 0;
  /** The first picture of the present size: whoever has seen less has a screen of another size. */
  sizedAt = 0;
  #versions = new Uint32Array(0);

  get columns(): number {
    return Math.ceil(this.width / TILE);
  }

  /** @returns whether anything is not as it was */
  update(screen: Screen | null): boolean {
    const width = screen?.width ?? 0;
    const height = screen?.height ?? 0;
    const now = wordsOf(screen);
    const fresh = this.serial === 0 || width !== this.width || height !== this.height;
    if (fresh) this.#resize(width, height);
    const changed = this.#take(now) || fresh;
    if (changed) this.serial++;
    return changed;
  }

  /** Tiles that changed after picture `seen`. */
  since(seen: number): Rect[] {
    const rects: Rect[] = [];
    this.#versions.forEach((version, at) => {
      if (version > seen) rects.push(this.#rect(at));
    });
    return rects;
  }

  #rect(at: number): Rect {
    const x = (at % this.columns) * TILE;
    const y = Math.floor(at / this.columns) * TILE;
    return { x, y, width: Math.min(TILE, this.width - x), height: Math.min(TILE, this.height - y) };
  }

  #resize(width: number, height: number): void {
    this.width = width;
    this.height = height;
    this.pixels = new Uint32Array(width * height);
    this.#versions = new Uint32Array(this.columns * Math.ceil(height / TILE)).fill(this.serial + 1);
    this.sizedAt = this.serial + 1;
  }

  #take(now: Uint32Array): boolean {
    const { width, height, pixels, columns } = this;
    const next = this.serial + 1;
    let changed = false;
    for (let y = 0; y < height; y++) {
      const row = Math.floor(y / TILE) * columns;
      for (let column = 0; column < columns; column++) {
        const end = y * width + Math.min(width, (column + 1) * TILE);
        let differs = false;
        for (let at = y * width + column * TILE; at < end; at++) {
          // A scanout has no alpha; whatever the guest keeps in those bytes is no part of its picture.
          const pixel = (now[at]! | OPAQUE) >>> 0;
          if (pixels[at] === pixel) continue;
          pixels[at] = pixel;
          differs = true;
        }
        if (!differs) continue;
        this.#versions[row + column] = next;
        changed = true;
      }
    }
    return changed;
  }
}

function wordsOf(screen: Screen | null): Uint32Array {
  if (screen === null) return new Uint32Array(0);
  const { rgba } = screen;
  const whole = rgba.byteOffset % 4 === 0 ? rgba : rgba.slice();
  return new Uint32Array(whole.buffer, whole.byteOffset, whole.length >>> 2);
}
