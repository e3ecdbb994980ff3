import { expect, test } from 'vitest';
import { XengtError } from '../../src/base/index.js';
import { GgttSlice } from '../../src/gtt/index.js';

const LAYOUT = {
  ranges: [
    { firstPage: 0x100, pages: 16 },
    { firstPage: 0x400, pages: 32 },
  ],
  totalEntries: 0x1000,
};

function slice() {
  const entries: [number, number, number][] = [];
  const ggtt = new GgttSlice(LAYOUT, { setEntry: (page, lo, hi) => entries.push([page, lo, hi]) });
  return { ggtt, entries };
}

test('an entry written by one 8-byte store takes effect at once and reads back', () => {
  const { ggtt, entries } = slice();
  ggtt.write(0x100 * 8, 8, 0x5003, 0x1);
  expect(entries).toEqual([[0x100, 0x5003, 0x1]]);
  expect(ggtt.read(0x100 * 8, 8)).toBe(0x5003);
  expect(ggtt.readHi).toBe(1);
  expect(ggtt.read(0x100 * 8 + 4, 4)).toBe(1);
  expect(ggtt.gfnOf(0x100)).toBe(0x100005);
});

test.each([
  ['low half first', [0, 4]],
  ['high half first', [4, 0]],
])('an entry written by two 4-byte stores takes effect with the second, %s', (_name, order) => {
  const { ggtt, entries } = slice();
  const halves = [0x9001, 0x2];
  const base = 0x41f * 8;
  ggtt.write(base + order[0]!, 4, halves[order[0]! / 4]!, 0);
  expect(entries).toEqual([]);
  expect(ggtt.gfnOf(0x41f)).toBe(-1);
  expect(ggtt.read(base + order[0]!, 4), 'the waiting half reads as written').toBe(halves[order[0]! / 4]!);
  ggtt.write(base + order[1]!, 4, halves[order[1]! / 4]!, 0);
  expect(entries).toEqual([[0x41f, 0x9001, 0x2]]);
});

test('a half written twice counts once, and a whole store overrides a waiting half', () => {
  const { ggtt, entries } = slice();
  ggtt.write(0x101 * 8, 4, 0x1001, 0);
  ggtt.write(0x101 * 8, 4, 0x2001, 0);
  expect(entries).toEqual([]);
  ggtt.write(0x101 * 8, 8, 0x3001, 0);
  ggtt.write(0x101 * 8 + 4, 4, 7, 0);
  expect(entries, 'the half after the whole store waits again').toEqual([[0x101, 0x3001, 0]]);
});

test('entries outside of the own ranges read zero; writes there are dropped and counted', () => {
  const { ggtt, entries } = slice();
  for (const page of [0, 0xff, 0x110, 0x3ff, 0x420, 0xfff]) {
    ggtt.write(page * 8, 8, 0x1003, 0);
    expect(ggtt.read(page * 8, 8)).toBe(0);
    expect(ggtt.gfnOf(page)).toBe(-1);
  }
  expect(entries).toEqual([]);
  expect(ggtt.refused['ggtt-outside']).toBe(6);
});

test('odd widths, misaligned accesses and offsets beyond the table are refused and change nothing', () => {
  const { ggtt, entries } = slice();
  const bad: [number, number][] = [
    [0x800, 1],
    [0x800, 2],
    [0x802, 4],
    [0x804, 8],
    [0x1000 * 8, 8],
    [-8, 8],
  ];
  for (const [offset, bytes] of bad) {
    ggtt.write(offset, bytes, 0xffffffff, 0);
    expect(ggtt.read(offset, bytes)).toBe(0);
  }
  expect(ggtt.refused).toEqual({ 'ggtt-outside': 0, 'ggtt-access': 12 });
  expect(entries).toEqual([]);
  expect(ggtt.read(0x800, 8)).toBe(0);
});

test('an address range is owned only when it lies wholly inside one range', () => {
  const { ggtt } = slice();
  const cases: [number, number, boolean][] = [
    [0x100000, 1, true],
    [0x100000, 0x10000, true],
    [0x100000, 0x10001, false],
    [0xfffff, 2, false],
    [0x10ffff, 1, true],
    [0x110000, 1, false],
    [0x400000, 0x20000, true],
    [0x41ffff, 2, false],
    [0x100000, 0x400000, false],
    [0x100000, 0, false],
    [Number.NaN, 4, false],
    [-4096, 4, false],
  ];
  for (const [gmadr, bytes, owned] of cases) expect(ggtt.ownsRange(gmadr, bytes), `${gmadr}+${bytes}`).toBe(owned);
});

test('reset unmaps what was mapped, and a saved state brings it back with its waiting halves', () => {
  const { ggtt, entries } = slice();
  ggtt.write(0x100 * 8, 8, 0x5003, 0);
  ggtt.write(0x400 * 8, 8, 0x6002, 0); // not present
  ggtt.write(0x401 * 8, 4, 0x7003, 0);
  const saved = ggtt.save();
  entries.length = 0;
  ggtt.invalidateAll();
  expect(entries).toEqual([[0x100, 0, 0]]);
  expect(ggtt.gfnOf(0x100)).toBe(-1);
  entries.length = 0;
  ggtt.restore(saved);
  expect(entries).toEqual([[0x100, 0x5003, 0]]);
  ggtt.write(0x401 * 8 + 4, 4, 1, 0);
  expect(entries.at(-1)).toEqual([0x401, 0x7003, 1]);
  expect(() => ggtt.restore({ ...saved, lo: new Uint32Array(3) })).toThrow(XengtError);
});

test('a layout that overlaps or leaves the table is refused', () => {
  const sink = { setEntry: () => {} };
  const ranges = (...list: [number, number][]) => ({
    ranges: list.map(([firstPage, pages]) => ({ firstPage, pages })),
    totalEntries: 0x1000,
  });
  expect(() => new GgttSlice(ranges([0, 16], [15, 4]), sink)).toThrow(/overlap/);
  expect(() => new GgttSlice(ranges([0xff0, 17]), sink)).toThrow(/outside/);
  expect(() => new GgttSlice(ranges(), sink)).toThrow(/one or two/);
});

test('after guest memory moved, every present entry is sent again', () => {
  const { ggtt, entries } = slice();
  ggtt.write(0x100 * 8, 8, 0x5003, 0);
  ggtt.write(0x41f * 8, 8, 0x6003, 1);
  ggtt.write(0x102 * 8, 8, 0x7002, 0);
  entries.length = 0;
  ggtt.resend();
  expect(entries).toEqual([
    [0x100, 0x5003, 0],
    [0x41f, 0x6003, 1],
  ]);
});
