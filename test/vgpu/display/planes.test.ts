import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../../src/base/index.js';
import { BDW, Bench, Driver, SKL } from './bench-guest.js';

const BASE_PAGE = 0x400;
const PAGES = 512;
const WIDTH = 320;
const HEIGHT = 96;
const PITCH = 4096;
/** Another surface, for a plane over the first or for chroma, so many bytes behind it. */
const OTHER = 128 * PAGE_SIZE;

/**
 * Bits of a byte's offset within a tile of 4 KiB, the highest first: which bit of its column u or its row v each is. As the PRM
 * (SKL Vol 5, "Memory Views") draws them.
 */
const LAYOUTS = {
  X: 'v2 v1 v0 u8 u7 u6 u5 u4 u3 u2 u1 u0',
  Y: 'u6 u5 u4 v4 v3 v2 v1 v0 u3 u2 u1 u0',
  Yf8: 'u5 v5 u4 v4 v3 v2 v1 v0 u3 u2 u1 u0',
  Yf16: 'u6 v4 u5 v3 u4 v2 v1 v0 u3 u2 u1 u0',
  Yf64: 'u7 v3 u6 v2 u5 u4 v1 v0 u3 u2 u1 u0',
} as const;

const TILINGS = [
  { name: 'linear', hardware: 0, layout: () => null, unit: () => 64 },
  { name: 'X', hardware: 1, layout: () => LAYOUTS.X, unit: () => 512 },
  { name: 'Y', hardware: 4, layout: () => LAYOUTS.Y, unit: () => 128 },
  {
    name: 'Yf',
    hardware: 5,
    layout: (bytes: number) => (bytes === 1 ? LAYOUTS.Yf8 : bytes === 8 ? LAYOUTS.Yf64 : LAYOUTS.Yf16),
    unit: (bytes: number) => (bytes === 1 ? 64 : 128),
  },
] as const;
type Tiling = (typeof TILINGS)[number];

/** Offset of a byte, worked out bit by bit. */
function offsetOf(tiling: Tiling, u: number, v: number, bytes: number): number {
  const layout = tiling.layout(bytes);
  if (layout === null) return v * PITCH + u;
  const bits = layout.split(' ');
  const width = 2 ** bits.filter((bit) => bit.startsWith('u')).length;
  const height = 4096 / width;
  const within = bits.reduce((sum, bit) => 2 * sum + (((bit.startsWith('u') ? u : v) >> Number(bit.slice(1))) & 1), 0);
  return (Math.floor(v / height) * (PITCH / width) + Math.floor(u / width)) * 4096 + within;
}

function lit(platform = SKL): Bench {
  const bench = new Bench(platform);
  new Driver(bench).setMode1024();
  bench.write(0x6001c, ((WIDTH - 1) << 16) | (HEIGHT - 1));
  for (let page = 0; page < PAGES; page++) bench.ram.ggtt.set(BASE_PAGE + page, (page * 7 + 3) % 1024);
  return bench;
}

function poke(bench: Bench, offset: number, ...bytes: number[]): void {
  bytes.forEach((byte, i) => {
    const frame = bench.ram.ggtt.get(BASE_PAGE + Math.floor((offset + i) / PAGE_SIZE))!;
    new Uint8Array(bench.ram.words.buffer)[frame * PAGE_SIZE + ((offset + i) % PAGE_SIZE)] = byte;
  });
}

interface Shown {
  readonly plane?: number;
  readonly x?: number;
  readonly y?: number;
  readonly width?: number;
  readonly height?: number;
  readonly surface?: number;
}

/** Switches a plane on; its surface begins `surface` bytes after the first one. */
function show(bench: Bench, control: number, units: number, shown: Shown = {}): void {
  const { plane = 0, x = 0, y = 0, width = WIDTH, height = HEIGHT, surface = 0 } = shown;
  const at = plane * 0x100;
  bench.write(0x70188 + at, units);
  bench.write(0x7018c + at, (y << 16) | x);
  bench.write(0x70190 + at, ((height - 1) << 16) | (width - 1));
  bench.write(0x70180 + at, (0x80000000 | control) >>> 0);
  bench.write(0x7019c + at, BASE_PAGE * PAGE_SIZE + surface);
}

