import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_COST } from '../../src/gpu/index.js';
import { CMD } from '../../src/hw/commands/index.js';
import { BCS } from '../../src/hw/index.js';
import { surfaceOffset, TILE_LINEAR, TILE_X, TILE_Y, TILE_YF, type Tiling } from '../../src/hw/tiling.js';
import { Context, Driver, hi, lo, loadRegister, Ppgtt, type TestMemory } from './driver.js';

const FIRST = 0x1234_0000_0000;
const SECOND = 0x1235_0000_0000;
const SURFACE_PAGES = 64;
const SWCTRL = 0x22200;

/** A blitter, and two surfaces whose pages lie backwards in the guest's memory, so that no run of bytes crosses a page. */
class Canvas {
  readonly driver = new Driver();
  readonly memory: TestMemory;
  readonly space: Ppgtt;
  readonly context: Context;
  constructor() {
    const { driver } = this;
    this.memory = driver.memoryOf(1, 2 * SURFACE_PAGES);
    this.space = new Ppgtt(driver, 1);
    const base = driver.gpu.frameBase(1);
    for (let i = 0; i < 2 * SURFACE_PAGES; i++)
      this.space.map(
        (i < SURFACE_PAGES ? FIRST : SECOND - SURFACE_PAGES * 4096) + i * 4096,
        base + 2 * SURFACE_PAGES - 1 - i,
      );
    this.context = new Context(driver, BCS, 1, this.space);
  }
  run(...commands: number[]): void {
    this.driver.submit(BCS, this.context.emit(...commands));
    this.driver.run(20_000_000);
  }
  /** Contents of a surface, in the order of graphics addresses. */
  bytes(which: 0 | 1): Uint8Array {
    const all = new Uint8Array(this.memory.words.buffer);
    const out = new Uint8Array(SURFACE_PAGES * 4096);
    for (let i = 0; i < SURFACE_PAGES; i++) {
      const page = 2 * SURFACE_PAGES - 1 - (which * SURFACE_PAGES + i);
      out.set(all.subarray(page * 4096, page * 4096 + 4096), i * 4096);
    }
    return out;
  }
  noise(): void {
    let seed = 1;
    const { words } = this.memory;
    for (let i = 0; i < words.length; i++) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      words[i] = seed;
    }
  }
}

const at = (x: number, y: number): number => ((y << 16) | (x & 0xffff)) >>> 0;

/** Size of a test surface: 512 bytes by 64 rows, a whole number of tiles in every tiling. */
const WIDTH = 512;
const ROWS = 64;
const pitchCode = (tiling: Tiling): number => (tiling === TILE_LINEAR ? WIDTH : WIDTH / 4);

function offsetOf(tiling: Tiling, bytesPerPixel: number, x: number, y: number): number {
  return surfaceOffset(tiling, x * bytesPerPixel, y, WIDTH, bytesPerPixel);
}

interface Copy {
  readonly toTiling: Tiling;
  readonly fromTiling: Tiling;
  readonly bytesPerPixel: number;
  readonly x1: number;
  readonly y1: number;
  readonly width: number;
  readonly height: number;
  readonly fromX: number;
  readonly fromY: number;
}

/** What a copy should leave, a byte at a time. */
function slowCopy(to: Uint8Array, from: Uint8Array, copy: Copy): Uint8Array {
  const out = to.slice();
  for (let y = 0; y < copy.height; y++)
    for (let x = 0; x < copy.width; x++)
      for (let byte = 0; byte < copy.bytesPerPixel; byte++) {
        const source = offsetOf(copy.fromTiling, copy.bytesPerPixel, copy.fromX + x, copy.fromY + y);
        out[offsetOf(copy.toTiling, copy.bytesPerPixel, copy.x1 + x, copy.y1 + y) + byte] = from[source + byte]!;
      }
  return out;
}

const anyCopy = (tilings: readonly Tiling[], depths: readonly number[]): fc.Arbitrary<Copy> =>
  fc.constantFrom(...depths).chain((bytesPerPixel) => {
    const columns = WIDTH / bytesPerPixel;
    return fc
      .record({
        toTiling: fc.constantFrom(...tilings),
        fromTiling: fc.constantFrom(...tilings),
        x1: fc.nat(columns - 1),
        y1: fc.nat(ROWS - 1),
        fromX: fc.nat(columns - 1),
        fromY: fc.nat(ROWS - 1),
        width: fc.integer({ min: 1, max: columns }),
        height: fc.integer({ min: 1, max: ROWS }),
      })
      .map((copy) => ({
        ...copy,
        bytesPerPixel,
        width: Math.min(copy.width, columns - copy.x1, columns - copy.fromX),
        height: Math.min(copy.height, ROWS - copy.y1, ROWS - copy.fromY),
      }));
  });

