/** The picture that the guest's mode program draws (program/mode.c), compared with what the daemon shows of it. */
import { PNG } from 'pngjs';

export interface PictureMatch {
  readonly width: number;
  readonly height: number;
  readonly wrongPixels: number;
}

export function matchPicture(file: Buffer, seed: number): PictureMatch {
  const { width, height, data } = PNG.sync.read(file);
  let wrongPixels = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * 4;
      const right =
        data[at] === ((x + seed * 37) & 255) &&
        data[at + 1] === ((y + seed * 11) & 255) &&
        data[at + 2] === ((x ^ y) & 255);
      if (!right) wrongPixels++;
    }
  }
  return { width, height, wrongPixels };
}