function pixels(bench: Bench): (x: number, y: number) => number[] {
  const screen = bench.display.capture(bench.ram);
  if (screen === null) throw new Error('nothing is shown');
  return (x, y) => [...screen.rgba.subarray((y * screen.width + x) * 4, (y * screen.width + x) * 4 + 3)];
}

/** 16-bit floating point, rounded to the nearest; worked out from the bits of 32-bit floating point. */
function half(value: number): number {
  const bits = new Uint32Array(new Float32Array([value]).buffer)[0]!;
  const exponent = ((bits >>> 23) & 0xff) - 112;
  if (exponent <= 0) return Math.round(Math.abs(value) * 2 ** 24) | ((bits >>> 16) & 0x8000);
  const rounded = ((exponent << 10) | ((bits >>> 13) & 0x3ff)) + ((bits >>> 12) & 1);
  return rounded | ((bits >>> 16) & 0x8000);
}

const bytesOf = (...halves: number[]) => halves.flatMap((value) => [value & 0xff, value >> 8]);
const FORMATS = [
  { name: 'XRGB8888', control: 4 << 24, bytes: 4, pixel: (r: number, g: number, b: number) => [b, g, r, 0] },
  {
    name: 'XBGR8888',
    control: (4 << 24) | (1 << 20),
    bytes: 4,
    pixel: (r: number, g: number, b: number) => [r, g, b, 9],
  },
  {
    name: 'XRGB16F',
    control: 6 << 24,
    bytes: 8,
    pixel: (r: number, g: number, b: number) => bytesOf(half(b / 255), half(g / 255), half(r / 255), 0),
  },
  {
    name: 'XBGR16F',
    control: (6 << 24) | (1 << 20),
    bytes: 8,
    pixel: (r: number, g: number, b: number) => bytesOf(half(r / 255), half(g / 255), half(b / 255), 0x3c00),
  },
] as const;

const colour = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255));

describe('every pixel that a guest paints', () => {
  it.each(
    TILINGS.flatMap((tiling) => FORMATS.map((format) => ({ tiling, format, name: `${format.name}, ${tiling.name}` }))),
  )('is shown where the hardware would show it: $name', ({ tiling, format }) => {
    const bench = lit();
    show(bench, format.control | (tiling.hardware << 10), PITCH / tiling.unit(format.bytes));
    const place = fc.record({ x: fc.nat(WIDTH - 1), y: fc.nat(HEIGHT - 1), dx: fc.nat(60), dy: fc.nat(30) });
    fc.assert(
      fc.property(place, colour, ({ x, y, dx, dy }, [r, g, b]) => {
        bench.write(0x701a4, (dy << 16) | dx);
        poke(bench, offsetOf(tiling, (x + dx) * format.bytes, y + dy, format.bytes), ...format.pixel(r, g, b));
        expect(pixels(bench)(x, y)).toEqual([r, g, b]);
      }),
      { numRuns: 25 },
    );
  });
});

describe('floating point pixels', () => {
  it.each([
    ['more than one', 0x4000, 255],
    ['infinity', 0x7c00, 255],
    ['one', 0x3c00, 255],
    ['a half', 0x3800, 128],
    ['the least number', 0x0001, 0],
    ['less than nothing', 0xbc00, 0],
    ['no number', 0x7e00, 0],
  ])('of %s are shown as a display can', (_what, bits, level) => {
    const bench = lit();
    show(bench, 6 << 24, PITCH / 64);
    poke(bench, 0, ...bytesOf(bits, 0, bits, 0));
    expect(pixels(bench)(0, 0)).toEqual([level, 0, level]);
  });

  it('are shown on Broadwell too', () => {
    const bench = lit(BDW);
    bench.write(0x70188, PITCH);
    bench.write(0x70180, 0xb0000000);
    bench.write(0x7019c, BASE_PAGE * PAGE_SIZE);
    poke(bench, 8, ...bytesOf(half(1), half(0.5), 0, 0));
    expect(pixels(bench)(1, 0)).toEqual([255, 128, 0]);
  });
});

