/** Reads text off a picture of a Linux text console, with the glyphs that the guest itself says it draws with. */
import { PNG } from 'pngjs';
import { XengtError } from '../../src/base/index.js';

export interface ConsoleFont {
  readonly width: number;
  readonly height: number;
  /** Rows of each glyph by character code, most significant bit leftmost, whole bytes a row. */
  readonly glyphs: ReadonlyMap<number, Buffer>;
}

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** True where a pixel is drawn in the foreground colour rather than the (black) background. */
  isLit(x: number, y: number): boolean;
}

/** The console's grey is 0xaa a channel, its background black. */
const LIT_FROM = 0x60;

export function decodePicture(file: Buffer): Picture {
  const png = PNG.sync.read(file);
  return {
    width: png.width,
    height: png.height,
    isLit: (x, y) => {
      const at = (y * png.width + x) * 4;
      return Math.max(png.data[at] ?? 0, png.data[at + 1] ?? 0, png.data[at + 2] ?? 0) >= LIT_FROM;
    },
  };
}

/** From the lines of the guest's `console` step. */
export function parseFont(lines: readonly string[]): ConsoleFont {
  const glyphs = new Map<number, Buffer>();
  let width = 0;
  let height = 0;
  for (const line of lines) {
    const size = /XENGT-FONT width=(\d+) height=(\d+)/.exec(line);
    if (size !== null) {
      width = Number(size[1]);
      height = Number(size[2]);
    }
    const glyph = /XENGT-GLYPH code=(\d+) rows=([0-9a-f]+)/.exec(line);
    if (glyph?.[2] !== undefined) glyphs.set(Number(glyph[1]), Buffer.from(glyph[2], 'hex'));
  }
  if (width === 0 || height === 0) throw new XengtError('XENGT_E_IO', 'The guest reported no console font');
  return { width, height, glyphs };
}

export function countLit(picture: Picture): number {
  let lit = 0;
  for (let y = 0; y < picture.height; y++) for (let x = 0; x < picture.width; x++) if (picture.isLit(x, y)) lit++;
  return lit;
}

export interface TextMatch {
  /** Cells whose every pixel is as the glyph has it. */
  readonly rightCells: number;
  /** Pixels that the text's glyphs light: all that may be lit on a screen that was cleared before. */
  readonly glyphPixels: number;
}

/** Compares the cells from the upper left corner with `text`, bit by bit. */
export function matchText(picture: Picture, font: ConsoleFont, text: string): TextMatch {
  const rowBytes = Math.ceil(font.width / 8);
  let rightCells = 0;
  let glyphPixels = 0;
  for (let cell = 0; cell < text.length; cell++) {
    const glyph = font.glyphs.get(text.charCodeAt(cell));
    if (glyph === undefined || (cell + 1) * font.width > picture.width) continue;
    let right = true;
    for (let y = 0; y < font.height; y++) {
      for (let x = 0; x < font.width; x++) {
        const lit = ((glyph[y * rowBytes + (x >> 3)] ?? 0) & (0x80 >> (x & 7))) !== 0;
        if (lit) glyphPixels++;
        if (picture.isLit(cell * font.width + x, y) !== lit) right = false;
      }
    }
    if (right) rightCells++;
  }
  return { rightCells, glyphPixels };
}
