/** Work that is taken off an engine before its end: nobody waits it out, and it ends as if nothing had happened. */
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { CMD } from '../../src/hw/commands/index.js';
import { BCS, type EngineId, PLATFORMS, RCS } from '../../src/hw/index.js';
import { LEAST_STAY_NS } from '../../src/scheduler/index.js';
import { BATCH_END, startBatch, storeDword, USER_INTERRUPT } from '../support/scripted-guest.js';
import { Machine, Tenant } from './machine.js';

const MS = 1e6;
const BATCH = 0x1000_0000;
const OUT = 0x2000_0000;
const OUT_FRAME = 0x2ff;
const BATCH_FRAME = 0x400;
const OFF = CMD.MI_ARB_ON_OFF;
const CHECK = CMD.MI_ARB_CHECK;
const GPR0 = 0x2600;

/** GPR0 += GPR1. */
const ADD = [
  CMD.MI_MATH | 3,
  (0x080 << 20) | (0x20 << 10),
  (0x080 << 20) | (0x21 << 10) | 1,
  0x100 << 20,
  (0x180 << 20) | 0x31,
];

let machine: Machine;
let a: Tenant;
let b: Tenant;
beforeEach(() => {
  machine = new Machine();
  a = new Tenant(machine, 1);
  b = new Tenant(machine, 2);
});

/** The batch of a driver that lets nobody interrupt it: arbitration off, batch, on. */
function submitBatch(tenant: Tenant, tag: number, commands: readonly number[], engine: EngineId = RCS): void {
  const { guest } = tenant;
  guest.mapPpgtt(OUT, OUT_FRAME);
  const all = [...commands, BATCH_END, 0];
  for (let page = 0; page * 1024 < all.length; page++) {
    guest.mapPpgtt(BATCH + page * 4096, BATCH_FRAME + page);
    guest.page(BATCH_FRAME + page).set(all.slice(page * 1024, (page + 1) * 1024));
  }
  tenant.submit(engine, tag, 0, [OFF, ...startBatch(BATCH), OFF | 1, 0, 0]);
}

/** Counts up to `count` in memory, with a place to break off after each step. */
const counting = (count: number): number[] =>
  Array.from({ length: count }, (_, i) => [...storeDword(OUT, i + 1, false), CHECK]).flat();

function submitFrame(tenant: Tenant, tag: number, engine: EngineId = RCS): void {
  tenant.submit(engine, tag, 1, [...storeDword(tenant.guest.bind(0x1000, 0x300), tag, true), USER_INTERRUPT, 0]);
}

const counted = (tenant: Tenant): number => tenant.guest.page(OUT_FRAME)[0]!;
const breaks = (tenant: Tenant, engine: EngineId = RCS): number =>
  machine.arbiter.engineShare(tenant.grant.vgpu, engine).breaks;

/** How long the work of `tag` took from now on, ns, to 10 us. */
function timeOf(tenant: Tenant, tag: number): number {
  const begun = machine.clock.now();
  while (tenant.done.at(-1)?.tag !== tag) machine.run(0.01 * MS);
  return machine.clock.now() - begun;
}