describe('a film in NV12', () => {
  /** Source: ITU-R BT.601, limited range. */
  const bt601 = (y: number, u: number, v: number): number[] => {
    const luma = (255 / 219) * (y - 16);
    const all = [luma + 1.596 * (v - 128), luma - 0.391 * (u - 128) - 0.813 * (v - 128), luma + 2.018 * (u - 128)];
    return all.map((value) => Math.max(0, Math.min(255, Math.round(value))));
  };

  const near = (seen: number[], wanted: number[]) => seen.every((value, i) => Math.abs(value - wanted[i]!) <= 1);

  /** Luma and chroma that differ everywhere. */
  function film(bench: Bench, tiling: Tiling, control: number): { at: (x: number, y: number) => number[] } {
    const luma = (x: number, y: number) => 16 + ((x * 3 + y * 7) % 220);
    const cb = (x: number, y: number) => 16 + ((x * 5 + y) % 220);
    const cr = (x: number, y: number) => 16 + ((x + y * 11) % 220);
    for (let y = 0; y < HEIGHT; y++) {
      for (let x = 0; x < WIDTH; x++) poke(bench, offsetOf(tiling, x, y, 1), luma(x, y));
    }
    for (let y = 0; y < HEIGHT / 2; y++) {
      for (let x = 0; x < WIDTH / 2; x++) {
        poke(bench, OTHER + offsetOf(tiling, x * 2, y, 2), cb(x, y));
        poke(bench, OTHER + offsetOf(tiling, x * 2 + 1, y, 2), cr(x, y));
      }
    }
    bench.write(0x701c0, OTHER | (PITCH / tiling.unit(2)));
    show(bench, (1 << 24) | (tiling.hardware << 10) | control, PITCH / tiling.unit(1));
    return { at: (x, y) => bt601(luma(x, y), cb(x >> 1, y >> 1), cr(x >> 1, y >> 1)) };
  }

  it.each(TILINGS.map((tiling) => ({ tiling, name: tiling.name })))('has its colours, $name', ({ tiling }) => {
    const bench = lit();
    const { at } = film(bench, tiling, 0);
    const seen = pixels(bench);
    for (let y = 0; y < HEIGHT; y += 3) for (let x = 0; x < WIDTH; x++) expect(near(seen(x, y), at(x, y))).toBe(true);
  });

  it('has them upside down too, and where a plane begins within it', () => {
    const bench = lit();
    const { at } = film(bench, TILINGS[2], 2);
    const turned = pixels(bench);
    for (let x = 0; x < WIDTH; x++) expect(near(turned(x, 5), at(WIDTH - 1 - x, HEIGHT - 1 - 5))).toBe(true);
    bench.write(0x701a4, (8 << 16) | 20);
    bench.write(0x701c4, (4 << 16) | 10);
    show(bench, (1 << 24) | (4 << 10), PITCH / 128, { width: 100, height: 40 });
    const part = pixels(bench);
    for (let x = 0; x < 100; x++) expect(near(part(x, 3), at(x + 20, 11))).toBe(true);
    expect(part(100, 3)).toEqual([0, 0, 0]);
  });

  it('is black where the guest mapped nothing', () => {
    const bench = lit();
    film(bench, TILINGS[0], 0);
    bench.ram.ggtt.clear();
    expect(pixels(bench)(7, 7)).toEqual([0, 0, 0]);
  });
});

