/** What a stream has stored, against a plain map of it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WrittenDwords } from '../../../src/cmd-parser/written.js';

const PAGE = 4096;
const PAGE_DWORDS = 1024;
const seed = Number(process.env.XENGT_TEST_SEED ?? 1);

/** Pages near each other, far apart, and alike in their lower 32 bits; few dwords of each, so that some come again. */
const page = fc.oneof(
  fc.integer({ min: 0, max: 3 }),
  fc.integer({ min: 0, max: 3 }).map((upper) => upper * 0x10_0000 + 5),
  fc.integer({ min: 0, max: 2 ** 36 - 1 }),
);
const address = fc.tuple(page, fc.oneof(fc.constantFrom(0, 1, 1022, 1023), fc.integer({ min: 0, max: 1023 })));
const addressIn = ([number, dword]: readonly [number, number]): number => number * PAGE + dword * 4;
const value = fc.integer({ min: 0, max: 0xffffffff });
const stores = fc.array(fc.tuple(address, value), { maxLength: 200 });

/** The oracle: the last value at each address. */
function both(pairs: readonly (readonly [readonly [number, number], number])[]) {
  const written = new WrittenDwords();
  const oracle = new Map<number, number>();
  for (const [where, what] of pairs) {
    written.store(addressIn(where), what);
    oracle.set(addressIn(where), what);
  }
  return { written, oracle };
}

function pageOf(oracle: ReadonlyMap<number, number>, number: number, background: number): Uint32Array {
  const words = new Uint32Array(PAGE_DWORDS).fill(background);
  for (const [at, what] of oracle) if (Math.floor(at / PAGE) === number) words[(at % PAGE) / 4] = what;
  return words;
}

function applied(written: WrittenDwords, number: number, background: number): Uint32Array {
  const words = new Uint32Array(PAGE_DWORDS).fill(background);
  if (written.touchesPage(number)) written.apply(number, words);
  return words;
}

/** Of two pages; to compare them as lists takes a hundred times as long. */
const same = (a: Uint32Array, b: Uint32Array): boolean =>
  Buffer.compare(Buffer.from(a.buffer), Buffer.from(b.buffer)) === 0;

describe('dwords that a stream stored', () => {
  it('are on each page what was stored there last, and nothing else changes', () => {
    fc.assert(
      fc.property(stores, page, (pairs, other) => {
        const { written, oracle } = both(pairs);
        expect(written.count).toBe(oracle.size);
        const pages = new Set(pairs.map(([[number]]) => number));
        expect([...pages].every((number) => written.touchesPage(number))).toBe(true);
        for (const number of [...pages].slice(0, 8)) {
          expect(same(applied(written, number, 0xabcdef01), pageOf(oracle, number, 0xabcdef01))).toBe(true);
        }
        expect(written.touchesPage(other)).toBe(pages.has(other));
      }),
      { numRuns: 60, seed },
    );
  });

  it('are found by the lowest address within any bounds', () => {
    fc.assert(
      fc.property(
        stores,
        address,
        fc.integer({ min: 1, max: 3 * PAGE_DWORDS }),
        fc.nat(199),
        (pairs, where, dwords, which) => {
          const { written, oracle } = both(pairs);
          // bounds from anywhere, and close around something that was stored
          const near = pairs.length === 0 ? where : pairs[which % pairs.length]![0];
          for (const [from, end] of [
            [addressIn(where), addressIn(where) + dwords * 4],
            [addressIn(near), addressIn(near) + 4],
            [addressIn(near) + 4, addressIn(near) + dwords * 4 + 4],
            [Math.max(0, addressIn(near) - dwords * 4), addressIn(near)],
            [Math.max(0, addressIn(near) - dwords * 4), addressIn(near) + 4],
          ] as const) {
            const inside = [...oracle.keys()].filter((at) => at >= from && at < end);
            expect(written.firstWithin(from, end)).toBe(inside.length === 0 ? -1 : Math.min(...inside));
          }
        },
      ),
      { numRuns: 60, seed },
    );
  });

  it('are none before the first and after clearing', () => {
    const { written } = both([]);
    const none = (): void => {
      expect(written.count).toBe(0);
      expect(written.touchesPage(0)).toBe(false);
      expect(written.touchesPage(7)).toBe(false);
      expect(written.firstWithin(0, 2 ** 40)).toBe(-1);
      expect(applied(written, 7, 3)).toEqual(new Uint32Array(PAGE_DWORDS).fill(3));
    };
    none();
    written.clear();
    none();
    written.store(7 * PAGE, 1);
    expect(written.touchesPage(7)).toBe(true);
    written.clear();
    none();
    written.store(7 * PAGE + 4, 2);
    expect(written.count).toBe(1);
    expect([...applied(written, 7, 3).subarray(0, 3)]).toEqual([3, 2, 3]);
    expect(written.firstWithin(7 * PAGE, 8 * PAGE)).toBe(7 * PAGE + 4);
  });

  it.each([127, 128, 129, 255, 256, 257, 2000])('are all kept when there are %i of them', (count) => {
    // in an order that is not that of their addresses, on as many pages as fit
    const pairs = Array.from({ length: count }, (_, i): [[number, number], number] => [
      [(i * 7) % 13, (i * 389) % PAGE_DWORDS],
      i + 1,
    ]);
    const { written, oracle } = both(pairs);
    expect(written.count).toBe(oracle.size);
    for (let number = 0; number < 14; number++) {
      expect(written.touchesPage(number)).toBe(number < 13);
      expect(same(applied(written, number, 0), pageOf(oracle, number, 0))).toBe(true);
    }
    written.clear();
    expect(written.firstWithin(0, 14 * PAGE)).toBe(-1);
  });

  it('are told apart by every bit of their address', () => {
    const written = new WrittenDwords();
    const base = 0x1234_5678_9000;
    written.store(base, 1);
    for (let bit = 2; bit < 48; bit++) {
      const near = Math.floor(base / 2 ** bit) % 2 === 0 ? base + 2 ** bit : base - 2 ** bit;
      expect([bit, written.firstWithin(near, near + 4)]).toEqual([bit, -1]);
      if (bit >= 12) expect([bit, written.touchesPage(Math.floor(near / PAGE))]).toEqual([bit, false]);
    }
    expect(written.firstWithin(base, base + 4)).toBe(base);
  });

  it('that are many are stored in time that grows no faster than they do', () => {
    // one chain of a full table would take minutes
    const written = new WrittenDwords();
    for (let i = 0; i < 10_000; i++) written.store(i * 4, i);
    expect(written.count).toBe(10_000);
    for (let i = 0; i < 10_000; i++) written.store(i * PAGE * 16, i);
    expect(written.count).toBe(20_000 - 1);
  });
});
