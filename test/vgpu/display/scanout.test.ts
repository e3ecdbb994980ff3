import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../../src/base/index.js';
import { surfaceOffset, TILE_LINEAR, TILE_X, TILE_Y, TILE_YF, type Tiling } from '../../../src/hw/index.js';
import { BDW, Bench, Driver, SKL } from './bench-guest.js';

const BASE_PAGE = 0x400;
const BASE = BASE_PAGE * PAGE_SIZE;
const WIDTH = 320;
const HEIGHT = 96;

/** A display with a small picture lit, whose graphics pages lie scattered in guest RAM. */
function lit(platform = SKL): Bench {
  const bench = new Bench(platform);
  new Driver(bench).setMode1024();
  bench.write(0x6001c, ((WIDTH - 1) << 16) | (HEIGHT - 1));
  bench.write(0x70190, ((HEIGHT - 1) << 16) | (WIDTH - 1));
  for (let page = 0; page < 256; page++) bench.ram.ggtt.set(BASE_PAGE + page, (page * 7 + 3) % 1024);
  bench.write(0x7019c, BASE);
  return bench;
}

/** Stores a byte of a surface through the GGTT, as the guest's CPU or GPU would. */
function poke(bench: Bench, offset: number, byte: number): void {
  const frame = bench.ram.ggtt.get(BASE_PAGE + Math.floor(offset / PAGE_SIZE))!;
  new Uint8Array(bench.ram.words.buffer)[frame * PAGE_SIZE + (offset % PAGE_SIZE)] = byte;
}

/** The colour that belongs to a pixel: different everywhere. */
const paint = (x: number, y: number): [number, number, number] => [
  x & 0xff,
  y & 0xff,
  (x * 3 + y * 5 + (x >> 8)) & 0xff,
];

/** Paints the surface with 32-bit pixels in byte order blue, green, red, 0. */
function fill(bench: Bench, tiling: Tiling, pitch: number, width = WIDTH, height = HEIGHT): void {
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [r, g, b] = paint(x, y);
      [b, g, r, 0].forEach((byte, i) => {
        poke(bench, surfaceOffset(tiling, x * 4 + i, y, pitch, 4), byte);
      });
    }
  }
}

function picture(bench: Bench): { at: (x: number, y: number) => number[]; width: number; height: number } {
  const screen = bench.display.capture(bench.ram);
  if (screen === null) throw new Error('nothing is shown');
  expect(screen.rgba.length).toBe(screen.width * screen.height * 4);
  return {
    width: screen.width,
    height: screen.height,
    at: (x, y) => [...screen.rgba.subarray((y * screen.width + x) * 4, (y * screen.width + x) * 4 + 4)],
  };
}

function expectPainted(bench: Bench, dx = 0, dy = 0): void {
  const screen = picture(bench);
  const wrong: string[] = [];
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      const expected = [...paint(x + dx, y + dy), 255];
      if (screen.at(x, y).join() !== expected.join()) wrong.push(`${x},${y}: ${screen.at(x, y)} not ${expected}`);
    }
  }
  expect(wrong.slice(0, 3)).toEqual([]);
}

const GEN9_XRGB = 0x84000000;
const BLACK = [0, 0, 0, 255];

