/** Benchmarks are not tests, but they must go on running as the program changes. No figure is looked at here. */
import { expect, test } from 'vitest';
import { BENCHMARKS } from '../../bench/catalogue.js';
import { loadNative } from '../../src/hypervisor/index.js';

const ONCE = { rounds: 1, roundNs: 1, warmUpNs: 0 };
const runnable = BENCHMARKS.filter(({ needsBuild }) => needsBuild !== true);

test.each(runnable.map((benchmark) => [benchmark.name, benchmark] as const))(
  '%s measures something, beside a baseline',
  async (name, benchmark) => {
    const { rows, skipped } = await benchmark.run(ONCE);
    if (name === 'posted-writes' && loadNative() === null) {
      expect(skipped).toContain('native addon');
      return;
    }
    expect(skipped).toBe(null);
    for (const row of rows) expect(row.ns).toBeGreaterThan(0);
    const subjects = rows.filter(({ ratios }) => ratios.length > 0);
    expect(subjects.length).toBeGreaterThan(0);
    for (const { ratios } of subjects) for (const { times } of ratios) expect(times).toBeGreaterThan(0);
  },
);

test('names are told apart', () => {
  expect(new Set(BENCHMARKS.map(({ name }) => name)).size).toBe(BENCHMARKS.length);
});