describe('planes over the primary one', () => {
  /** Fills 32-bit pixels of a linear surface. */
  function fill(bench: Bench, surface: number, argb: number, count = 64, rows = 8): void {
    const bytes = [argb & 0xff, (argb >>> 8) & 0xff, (argb >>> 16) & 0xff, argb >>> 24];
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < count; x++) poke(bench, surface + y * PITCH + x * 4, ...bytes);
    }
  }

  it('cover it where they lie, the higher one on top', () => {
    const bench = lit();
    fill(bench, 0, 0x00102030);
    fill(bench, OTHER, 0x00ff0000);
    fill(bench, 2 * OTHER, 0x0000ff00);
    show(bench, 4 << 24, PITCH / 64);
    show(bench, 4 << 24, PITCH / 64, { plane: 1, x: 8, y: 2, width: 8, height: 4, surface: OTHER });
    show(bench, 4 << 24, PITCH / 64, { plane: 2, x: 12, y: 3, width: 8, height: 1, surface: 2 * OTHER });
    const at = pixels(bench);
    expect([at(7, 2), at(8, 1), at(16, 2)]).toEqual([0, 1, 2].map(() => [0x10, 0x20, 0x30]));
    expect([at(8, 2), at(15, 5), at(12, 4)]).toEqual([0, 1, 2].map(() => [255, 0, 0]));
    expect([at(12, 3), at(19, 3)]).toEqual([0, 1].map(() => [0, 255, 0]));
  });

  it.each([
    ['not at all', 0, [0x80, 0x40, 0x20]],
    [
      'by colours that were multiplied before',
      2,
      [0x80 + 0x80, 0x40 + 0x80, 0x20 + 0x80].map((value) => Math.min(255, value - 1)),
    ],
    ['by colours that were not', 3, [0x40 + 0x7f, 0x20 + 0x7f, 0x10 + 0x7f]],
  ] as const)('are blended %s', (_how, alpha, expected) => {
    const bench = lit();
    fill(bench, 0, 0x00ffffff);
    fill(bench, OTHER, 0x80804020);
    show(bench, 4 << 24, PITCH / 64);
    show(bench, (4 << 24) | (alpha << 4), PITCH / 64, { plane: 1, width: 8, height: 8, surface: OTHER });
    const seen = pixels(bench)(1, 1);
    seen.forEach((value, i) => {
      expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(1);
    });
  });

  it('that reach past the edge end there, and one that is off the screen is not seen', () => {
    const bench = lit();
    fill(bench, OTHER, 0x00ff0000);
    show(bench, 4 << 24, PITCH / 64, { plane: 1, x: WIDTH - 2, y: HEIGHT - 1, width: 64, height: 8, surface: OTHER });
    const at = pixels(bench);
    expect([at(WIDTH - 3, HEIGHT - 1), at(WIDTH - 2, HEIGHT - 1), at(0, 0)]).toEqual([
      [0, 0, 0],
      [255, 0, 0],
      [0, 0, 0],
    ]);
    show(bench, 4 << 24, PITCH / 64, { plane: 1, x: 8000, y: 8000, surface: OTHER });
    expect(pixels(bench)(WIDTH - 2, HEIGHT - 1)).toEqual([0, 0, 0]);
  });

  it('that cannot be shown leave the rest as it is', () => {
    const bench = lit();
    fill(bench, 0, 0x00102030);
    show(bench, 4 << 24, PITCH / 64);
    for (const control of [10 << 24, (4 << 24) | 1, (4 << 24) | (3 << 10)]) {
      show(bench, control, PITCH / 64, { plane: 1, surface: OTHER });
      expect(pixels(bench)(1, 1)).toEqual([0x10, 0x20, 0x30]);
    }
  });

  it.each([
    ['XRGB8888', 2 << 25, [0x33, 0x22, 0x11, 0], [0x11, 0x22, 0x33]],
    ['XBGR8888', (2 << 25) | (1 << 20), [0x11, 0x22, 0x33, 0], [0x11, 0x22, 0x33]],
    ['XBGR16F', (3 << 25) | (1 << 20), bytesOf(half(1), half(0), half(0.5), 0), [255, 0, 128]],
    ['YUYV', 0, [235, 128, 16, 128], [255, 255, 255]],
    ['UYVY', 1 << 16, [128, 235, 128, 16], [255, 255, 255]],
  ] as const)('are the sprite on Broadwell: %s', (_name, control, bytes, expected) => {
    const bench = lit(BDW);
    poke(bench, OTHER, ...bytes);
    show(bench, control, PITCH, { plane: 1, x: 30, y: 20, width: 2, height: 1, surface: OTHER });
    const at = pixels(bench);
    expect(at(30, 20)).toEqual(expected);
    expect(at(29, 20)).toEqual([0, 0, 0]);
  });

  it.each([
    ['YUYV', 0, [100, 128, 200, 128], [100, 100, 100], [98, 98, 98]],
    ['XYUV', 8 << 24, [255, 128, 76, 0], [254, 0, 76], [255, 0, 70]],
    ['XYUV of BT.709', (8 << 24) | (1 << 18), [255, 128, 54, 0], [254, 0, 54], [255, 0, 44]],
  ] as const)('may be %s of full range, or of limited', (_name, control, bytes, full, limited) => {
    const bench = lit();
    poke(bench, 0, ...bytes);
    show(bench, (control | (1 << 28)) >>> 0, PITCH / 64);
    expect(pixels(bench)(0, 0)).toEqual(full);
    show(bench, control, PITCH / 64);
    expect(pixels(bench)(0, 0)).toEqual(limited);
  });

  it.each([
    ['Gen9', SKL, 4 << 24, PITCH / 64],
    ['Broadwell', BDW, 6 << 26, PITCH],
  ] as const)('are corrected by the palette on %s where they say so', (_name, platform, control, pitch) => {
    const bench = lit(platform);
    fill(bench, 0, 0x00102030);
    show(bench, control, pitch);
    for (let level = 0; level < 256; level++) {
      bench.write(0x4a000 + 4 * level, (level << 16) | ((255 - level) << 8) | (level >> 1));
    }
    expect(pixels(bench)(1, 1)).toEqual([0x10, 0x20, 0x30]);
    show(bench, control | (1 << 30), pitch);
    expect(pixels(bench)(1, 1)).toEqual([0x10, 0xdf, 0x18]);
    bench.write(0x4a480, 2);
    expect(pixels(bench)(1, 1)).toEqual([0x10, 0x20, 0x30]);
  });

  it.each([
    ['opaque', 0, 0x00ff8000, [0x96, 0x56, 0x15]],
    ['premultiplied', 2, 0x80804000, [0x53, 0x3b, 0x22]],
    ['straight', 3, 0x80ff8000, [0x53, 0x3b, 0x22]],
  ] as const)(
    'that are %s are seen through as far as the alpha of the whole plane says',
    (_name, blend, pixel, expected) => {
      const bench = lit();
      fill(bench, 0, 0x00102030);
      show(bench, 4 << 24, PITCH / 64);
      fill(bench, OTHER, pixel);
      bench.write(0x702a0, 0x8f000000);
      bench.write(0x70298, 0x80000000);
      show(bench, (4 << 24) | (blend << 4), PITCH / 64, { plane: 1, surface: OTHER });
      pixels(bench)(1, 1).forEach((level, i) => {
        expect(Math.abs(level - expected[i]!)).toBeLessThan(2);
      });
      bench.write(0x70298, 0);
      show(bench, (4 << 24) | (blend << 4), PITCH / 64, { plane: 1, surface: OTHER });
      expect(pixels(bench)(1, 1)).not.toEqual(expected);
    },
  );

  it('that lie lowest are over black: straight alpha darkens them, premultiplied changes nothing', () => {
    const bench = lit();
    fill(bench, 0, 0x40804020);
    show(bench, (4 << 24) | (2 << 4), PITCH / 64);
    expect(pixels(bench)(1, 1)).toEqual([0x80, 0x40, 0x20]);
    show(bench, (4 << 24) | (3 << 4), PITCH / 64);
    expect(pixels(bench)(1, 1)).toEqual([0x20, 0x10, 0x08]);
    bench.write(0x701a0, 0x80000000);
    bench.write(0x70198, 0x80000000);
    show(bench, (4 << 24) | (2 << 4), PITCH / 64);
    expect(pixels(bench)(1, 1)).toEqual([0x40, 0x20, 0x10]);
  });

  it('are mixed by the matrix, before the palette or behind it', () => {
    const bench = lit();
    fill(bench, 0, 0x00ff8000);
    show(bench, (4 << 24) | (1 << 23) | (1 << 30), PITCH / 64);
    for (let level = 0; level < 256; level++) bench.write(0x4a000 + 4 * level, (255 - level) * 0x010101);
    // red becomes a half of green and a quarter of the other way, green twice blue and red, blue nothing
    const [half, quarter, one, two] = [0x0800, 0x1800, 0x7800, 0x6800];
    bench.write(0x49010, (0x8000 | quarter) * 0x10000 + half);
    bench.write(0x49014, 0);
    bench.write(0x49018, one * 0x10000);
    bench.write(0x4901c, two * 0x10000);
    expect(pixels(bench)(1, 1)).toEqual([0x40, 255, 0]);
    bench.write(0x49028, 2);
    expect(pixels(bench)(1, 1)).toEqual([255, 0, 255]);
    show(bench, (4 << 24) | (1 << 23), PITCH / 64);
    expect(pixels(bench)(1, 1)).toEqual([0, 255, 0]);
  });

  it('are as bright as the monitor makes them where the matrix is for a limited range', () => {
    const bench = lit();
    fill(bench, 0, 0x00ff8000);
    show(bench, (4 << 24) | (1 << 23), PITCH / 64);
    // 219 of 255
    const limited = 0x0dc0;
    bench.write(0x49010, limited * 0x10000);
    bench.write(0x49018, limited);
    bench.write(0x49024, limited * 0x10000);
    for (const offset of [0x49040, 0x49044, 0x49048]) bench.write(offset, 257);
    expect(pixels(bench)(1, 1)).toEqual([255, 128, 0]);
  });

  it('are corrected by the fine palette, which is read back as it was written', () => {
    const bench = lit();
    fill(bench, 0, 0x00ff2000);
    show(bench, (4 << 24) | (1 << 30), PITCH / 64);
    const entry = (i: number): number => ((1023 - i) << 20) | (i << 10) | (i >> 1);
    bench.write(0x4a400, 0x8000);
    for (let i = 0; i < 1024; i++) bench.write(0x4a404, entry(i));
    bench.write(0x4a400, 0x8000 | 5);
    expect([bench.read(0x4a404), bench.read(0x4a404)]).toEqual([entry(5), entry(6)]);
    bench.write(0x4a400, 9);
    expect([bench.read(0x4a404), bench.read(0x4a404), bench.read(0x4ac04)]).toEqual([entry(9), entry(9), 0]);
    bench.write(0x4a480, 1);
    expect(pixels(bench)(1, 1)).toEqual([0, 0x20, 0]);
    // the one half inverts, the other halves
    bench.write(0x4a400, 0x8000);
    for (let i = 0; i < 512; i++) bench.write(0x4a404, (1023 - 2 * i) * 0x100401);
    for (let i = 0; i < 512; i++) bench.write(0x4a404, i * 0x100401);
    bench.write(0x4a480, 3);
    expect(pixels(bench)(1, 1)).toEqual([0, 0x6f, 0x7f]);
    const saved = bench.display.save();
    bench.display.palettes.reset();
    expect(pixels(bench)(1, 1)).toEqual([0, 0, 0]);
    bench.display.restore(saved);
    expect(pixels(bench)(1, 1)).toEqual([0, 0x6f, 0x7f]);
  });

  it('can be taken whatever the guest programs', () => {
    const bench = lit();
    const dword = fc.integer({ min: 0, max: 0xffffffff });
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 0xbf }), dword), { maxLength: 40 }), (writes) => {
        for (const [index, value] of writes) bench.write(0x70180 + index * 4, value);
        for (const plane of [0, 0x100, 0x200])
          bench.write(0x70180 + plane, (bench.read(0x70180 + plane) | 0x80000000) >>> 0);
        const screen = bench.display.capture(bench.ram);
        if (screen !== null) expect(screen.rgba.length).toBe(WIDTH * HEIGHT * 4);
      }),
      { numRuns: 100 },
    );
  });
});
