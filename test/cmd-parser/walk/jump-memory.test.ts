/** Which jumps were taken before, against a plain set of them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TRACE_BUDGET_JUMPS } from '../../../src/cmd-parser/index.js';
import { JumpMemory } from '../../../src/cmd-parser/jumps.js';

const seed = Number(process.env.XENGT_TEST_SEED ?? 1);
/** Few addresses, so that jumps come again and differ in one of the three only. */
const place = fc.oneof(
  fc.integer({ min: 0, max: 3 }).map((page) => page * 4096),
  fc.integer({ min: 0, max: 2 }).map((upper) => upper * 2 ** 32 + 0x1000),
  fc.integer({ min: 0, max: 2 ** 46 - 1 }).map((dword) => dword * 4),
);

describe('jumps that were taken', () => {
  it('are known when they come again with the same way back, and only then', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(place, place, place), { maxLength: 200 }), (jumps) => {
        const memory = new JumpMemory();
        const oracle = new Set<string>();
        for (const jump of jumps) {
          expect(memory.repeats(...jump)).toBe(oracle.has(jump.join()));
          oracle.add(jump.join());
          expect(memory.count).toBe(oracle.size);
        }
      }),
      { numRuns: 100, seed },
    );
  });
  it('differ where only one of their three places does', () => {
    const memory = new JumpMemory();
    expect(memory.repeats(4, 8, 12)).toBe(false);
    expect(memory.repeats(16, 8, 12)).toBe(false);
    expect(memory.repeats(4, 16, 12)).toBe(false);
    expect(memory.repeats(4, 8, 16)).toBe(false);
    expect(memory.count).toBe(4);
    expect(memory.repeats(4, 8, 12)).toBe(true);
    expect(memory.repeats(4, 8, 16)).toBe(true);
    expect(memory.count).toBe(4);
  });
  it('are forgotten when it is cleared', () => {
    const memory = new JumpMemory();
    memory.clear();
    expect(memory.repeats(4096, 8192, 0)).toBe(false);
    expect(memory.repeats(4096, 8192, 0)).toBe(true);
    memory.clear();
    expect(memory.count).toBe(0);
    expect(memory.repeats(4096, 8192, 0)).toBe(false);
    expect(memory.count).toBe(1);
  });
  it('are all remembered up to the budget, and one beyond it', () => {
    const memory = new JumpMemory();
    const jumps = Array.from({ length: TRACE_BUDGET_JUMPS + 1 }, (_, i) => i * 12);
    expect(jumps.some((from) => memory.repeats(from, 4096 * 9, 0))).toBe(false);
    expect(memory.count).toBe(TRACE_BUDGET_JUMPS + 1);
    expect(jumps.every((from) => memory.repeats(from, 4096 * 9, 0))).toBe(true);
  });
  it('that share a slot are remembered beside each other, also around the end', () => {
    // the way back is no part of where they are kept, so these share one slot, wherever it is
    for (let i = 0; i < 8; i++) {
      const memory = new JumpMemory();
      const [from, to] = [i * 0x3000 + 4, i * 0x7000];
      for (let back = 0; back < TRACE_BUDGET_JUMPS; back++) memory.repeats(from, to, back * 4);
      expect(memory.count).toBe(TRACE_BUDGET_JUMPS);
      expect(memory.repeats(from, to, 4 * (TRACE_BUDGET_JUMPS - 1))).toBe(true);
      expect(memory.repeats(from, to, 4 * TRACE_BUDGET_JUMPS)).toBe(false);
    }
  });
});