describe('the picture of a Gen9 guest', () => {
  it.each([
    ['linear', 0, TILE_LINEAR, 64],
    ['X-tiled', 1, TILE_X, 512],
    ['Y-tiled', 4, TILE_Y, 128],
    ['Yf-tiled', 5, TILE_YF, 128],
  ] as const)('is what was painted into a %s framebuffer', (_name, hardware, tiling, unit) => {
    const bench = lit();
    const pitch = 1536;
    bench.write(0x70180, (GEN9_XRGB | (hardware << 10)) >>> 0);
    bench.write(0x70188, pitch / unit);
    fill(bench, tiling, pitch);
    expectPainted(bench);
  });

  it('starts where the plane offset says', () => {
    const bench = lit();
    bench.write(0x70180, (GEN9_XRGB | (1 << 10)) >>> 0);
    bench.write(0x70188, 2048 / 512);
    bench.write(0x701a4, (5 << 16) | 33);
    fill(bench, TILE_X, 2048, WIDTH + 40, HEIGHT + 8);
    expectPainted(bench, 33, 5);
  });

  it('is black around a plane that is smaller than the pipe, and turned when the plane is', () => {
    const bench = lit();
    bench.write(0x70180, (GEN9_XRGB | 2) >>> 0);
    bench.write(0x70188, 1536 / 64);
    bench.write(0x7018c, (10 << 16) | 20);
    bench.write(0x70190, (7 << 16) | 15);
    fill(bench, TILE_LINEAR, 1536);
    const screen = picture(bench);
    expect(screen.at(19, 10)).toEqual(BLACK);
    expect(screen.at(20, 18)).toEqual(BLACK);
    expect(screen.at(20, 10)).toEqual([...paint(15, 7), 255]);
    expect(screen.at(35, 17)).toEqual([...paint(0, 0), 255]);
  });

  it('of a turned plane that reaches past the edge shows its end', () => {
    const bench = lit();
    bench.write(0x70180, (GEN9_XRGB | 2) >>> 0);
    bench.write(0x70188, 2048 / 64);
    bench.write(0x7018c, 8);
    fill(bench, TILE_LINEAR, 2048, WIDTH + 8);
    const screen = picture(bench);
    expect(screen.at(8, 0)).toEqual([...paint(WIDTH - 1, HEIGHT - 1), 255]);
    expect(screen.at(WIDTH - 1, 0)).toEqual([...paint(8, HEIGHT - 1), 255]);
    expect(screen.at(7, 0)).toEqual(BLACK);
  });

  it('is black where the guest mapped nothing', () => {
    const bench = lit();
    bench.write(0x70180, GEN9_XRGB);
    bench.write(0x70188, 4096 / 64);
    fill(bench, TILE_LINEAR, 4096);
    bench.ram.ggtt.delete(BASE_PAGE + 1);
    bench.ram.ggtt.set(BASE_PAGE + 2, 999_999);
    const screen = picture(bench);
    expect(screen.at(5, 0)).toEqual([...paint(5, 0), 255]);
    expect(screen.at(5, 1)).toEqual(BLACK);
    expect(screen.at(5, 2)).toEqual(BLACK);
    expect(screen.at(5, 3)).toEqual([...paint(5, 3), 255]);
  });

  it('is black while the plane is off, and absent while the pipe is off or its format unknown', () => {
    const bench = lit();
    expect(picture(bench).at(1, 1)).toEqual(BLACK);
    bench.write(0x70180, 0x8a000000);
    expect(bench.display.capture(bench.ram)).toBeNull();
    bench.write(0x70180, (GEN9_XRGB | 1) >>> 0);
    expect(bench.display.capture(bench.ram)).toBeNull();
    bench.write(0x70180, GEN9_XRGB);
    new Driver(bench).pipeOff();
    expect(bench.display.capture(bench.ram)).toBeNull();
  });

  it('cannot be made so large that it blocks the others', () => {
    const bench = lit();
    bench.write(0x70180, GEN9_XRGB);
    bench.write(0x6001c, 0x1fff1fff);
    expect(bench.display.capture(bench.ram)).toBeNull();
  });

  it('can be taken whatever the guest programs', () => {
    const bench = lit();
    const dword = fc.integer({ min: 0, max: 0xffffffff });
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 11 }), dword), { maxLength: 20 }), (writes) => {
        for (const [index, value] of writes) bench.write(0x70180 + index * 4, value);
        bench.write(0x70180, (bench.read(0x70180) | 0x80000000) >>> 0);
        const screen = bench.display.capture(bench.ram);
        if (screen !== null) expect(screen.rgba.length).toBe(WIDTH * HEIGHT * 4);
      }),
      { numRuns: 60 },
    );
  });

  it.each([
    ['XBGR8888', 0x84100000, 0x00112233, [0x33, 0x22, 0x11]],
    ['ARGB8888', 0x84000020, 0x80112233, [0x11, 0x22, 0x33]],
    ['XRGB2101010', 0x82000000, (0x3ff << 20) | (0x200 << 10) | 4, [255, 128, 1]],
    ['XBGR2101010', 0x82100000, (0x3ff << 20) | (0x200 << 10) | 4, [1, 128, 255]],
    ['RGB565', 0x8e000000, 0xf81f07e0, [0, 255, 0]],
    ['YUYV', 0x80000000, 0x80eb8010, [0, 0, 0]],
    ['UYVY', 0x80010000, 0xeb801080, [0, 0, 0]],
  ] as const)('shows %s pixels in their colours', (_name, control, dword, colour) => {
    const bench = lit();
    bench.write(0x70180, control);
    bench.write(0x70188, 24);
    for (let i = 0; i < 4; i++) poke(bench, i, (dword >>> (8 * i)) & 0xff);
    expect(picture(bench).at(0, 0)).toEqual([...colour, 255]);
  });

  it('shows the second pixel of a packed pair, and half-words in order', () => {
    const bench = lit();
    bench.write(0x70188, 24);
    [0x10, 0x80, 0xeb, 0x80].forEach((byte, i) => {
      poke(bench, i, byte);
    });
    bench.write(0x70180, 0x80000000);
    expect(picture(bench).at(1, 0)).toEqual([255, 255, 255, 255]);
    [0xe0, 0x07, 0x1f, 0xf8].forEach((byte, i) => {
      poke(bench, i, byte);
    });
    bench.write(0x70180, 0x8e000000);
    expect(picture(bench).at(1, 0)).toEqual([255, 0, 255, 255]);
  });

  it('shows indexed pixels through the palette of the pipe', () => {
    const bench = lit();
    bench.write(0x70180, 0x8c000000);
    bench.write(0x70188, 24);
    bench.write(0x4a000 + 4 * 0x42, 0x00aabbcc);
    poke(bench, 3, 0x42);
    expect(picture(bench).at(3, 0)).toEqual([0xaa, 0xbb, 0xcc, 255]);
  });
});

