import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EngineLedger, Timeline } from '../../src/scheduler/index.js';

const MS = 1e6;

test('an operator sees who ran when, the oldest first, and only what is new', () => {
  const timeline = new Timeline();
  timeline.note(1, 0, 2 * MS);
  timeline.note(2, 2 * MS, 5 * MS);
  timeline.note(1, 6 * MS, 7 * MS);
  expect(timeline.after(0)).toEqual([
    [1, 0, 2 * MS],
    [2, 2 * MS, 5 * MS],
    [1, 6 * MS, 7 * MS],
  ]);
  expect(timeline.after(4 * MS)).toHaveLength(2);
  expect(timeline.after(7 * MS)).toEqual([]);
});

test("one vGPU's workloads that follow each other closely are one stretch, those of two never are", () => {
  const timeline = new Timeline();
  timeline.note(1, 0, MS);
  timeline.note(1, 1.05 * MS, 2 * MS);
  timeline.note(2, 2 * MS, 3 * MS);
  timeline.note(1, 3 * MS, 4 * MS);
  timeline.note(1, 4.2 * MS, 5 * MS);
  expect(timeline.after(0).map(([vgpu]) => vgpu)).toEqual([1, 2, 1, 1]);
});

test('a busy engine keeps the newest few thousand stretches', () => {
  const timeline = new Timeline();
  for (let i = 0; i < 10_000; i++) timeline.note(1 + (i % 2), i * MS, (i + 0.5) * MS);
  const known = timeline.after(0);
  expect(known).toHaveLength(4096);
  expect(known.at(-1)).toEqual([2, 9999 * MS, 9999.5 * MS]);
  expect(known[0]).toEqual([1, 5904 * MS, 5904.5 * MS]);
});

test('the stretches of an engine add up to what its accounts say that each vGPU ran', () => {
  const steps = fc.array(fc.record({ vgpu: fc.integer({ min: 1, max: 3 }), wait: fc.nat(5), work: fc.nat(9) }), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(steps, (given) => {
      const ledger = new EngineLedger(0);
      let now = 0;
      for (const { vgpu, wait, work } of given) {
        now += wait * MS;
        ledger.switchTo(vgpu, now);
        now += MS;
        ledger.run(vgpu, now);
        now += (work + 1) * MS;
        ledger.end(work * MS, now);
      }
      const runs = ledger.timeline.after(-1);
      for (const vgpu of [1, 2, 3]) {
        const ran = runs.reduce((sum, [who, from, to]) => sum + (who === vgpu ? to - from : 0), 0);
        expect(ran / 1e9).toBeCloseTo(ledger.busySeconds(vgpu, now), 9);
      }
      runs.slice(1).forEach(([, from], i) => {
        expect(from).toBeGreaterThanOrEqual(runs[i]![2]);
      });
    }),
  );
});