const DEPTH_CODE: Readonly<Record<number, number>> = { 1: 0, 2: 1, 4: 3 };
const FAST_DEPTH_CODE: Readonly<Record<number, number>> = { 1: 0, 2: 1, 4: 3, 8: 4, 16: 5 };
const ALL_CHANNELS = 3 << 20;
const code = (table: Readonly<Record<number, number>>, bytesPerPixel: number): number => table[bytesPerPixel]!;

function srcCopy(copy: Copy, to: number, from: number): number[] {
  const sourceY = copy.fromTiling === TILE_Y ? 1 : 0;
  const destinationY = copy.toTiling === TILE_Y ? 2 : 0;
  const tiled = (copy.fromTiling === TILE_LINEAR ? 0 : 1 << 15) | (copy.toTiling === TILE_LINEAR ? 0 : 1 << 11);
  return [
    ...loadRegister(SWCTRL, (3 << 16) | sourceY | destinationY),
    CMD.XY_SRC_COPY_BLT | ALL_CHANNELS | tiled | 8,
    (code(DEPTH_CODE, copy.bytesPerPixel) << 24) | (0xcc << 16) | pitchCode(copy.toTiling),
    at(copy.x1, copy.y1),
    at(copy.x1 + copy.width, copy.y1 + copy.height),
    lo(to),
    hi(to),
    at(copy.fromX, copy.fromY),
    pitchCode(copy.fromTiling),
    lo(from),
    hi(from),
  ];
}

function fastCopy(copy: Copy, to: number, from: number): number[] {
  const tiling = (value: Tiling): number => Math.min(value, 2);
  const yf = (copy.fromTiling === TILE_YF ? 0x80000000 : 0) | (copy.toTiling === TILE_YF ? 0x40000000 : 0);
  return [
    (CMD.XY_FAST_COPY_BLT | (tiling(copy.fromTiling) << 20) | (tiling(copy.toTiling) << 13) | 8) >>> 0,
    (yf | (code(FAST_DEPTH_CODE, copy.bytesPerPixel) << 24) | pitchCode(copy.toTiling)) >>> 0,
    at(copy.x1, copy.y1),
    at(copy.x1 + copy.width, copy.y1 + copy.height),
    lo(to),
    hi(to),
    at(copy.fromX, copy.fromY),
    pitchCode(copy.fromTiling),
    lo(from),
    hi(from),
  ];
}

describe('copies between surfaces leave what a pixel by pixel copy leaves', () => {
  const canvas = new Canvas();
  const check = (copy: Copy, commands: (copy: Copy, to: number, from: number) => number[]): void => {
    canvas.noise();
    const expected = slowCopy(canvas.bytes(0), canvas.bytes(1), copy);
    const untouched = canvas.bytes(1);
    canvas.run(...commands(copy, FIRST, SECOND));
    expect(Buffer.compare(canvas.bytes(0), expected)).toBe(0);
    expect(Buffer.compare(canvas.bytes(1), untouched)).toBe(0);
  };

  it('XY_SRC_COPY_BLT: linear, X, Y; 8, 16, 32 bit', () => {
    fc.assert(
      fc.property(anyCopy([TILE_LINEAR, TILE_X, TILE_Y], [1, 2, 4]), (copy) => check(copy, srcCopy)),
      { numRuns: 60 },
    );
  });

  it('XY_FAST_COPY_BLT: also Yf; 8 to 128 bit', () => {
    const tilings = [TILE_LINEAR, TILE_X, TILE_Y, TILE_YF] as const;
    fc.assert(
      fc.property(anyCopy(tilings, [1, 2, 4, 8, 16]), (copy) => check(copy, fastCopy)),
      { numRuns: 60 },
    );
  });

  it('XY_SRC_COPY_BLT within one surface, overlapping', () => {
    const sameTiling = anyCopy([TILE_LINEAR, TILE_X, TILE_Y], [1, 4]).map((copy) => ({
      ...copy,
      fromTiling: copy.toTiling,
    }));
    fc.assert(
      fc.property(sameTiling, (copy) => {
        canvas.noise();
        const expected = slowCopy(canvas.bytes(0), canvas.bytes(0), copy);
        canvas.run(...srcCopy(copy, FIRST, FIRST));
        expect(Buffer.compare(canvas.bytes(0), expected)).toBe(0);
      }),
      { numRuns: 40 },
    );
    expect(canvas.driver.gpu.oracle.violations).toBe(0);
    expect(canvas.driver.gpu.counters.faults).toBe(0);
  });
});

