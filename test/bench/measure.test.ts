import { describe, expect, test } from 'vitest';
import { compare, type Effort, median, quantile, spreadOf } from '../../bench/measure.js';

const LITTLE: Effort = { rounds: 3, roundNs: 1e4, warmUpNs: 1e4 };

describe('a comparison', () => {
  test('lists subjects first, and ratios only against the baselines that a subject names', () => {
    const loop = (count: number) => count;
    const { rows, skipped } = compare(
      [
        { label: 'a', loop },
        { label: 'b', loop },
      ],
      [
        { label: 'against all', loop },
        { label: 'against b', loop, against: ['b'] },
      ],
      LITTLE,
    );
    expect(skipped).toBe(null);
    expect(rows.map(({ label }) => label)).toEqual(['against all', 'against b', 'a', 'b']);
    expect(rows.map(({ ratios }) => ratios.map(({ baseline }) => baseline))).toEqual([['a', 'b'], ['b'], [], []]);
  });

  test('does as many operations as it asks for, in turns of subject and baseline', () => {
    const turns: string[] = [];
    const doing = (name: string) => (count: number) => {
      turns.push(name);
      let sum = 0;
      for (let i = 0; i < count * 100; i++) sum += i;
      return sum;
    };
    compare([{ label: 'baseline', loop: doing('b') }], [{ label: 'subject', loop: doing('s') }], LITTLE);
    // The rounds come last, and who is first changes.
    expect(turns.slice(-6).join('')).toBe('sbbssb');
  });

  test('tells work of ten times the size from its baseline', () => {
    const work = (size: number) => (count: number) => {
      let sum = 0;
      for (let i = 0; i < count * size; i++) sum = (Math.imul(sum, 31) + i) | 0;
      return sum;
    };
    const effort = { rounds: 9, roundNs: 2e5, warmUpNs: 2e6 };
    const { rows } = compare([{ label: 'one', loop: work(100) }], [{ label: 'ten', loop: work(1000) }], effort);
    expect(rows[0]!.ratios[0]!.times).toBeGreaterThan(2);
  });
});

test.each([
  [[5], 0.5, 5],
  [[1, 2, 3, 4], 0.5, 2.5],
  [[4, 1, 3, 2], 0, 1],
  [[4, 1, 3, 2], 1, 4],
  [[10, 20, 30, 40, 50], 0.25, 20],
])('of %j the quantile %d is %d', (values, part, expected) => {
  expect(quantile(values, part)).toBe(expected);
});

test('the median is of the values in order, and the spread is half the distance of the quartiles', () => {
  expect(median([100, 2, 3])).toBe(3);
  expect(spreadOf([10, 20, 30, 40, 50])).toBeCloseTo(10 / 30, 12);
});
