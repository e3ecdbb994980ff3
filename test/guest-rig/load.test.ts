/** What the rig makes of the daemon's accounts: seconds that show shares, seconds that show less, and shares that are wrong. */
import { describe, expect, test } from 'vitest';
import { judge } from '../guest/load/judge.js';
import type { Window } from '../guest/load/sampler.js';

/** A second of which each ran so much, was switched for a hundredth, and waited for the rest but for what it was idle. */
function second(...parts: readonly (readonly [ran: number, idle: number])[]): Window {
  const accounts = new Map(
    parts.map(([running, idle], i) => [i + 1, { running, switching: 0.01, waiting: 0.99 - running - idle }] as const),
  );
  const switching = 0.01 * parts.length;
  return { seconds: 1, idle: 0, switching, accounts };
}

describe('shares of an engine', () => {
  test('that are right in each second are off by nothing', () => {
    const verdict = judge([second([0.3, 0], [0.6, 0]), second([0.2, 0], [0.4, 0])], [1, 2], [1, 2]);
    expect(verdict).toMatchObject({ counted: 2, least: [1, 1] });
    expect(verdict.means[0]).toBeCloseTo(1 / 3, 9);
    expect(verdict.worst).toBeCloseTo(0, 9);
    expect(verdict.shortest).toBeCloseTo(0, 9);
  });

  test('that are wrong in one second are seen, however right they are on average', () => {
    const { worst, shortest, counted } = judge(
      [second([0.5, 0], [0.4, 0]), second([0.1, 0], [0.8, 0])],
      [1, 2],
      [1, 2],
    );
    expect(counted).toBe(2);
    expect(worst).toBeCloseTo(5 / 9 - 1 / 3, 9);
    expect(shortest).toBeCloseTo(1 / 3 - 1 / 9, 9);
  });

  test('of a second in which one was idle say only that the other lost nothing', () => {
    const gained = judge([second([0.1, 0.5], [0.8, 0])], [1, 2], [1, 2]);
    expect(gained).toMatchObject({ counted: 0, worst: 0, shortest: 0, least: [0.5, 1] });
    const lost = judge([second([0.4, 0.1], [0.4, 0])], [1, 2], [1, 2]);
    expect(lost.counted).toBe(0);
    expect(lost.shortest).toBeCloseTo(2 / 3 - 1 / 2, 9);
  });

  test('of an engine that ran nothing are nobody’s', () => {
    expect(judge([second([0, 0], [0, 0])], [1, 2], [1, 1])).toMatchObject({ counted: 1, worst: 0.5 });
    expect(judge([], [1], [1])).toMatchObject({ counted: 0, means: [0] });
  });
});