describe('fills', () => {
  const fill = (
    bytesPerPixel: number,
    tiling: Tiling,
    area: readonly number[],
    colour: number,
    channels = ALL_CHANNELS,
    control = 0,
  ) => [
    CMD.XY_COLOR_BLT | channels | (tiling === TILE_LINEAR ? 0 : 1 << 11) | 5,
    (code(DEPTH_CODE, bytesPerPixel) << 24) | (0xf0 << 16) | pitchCode(tiling) | control,
    at(area[0]!, area[1]!),
    at(area[2]!, area[3]!),
    lo(FIRST),
    hi(FIRST),
    colour,
  ];

  it.each([1, 2, 4])('of %i bytes a pixel cover the rectangle and nothing else', (bytesPerPixel) => {
    for (const tiling of [TILE_LINEAR, TILE_X] as const) {
      const canvas = new Canvas();
      canvas.run(...fill(bytesPerPixel, tiling, [3, 5, 50, 20], 0x44332211));
      const expected = new Uint8Array(SURFACE_PAGES * 4096);
      for (let y = 5; y < 20; y++)
        for (let x = 3; x < 50; x++)
          for (let byte = 0; byte < bytesPerPixel; byte++)
            expected[offsetOf(tiling, bytesPerPixel, x, y) + byte] = 0x11 * (byte + 1);
      expect(Buffer.compare(canvas.bytes(0), expected)).toBe(0);
    }
  });

  it('write only the channels that are enabled', () => {
    const canvas = new Canvas();
    canvas.memory.words.fill(0x01020304);
    canvas.run(
      ...fill(4, TILE_LINEAR, [0, 0, 2, 1], 0xa0b0c0d0, 1 << 20),
      ...fill(4, TILE_LINEAR, [1, 0, 3, 1], 0xa0b0c0d0, 1 << 21),
    );
    expect([...new Uint32Array(canvas.bytes(0).buffer, 0, 4)]).toEqual([
      0x01b0c0d0, 0xa0b0c0d0, 0xa0020304, 0x01020304,
    ]);
  });

  it('stay within the clip rectangle when asked to', () => {
    const canvas = new Canvas();
    const clip = [0x40c00001, at(2, 1), at(4, 3)];
    canvas.run(...clip, ...fill(4, TILE_LINEAR, [0, 0, 10, 10], 7, ALL_CHANNELS, 1 << 30));
    const words = new Uint32Array(canvas.bytes(0).buffer);
    const set = [...words.keys()].filter((index) => words[index] === 7);
    expect(set).toEqual([128 + 2, 128 + 3, 256 + 2, 256 + 3]);
  });

  it('with a raster operation that the model does not have are counted, not done', () => {
    const canvas = new Canvas();
    const command = fill(4, TILE_LINEAR, [0, 0, 4, 4], 7);
    command[1] = (command[1]! & ~(0xff << 16)) | (0x5a << 16);
    canvas.run(...command);
    expect(canvas.bytes(0).every((byte) => byte === 0)).toBe(true);
    expect(canvas.driver.gpu.counters.unsupportedCommands).toBe(1);
    expect(canvas.driver.events(BCS)).toHaveLength(2);
  });

  it('of nothing do nothing', () => {
    const canvas = new Canvas();
    canvas.run(...fill(4, TILE_LINEAR, [4, 4, 4, 9], 7), ...fill(4, TILE_LINEAR, [9, 4, 4, 9], 7));
    expect(canvas.bytes(0).every((byte) => byte === 0)).toBe(true);
    expect(canvas.driver.events(BCS)).toHaveLength(2);
  });

  it('take as long as they move bytes, and can be reset away in the middle', () => {
    const canvas = new Canvas();
    const rows = 32_767;
    // Every row is the same row: pitch 0.
    const command = fill(4, TILE_LINEAR, [0, 0, 4096, rows], 7);
    command[1] = command[1]! & ~0xffff;
    canvas.driver.submit(BCS, canvas.context.emit(...command));
    const price = (rows * 4096 * 4) / DEFAULT_COST.blitBytesPerNs;
    canvas.driver.run(price / 2);
    expect(canvas.driver.events(BCS)).toHaveLength(1);
    canvas.driver.gpu.write32(0x941c, 1 << 3);
    canvas.driver.startEngine(BCS);
    canvas.driver.submit(BCS, new Context(canvas.driver, BCS, 1).emit(CMD.MI_ARB_CHECK));
    canvas.driver.run(100_000);
    expect(canvas.driver.events(BCS)).toHaveLength(2);
  });
});