describe('a long batch', () => {
  test('is broken off for another’s work, and then goes on to its end', () => {
    submitBatch(a, 1, counting(120_000));
    machine.run(6 * MS);
    const before = counted(a);
    submitFrame(b, 2);
    expect(timeOf(b, 2)).toBeLessThan(0.1 * MS);
    expect(counted(a)).toBeGreaterThanOrEqual(before);
    expect(counted(a)).toBeLessThan(120_000);
    expect(breaks(a)).toBe(1);
    machine.run(60 * MS);
    expect(a.done).toEqual([{ engine: RCS, tag: 1, result: 'complete', reason: null }]);
    expect(counted(a)).toBe(120_000);
    expect(machine.violations).toBe(0);
  });

  test('is left alone while nobody else has work, and by work on other engines', () => {
    submitBatch(a, 1, counting(120_000));
    machine.run(6 * MS);
    submitFrame(b, 2, BCS);
    machine.run(60 * MS);
    expect(breaks(a)).toBe(0);
    expect(a.done).toHaveLength(1);
    expect(b.done).toHaveLength(1);
  });

  test('has the engine for a while each time, however many want it', () => {
    submitBatch(a, 1, counting(50_000));
    submitBatch(b, 2, counting(50_000));
    machine.run(60 * MS);
    expect(a.done).toHaveLength(1);
    expect(b.done).toHaveLength(1);
    expect(breaks(a) + breaks(b)).toBeGreaterThanOrEqual(2);
    expect(breaks(a) + breaks(b)).toBeLessThan((60 * MS) / LEAST_STAY_NS);
  });

  test('that waits for a semaphore has a millisecond of its slice where others have work, and the engine where nobody has', () => {
    const semaphore = a.guest.bind(0x1200, 0x310);
    a.submit(RCS, 1, 0, [0x0e40_c002, 1, semaphore, 0, ...storeDword(a.guest.bind(0x1300, 0x311), 7, true), 0, 0]);
    machine.run(20 * MS);
    expect(breaks(a)).toBe(0);
    for (let tag = 1; tag <= 20; tag++) {
      machine.run(0.5 * MS);
      submitFrame(b, tag);
      expect(timeOf(b, tag)).toBeLessThan(LEAST_STAY_NS);
    }
    expect(breaks(a)).toBeGreaterThan(1);
    a.guest.page(0x310)[0] = 1;
    machine.run(5 * MS);
    expect(a.done).toEqual([{ engine: RCS, tag: 1, result: 'complete', reason: null }]);
    expect(a.guest.page(0x311)[0]).toBe(7);
  });

  test('that has no place to break off is waited for', () => {
    submitBatch(
      a,
      1,
      counting(120_000).filter((word) => word !== CHECK),
    );
    machine.run(6 * MS);
    submitFrame(b, 2);
    machine.run(MS);
    expect(b.done).toEqual([]);
    machine.run(60 * MS);
    expect(b.done).toHaveLength(1);
    expect(counted(a)).toBe(120_000);
  });

  test('finds its registers again after another has used the same', () => {
    const load = (register: number, value: number): number[] => [CMD.MI_LOAD_REGISTER_IMM | 1, register, value];
    const store = (register: number): number[] => [CMD.MI_STORE_REGISTER_MEM | 2, register, OUT + 8, 0];
    const sum = [...load(GPR0, 0), ...load(GPR0 + 4, 0), ...load(GPR0 + 8, 3), ...load(GPR0 + 12, 0)];
    for (let i = 0; i < 20_000; i++) sum.push(...ADD, CHECK);
    const spoil = [...load(GPR0, 77), ...load(GPR0 + 8, 1), CHECK];
    submitBatch(a, 1, [...sum, ...store(GPR0)]);
    for (let tag = 2; a.done.length === 0 && tag < 100; tag++) {
      machine.run(1.5 * MS);
      submitBatch(b, tag, spoil);
    }
    machine.run(5 * MS);
    expect(breaks(a)).toBeGreaterThan(0);
    expect(a.guest.page(OUT_FRAME)[2]).toBe(60_000);
  });

  test('that its guest resets while it is off the engine leaves nothing behind', () => {
    submitBatch(a, 1, counting(120_000));
    machine.run(6 * MS);
    for (let tag = 2; tag < 6; tag++) submitBatch(b, tag, counting(60_000));
    machine.run(1 * MS);
    expect(breaks(a)).toBe(1);
    machine.arbiter.reset(1, [RCS]);
    const at = counted(a);
    machine.run(20 * MS);
    expect(counted(a)).toBe(at);
    submitFrame(a, 9);
    machine.run(20 * MS);
    expect(a.done).toEqual([{ engine: RCS, tag: 9, result: 'complete', reason: null }]);
    machine.arbiter.detach(1);
    machine.run(100 * MS);
    expect(b.done).toHaveLength(4);
    expect(machine.violations).toBe(0);
  });

  test('whose guest breaks its page tables meanwhile does not go on', () => {
    submitBatch(a, 1, counting(120_000));
    machine.run(6 * MS);
    submitBatch(b, 2, counting(50_000));
    machine.run(1 * MS);
    // The root names itself: a loop.
    a.guest.page(a.guest.pml4)[0] = a.guest.pml4 * 4096 + 3;
    machine.run(60 * MS);
    expect(a.done).toMatchObject([{ tag: 1, result: 'rejected' }]);
    expect(b.done).toMatchObject([{ tag: 2, result: 'complete' }]);
  });

  test('is charged for what it ran, however often it was broken off', () => {
    submitBatch(a, 1, counting(50_000));
    machine.run(40 * MS);
    const alone = machine.arbiter.busySeconds(1, RCS);
    submitBatch(a, 2, counting(50_000));
    submitBatch(b, 3, counting(50_000));
    machine.run(80 * MS);
    expect(breaks(a)).toBeGreaterThan(0);
    // A break takes the way to the next place, and a tick of the clock.
    expect(machine.arbiter.busySeconds(1, RCS) - alone).toBeCloseTo(alone, 4);
    expect(machine.arbiter.busySeconds(2, RCS)).toBeCloseTo(alone, 4);
  });
});

