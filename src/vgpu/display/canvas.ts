/** The picture while it is painted, plane over plane. */
import { OPAQUE_BLACK, rgba } from './pixels.js';

export class Canvas {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint32Array;

  /** What it has taken to paint, ns, by declared costs: about what it takes a processor. */
  spent = 0;

  constructor(width: number, height: number) {
    this.width = width;
    this.height = height;
    this.pixels = new Uint32Array(width * height).fill(OPAQUE_BLACK);
  }

  spend(ns: number): void {
    this.spent += ns;
  }

  /** Premultiplied alpha over what is there. */
  blend(x: number, y: number, argb: number): void {
    const at = y * this.width + x;
    const under = this.pixels[at]!;
    const keep = 255 - (argb >>> 24);
    const mix = (over: number, below: number): number => Math.min(255, over + Math.round((below * keep) / 255));
    this.pixels[at] = rgba(
      mix((argb >>> 16) & 0xff, under & 0xff),
      mix((argb >>> 8) & 0xff, (under >>> 8) & 0xff),
      mix(argb & 0xff, (under >>> 16) & 0xff),
    );
  }

  /**
   * A plane's pixel over what is there.
   * @param straight its colours are not multiplied by its alpha yet
   * @param plane alpha of the whole plane, by which neither is multiplied
   */
  over(at: number, colour: number, alpha: number, straight: boolean, plane: number): void {
    const under = this.pixels[at]!;
    const covers = (alpha * plane) / 255;
    const weight = (straight ? covers : plane) / 255;
    const mix = (over: number, below: number): number =>
      Math.min(255, Math.round(over * weight + (below * (255 - covers)) / 255));
    this.pixels[at] = rgba(
      mix(colour & 0xff, under & 0xff),
      mix((colour >>> 8) & 0xff, (under >>> 8) & 0xff),
      mix((colour >>> 16) & 0xff, (under >>> 16) & 0xff),
    );
  }

  /** AND with the mask byte, XOR with the colour. */
  andXor(x: number, y: number, pixel: number): void {
    const at = y * this.width + x;
    const and = pixel >>> 24;
    const under = this.pixels[at]!;
    this.pixels[at] = rgba(
      (under & and & 0xff) ^ ((pixel >>> 16) & 0xff),
      ((under >>> 8) & and & 0xff) ^ ((pixel >>> 8) & 0xff),
      ((under >>> 16) & and & 0xff) ^ (pixel & 0xff),
    );
  }
}
