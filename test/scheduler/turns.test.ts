/** Who may use an engine that another leaves idle, by generation. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BCS, type EngineId, PLATFORMS, type Platform, RCS, VCS } from '../../src/hw/index.js';
import {
  createPolicy,
  createTurns,
  PERIOD_NS,
  PLAIN_SHARE,
  SeparateTurns,
  TogetherTurns,
  type Turns,
} from '../../src/scheduler/index.js';

const MS = 1e6;
const platform = (name: Platform['name']): Platform => PLATFORMS.find((one) => one.name === name)!;
const turnsOf = (name: Platform['name']): Turns => createTurns(platform(name), () => createPolicy('shares'));

describe.each(['BDW', 'SKL', 'KBL', 'CFL', 'CML'] as const)('on %s', (name) => {
  test('one vGPU’s blits run while another renders', () => {
    const turns = turnsOf(name);
    expect(turns).toBeInstanceOf(SeparateTurns);
    turns.add(1, PLAIN_SHARE, 0);
    turns.add(2, PLAIN_SHARE, 0);
    turns.queued(1, RCS, 0);
    turns.queued(2, BCS, 0);
    expect(turns.pick(RCS, 0)).toBe(1);
    turns.started(1, RCS);
    expect(turns.pick(BCS, 0)).toBe(2);
    expect(turns.due(VCS, 0)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('on HSW', () => {
  test('all engines are one vGPU’s until each of them is idle', () => {
    const turns = turnsOf('HSW');
    expect(turns).toBeInstanceOf(TogetherTurns);
    turns.add(1, PLAIN_SHARE, 0);
    turns.add(2, PLAIN_SHARE, 0);
    turns.queued(1, RCS, 0);
    turns.queued(1, BCS, 0);
    turns.queued(2, VCS, 0);
    expect(turns.pick(RCS, 0)).toBe(1);
    turns.started(1, RCS);
    expect(turns.pick(VCS, 0)).toBe(0);
    expect(turns.pick(BCS, 0)).toBe(1);
    turns.started(1, BCS);
    turns.emptied(1, RCS, 0);
    turns.emptied(1, BCS, 0);
    turns.ended(1, RCS, 5 * MS, 5 * MS, 5 * MS);
    expect(turns.pick(VCS, 5 * MS)).toBe(0);
    turns.ended(1, BCS, 6 * MS, 6 * MS, 6 * MS);
    expect(turns.pick(VCS, 6 * MS)).toBe(2);
  });

  test('work that comes while the engines are another’s is asked for once, not again and again', () => {
    const turns = turnsOf('HSW');
    turns.add(1, PLAIN_SHARE, 0);
    turns.add(2, PLAIN_SHARE, 0);
    turns.queued(1, RCS, 0);
    expect(turns.pick(RCS, 0)).toBe(1);
    turns.started(1, RCS);
    turns.emptied(1, RCS, 0);
    turns.queued(2, BCS, 1);
    expect(turns.due(BCS, 1)).toBe(1);
    expect(turns.pick(BCS, 1)).toBe(0);
    expect(turns.due(BCS, 1)).toBe(Number.POSITIVE_INFINITY);
  });

  test('time is shared by weight however many engines each uses, and never are two vGPUs on the engines at once', () => {
    const job = fc.record({ ns: fc.integer({ min: 50_000, max: 2_000_000 }), engines: fc.integer({ min: 1, max: 3 }) });
    fc.assert(
      fc.property(fc.tuple(job, job), fc.integer({ min: 1, max: 4 }), (jobs, weight) => {
        const turns = turnsOf('HSW');
        const engines: readonly EngineId[] = [RCS, BCS, VCS];
        const uses = jobs.map((one) => engines.slice(0, one.engines));
        turns.add(1, PLAIN_SHARE, 0);
        turns.add(2, { ...PLAIN_SHARE, weight }, 0);
        for (const id of [1, 2]) for (const engine of uses[id - 1]!) turns.queued(id, engine, 0);
        const running: ({ id: number; end: number; begun: number } | undefined)[] = [];
        const kept = [0, 0, 0];
        let now = 0;
        while (now < 1e9) {
          for (const engine of engines) {
            if (running[engine]) continue;
            const id = turns.pick(engine, now);
            if (id === 0) continue;
            turns.started(id, engine);
            running[engine] = { id, begun: now, end: now + jobs[id - 1]!.ns };
          }
          const busy = running.filter((one) => one !== undefined);
          expect(busy.length).toBeGreaterThan(0);
          expect(new Set(busy.map(({ id }) => id)).size).toBe(1);
          const end = Math.min(...busy.map((one) => one.end));
          kept[busy[0]!.id]! += end - now;
          now = end;
          for (const engine of engines) {
            const one = running[engine];
            if (one?.end !== now) continue;
            running[engine] = undefined;
            turns.ended(one.id, engine, now - one.begun, now - one.begun, now);
          }
        }
        expect(kept[2]! / kept[1]! / weight).toBeGreaterThan(0.97);
        expect(kept[2]! / kept[1]! / weight).toBeLessThan(1.03);
      }),
      { numRuns: 20 },
    );
  });
});

test('with nobody at work nothing is due, and a capped vGPU’s next turn is when its time has come', () => {
  const turns = turnsOf('SKL');
  expect(turns.due(RCS, 0)).toBe(Number.POSITIVE_INFINITY);
  turns.add(1, { ...PLAIN_SHARE, cap: 25 }, 0);
  expect(turns.due(RCS, 5)).toBe(Number.POSITIVE_INFINITY);
  turns.queued(1, RCS, 0);
  expect(turns.pick(RCS, 0)).toBe(1);
  turns.started(1, RCS);
  turns.ended(1, RCS, 3 * MS, 3 * MS, 3 * MS);
  expect(turns.pick(RCS, 3 * MS)).toBe(0);
  const due = turns.due(RCS, 3 * MS);
  expect(due).toBeCloseTo(12 * MS, -1);
  expect(turns.pick(RCS, due)).toBe(1);
  expect(PERIOD_NS).toBeLessThan(12 * MS);
});