test('on a device that can not break off what it runs, work is waited for', () => {
  const platform = PLATFORMS.find(({ name }) => name === 'BDW')!;
  machine = new Machine({}, platform);
  a = new Tenant(machine, 1);
  b = new Tenant(machine, 2);
  submitBatch(a, 1, counting(120_000));
  machine.run(6 * MS);
  submitFrame(b, 2);
  machine.run(5 * MS);
  expect(b.done).toEqual([]);
  machine.run(60 * MS);
  expect(b.done).toHaveLength(1);
  expect(breaks(a)).toBe(0);
});

test('a capped vGPU’s long batch is broken off when it has had its part, though nobody waits', () => {
  machine.arbiter.setShare(1, { weight: 1, cap: 25, priority: 0 });
  machine.run(20 * MS);
  submitBatch(a, 1, counting(120_000));
  machine.run(40 * MS);
  expect(machine.arbiter.busySeconds(1, RCS)).toBeLessThan(0.25 * 0.04 + 0.006);
  machine.run(200 * MS);
  expect(counted(a)).toBe(120_000);
});

test('work of higher priority breaks off what is below it', () => {
  machine = new Machine({ policy: 'priority' });
  a = new Tenant(machine, 1);
  b = new Tenant(machine, 2);
  machine.arbiter.setShare(2, { weight: 1, cap: 100, priority: 5 });
  machine.run(3000 * MS);
  submitBatch(a, 1, counting(120_000));
  machine.run(2 * MS);
  submitFrame(b, 2);
  expect(timeOf(b, 2)).toBeLessThan(0.1 * MS);
});

test('whatever is lost on the way, all work ends, and ends once', () => {
  const fault = fc.constantFrom('none', 'interrupt', 'status');
  fc.assert(
    fc.property(fc.array(fc.tuple(fault, fc.integer({ min: 1, max: 25 })), { minLength: 3, maxLength: 8 }), (steps) => {
      machine = new Machine();
      a = new Tenant(machine, 1);
      b = new Tenant(machine, 2);
      submitBatch(a, 1, counting(30_000));
      steps.forEach(([kind, tenths], i) => {
        machine.run((tenths * MS) / 10);
        if (kind === 'interrupt') machine.gpu.loseInterrupts(1);
        if (kind === 'status') machine.gpu.garbleStatus(RCS, 1);
        submitFrame(b, 10 + i);
      });
      machine.run(2000 * MS);
      expect(a.done.filter(({ tag }) => tag === 1)).toHaveLength(1);
      expect(a.done[0]).toMatchObject({ result: 'complete' });
      expect(counted(a)).toBe(30_000);
      expect(b.done.map(({ tag }) => tag)).toEqual(steps.map((_, i) => 10 + i));
      expect(machine.violations).toBe(0);
    }),
    { numRuns: 10 },
  );
});
