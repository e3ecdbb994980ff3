import { describe, expect, it } from 'vitest';
import { Random } from '../../fuzz/random.js';

const first = (seed: number, number: number, count = 4): number[] => {
  const random = new Random();
  random.seed(seed, number);
  return Array.from({ length: count }, () => random.next());
};

describe('the numbers of a case', () => {
  it('follow from seed and number, and differ between neighbours', () => {
    expect(first(1, 2)).toEqual(first(1, 2));
    const all = [first(1, 2), first(1, 3), first(2, 2), first(2, 1), first(1, 2 + 2 ** 32)];
    expect(new Set(all.map(String)).size).toBe(all.length);
  });

  it('are spread over what was asked for', () => {
    const random = new Random();
    random.seed(3, 4);
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < 10_000; i++) counts[random.below(10)]!++;
    expect(Math.min(...counts)).toBeGreaterThan(900);
    expect(Math.max(...counts)).toBeLessThan(1100);
    expect(random.below(1)).toBe(0);
  });
});
