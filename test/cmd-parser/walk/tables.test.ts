/** The tables that a walk fills, at their edges: the first address, the places where they grow, the slots that are shared. */
import { describe, expect, it } from 'vitest';
import { TRACE_BUDGET_JUMPS } from '../../../src/cmd-parser/index.js';
import { JumpMemory } from '../../../src/cmd-parser/jumps.js';
import { Segments } from '../../../src/cmd-parser/types.js';
import { WrittenDwords } from '../../../src/cmd-parser/written.js';

const PAGE = 4096;

describe('dwords that a stream stored', () => {
  it.each([
    [0, 4],
    [4, 0],
  ])('at %i and then at %i are found by the lower address', (first, second) => {
    const written = new WrittenDwords();
    written.store(first, 1);
    written.store(second, 2);
    expect(written.firstWithin(0, 8)).toBe(0);
    expect(written.firstWithin(4, 8)).toBe(4);
    expect(written.firstWithin(0, 4)).toBe(0);
    expect(written.firstWithin(8, PAGE)).toBe(-1);
  });
  it('are found on the last page of the bounds, which they end with', () => {
    const written = new WrittenDwords();
    written.store(7 * PAGE + 4092, 1);
    for (let pages = 1; pages < 8; pages++) {
      expect(written.firstWithin((8 - pages) * PAGE, 8 * PAGE)).toBe(7 * PAGE + 4092);
      expect(written.firstWithin((8 - pages) * PAGE, 8 * PAGE - 4)).toBe(-1);
    }
    expect(written.firstWithin(8 * PAGE, 16 * PAGE)).toBe(-1);
  });
  it('are on no other pages, when there is room for more of them or just was', () => {
    for (const count of [1, 2, 64, 126, 127, 128, 129, 130, 255, 256, 257, 300, 511, 512, 513]) {
      const written = new WrittenDwords();
      for (let i = 0; i < count; i++) written.store(5 * PAGE + i * 4, i);
      expect([count, written.touchesPage(0), written.touchesPage(4), written.touchesPage(6)]).toEqual([
        count,
        false,
        false,
        false,
      ]);
      expect([count, written.count, written.firstWithin(0, 5 * PAGE)]).toEqual([count, count, -1]);
    }
  });
  it('keep their values while others come, one after the other', () => {
    const written = new WrittenDwords();
    const words = new Uint32Array(1024);
    for (let i = 0; i < 1024; i++) {
      written.store(9 * PAGE + i * 4, i + 1);
      if (i % 64 === 0 || (i & (i - 1)) === 0 || (i & (i + 1)) === 0) {
        words.fill(0);
        written.apply(9, words);
        expect([i, words.findIndex((word, at) => word !== (at <= i ? at + 1 : 0))]).toEqual([i, -1]);
      }
    }
  });
});

describe('jumps that were taken', () => {
  it.each(['from', 'to', 'back'] as const)(
    'differ by where they %s alone, in a table that is full of their like',
    (name) => {
      const memory = new JumpMemory();
      const jump = (i: number) => ({ from: 8, to: 16, back: 24, [name]: 4096 * 5 + i * 4 });
      const repeats = (i: number): boolean => {
        const { from, to, back } = jump(i);
        return memory.repeats(from, to, back);
      };
      const all = Array.from({ length: TRACE_BUDGET_JUMPS + 1 }, (_, i) => i);
      expect(all.filter(repeats)).toEqual([]);
      expect(all.every(repeats)).toBe(true);
      expect(memory.count).toBe(TRACE_BUDGET_JUMPS + 1);
    },
  );
  it.each(['from', 'to', 'back'] as const)('differ by where they %s alone, also where many share a slot', (name) => {
    const memory = new JumpMemory();
    // squares of fewer than half the prime's numbers: scattered, and no two alike
    const jump = (i: number) => ({ from: 8, to: 16, back: 24, [name]: PAGE + ((i * i) % 65521) * 4 });
    const repeats = (i: number): boolean => {
      const { from, to, back } = jump(i);
      return memory.repeats(from, to, back);
    };
    const all = Array.from({ length: TRACE_BUDGET_JUMPS + 1 }, (_, i) => i);
    expect(all.filter(repeats)).toEqual([]);
    expect(all.every(repeats)).toBe(true);
  });
  it('are none in a memory that is new', () => {
    expect(new JumpMemory().count).toBe(0);
  });
});

it('segments of a scan are nothing of the scan before', () => {
  const segments = new Segments();
  segments.add(1, 2, 'primary');
  segments.add(3, 4, 'second_level');
  segments.clear();
  segments.add(5, 6, 'chain');
  expect([...segments]).toEqual([{ start: 5, end: 6, kind: 'chain' }]);
});