describe('the picture of a Broadwell guest', () => {
  it.each([
    ['linear', 0x98000000, TILE_LINEAR],
    ['X-tiled', 0x98000400, TILE_X],
  ] as const)('is what was painted into a %s framebuffer', (_name, control, tiling) => {
    const bench = lit(BDW);
    bench.write(0x70180, control);
    bench.write(0x70188, 1536);
    fill(bench, tiling, 1536);
    expectPainted(bench);
  });

  it.each([
    ['XBGR8888', 0xb8000000, 0x00112233, [0x33, 0x22, 0x11]],
    ['XRGB2101010', 0xa8000000, (0x3ff << 20) | (0x200 << 10) | 4, [255, 128, 1]],
    ['XBGR2101010', 0xa0000000, (0x3ff << 20) | (0x200 << 10) | 4, [1, 128, 255]],
    ['RGB565', 0x94000000, 0x000007e0, [0, 255, 0]],
  ] as const)('shows %s pixels in their colours', (_name, control, dword, colour) => {
    const bench = lit(BDW);
    bench.write(0x70180, control);
    bench.write(0x70188, 1536);
    for (let i = 0; i < 4; i++) poke(bench, i, (dword >>> (8 * i)) & 0xff);
    expect(picture(bench).at(0, 0)).toEqual([...colour, 255]);
  });
});

describe('the cursor', () => {
  const CURSOR = 128;
  /** A cursor image of one colour. */
  function cursor(bench: Bench, mode: number, pixel: number, position: number): void {
    for (let i = 0; i < 64 * 64 * 4; i++) poke(bench, CURSOR * PAGE_SIZE + i, (pixel >>> (8 * (i % 4))) & 0xff);
    bench.write(0x70080, mode);
    bench.write(0x70088, position);
    bench.write(0x70084, BASE + CURSOR * PAGE_SIZE);
  }

  it('lies over the plane where its position says, partly off the edge too', () => {
    const bench = lit();
    cursor(bench, 0x27, 0xff0000ff, (0x8008 << 16) | 100);
    const screen = picture(bench);
    expect(screen.at(99, 0)).toEqual(BLACK);
    expect(screen.at(100, 0)).toEqual([0, 0, 255, 255]);
    expect(screen.at(163, 55)).toEqual([0, 0, 255, 255]);
    expect(screen.at(163, 56)).toEqual(BLACK);
    expect(bench.read(0x700ac)).toBe(BASE + CURSOR * PAGE_SIZE);
  });

  it('is blended by its premultiplied alpha', () => {
    const bench = lit();
    bench.write(0x70180, GEN9_XRGB);
    bench.write(0x70188, 24);
    for (let i = 0; i < 64; i++) poke(bench, i, 0xff);
    cursor(bench, 0x27, 0x80400000, 0);
    expect(picture(bench).at(0, 0)).toEqual([0x40 + 127, 127, 127, 255]);
  });

  it('of the AND/XOR kind replaces, keeps or inverts', () => {
    const bench = lit();
    bench.write(0x70180, GEN9_XRGB);
    bench.write(0x70188, 24);
    for (let i = 0; i < 64; i++) poke(bench, i, 0xf0);
    cursor(bench, 0x07, 0x00112233, 0);
    expect(picture(bench).at(0, 0)).toEqual([0x11, 0x22, 0x33, 255]);
    cursor(bench, 0x07, 0xff000000, 0);
    expect(picture(bench).at(0, 0)).toEqual([0xf0, 0xf0, 0xf0, 255]);
    cursor(bench, 0x07, 0xffffffff, 0);
    expect(picture(bench).at(0, 0)).toEqual([0x0f, 0x0f, 0x0f, 255]);
  });
});
