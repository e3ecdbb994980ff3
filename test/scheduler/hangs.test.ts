/** What becomes of guests, guilty and innocent, when an engine hangs, and of all when the device itself fails. */
import { beforeEach, describe, expect, test } from 'vitest';
import { BCS, type EngineId, RCS } from '../../src/hw/index.js';
import { PERIOD_NS } from '../../src/scheduler/index.js';
import { BATCH_END, startBatch, storeDword, USER_INTERRUPT } from '../support/scripted-guest.js';
import { Machine, Tenant } from './machine.js';

const MS = 1e6;
const BATCH = 0x1000_0000;
const TARGET = 0x300;

let machine: Machine;
let a: Tenant;
let b: Tenant;
beforeEach(() => {
  machine = new Machine();
  a = new Tenant(machine, 1);
  b = new Tenant(machine, 2);
});

/** A batch that starts itself for ever: it moves, and has no end. */
function submitEndless(tenant: Tenant, tag: number, engine: EngineId = RCS): void {
  tenant.guest.mapPpgtt(BATCH, 0x200);
  tenant.guest.page(0x200).set([...new Array<number>(997).fill(0), ...startBatch(BATCH)]);
  tenant.submit(engine, tag, 0, [...startBatch(BATCH), 0]);
}

/** A command that the device does not know: it does not move, and can not be broken off either. */
function submitHung(tenant: Tenant, tag: number): void {
  tenant.guest.mapPpgtt(BATCH, 0x201);
  tenant.guest.page(0x201).set([0xffff_ffff]);
  tenant.submit(RCS, tag, 0, [...startBatch(BATCH), 0]);
}

/** Waits in vain for another's semaphore: it does not move, and makes room for others. */
function submitStuck(tenant: Tenant, tag: number): void {
  const semaphore = tenant.guest.bind(0x1200, 0x310);
  tenant.submit(RCS, tag, 0, [0x0e40_c002, 1, semaphore, 0]);
}

function submitStore(tenant: Tenant, tag: number, value: number, engine: EngineId = RCS, slot = 1): void {
  const target = tenant.guest.bind(0x1000, TARGET);
  tenant.submit(engine, tag, slot, [...storeDword(target, value, true), USER_INTERRUPT, 0]);
}

const stored = (tenant: Tenant): number => tenant.guest.page(TARGET)[0]!;

/** A batch of so many stores, in pages that follow each other. */
function submitLong(tenant: Tenant, tag: number, stores: number): void {
  const { guest } = tenant;
  guest.mapPpgtt(0x2000_0000, 0x2ff);
  const commands = Array.from({ length: stores }, (_, i) => storeDword(0x2000_0000, i + 1, false)).flat();
  commands.push(BATCH_END, 0);
  for (let page = 0; page * 1024 < commands.length; page++) {
    guest.mapPpgtt(BATCH + page * 4096, 0x400 + page);
    guest.page(0x400 + page).set(commands.slice(page * 1024, (page + 1) * 1024));
  }
  tenant.submit(RCS, tag, 0, [...startBatch(BATCH), 0]);
}

describe('a guest that hangs the render engine', () => {
  test('loses its workload and what it queued behind it; the other’s is run, and other engines never notice', () => {
    submitHung(a, 1);
    submitStore(a, 2, 7);
    submitStore(b, 3, 5);
    submitStore(a, 4, 9, BCS, 2);
    machine.run(20 * MS);
    expect(a.done).toEqual([{ engine: BCS, tag: 4, result: 'complete', reason: null }]);
    expect(b.done).toEqual([]);
    machine.run(60 * MS);
    expect(a.done.slice(1)).toEqual([
      {
        engine: RCS,
        tag: 1,
        result: 'hung',
        reason: expect.stringMatching(/RCS: no progress for 0.06 s at ring head 0x/),
      },
      { engine: RCS, tag: 2, result: 'dropped', reason: expect.any(String) },
    ]);
    expect(b.done).toEqual([{ engine: RCS, tag: 3, result: 'complete', reason: null }]);
    expect(stored(b)).toBe(5);
    submitStore(a, 5, 6);
    machine.run(5 * MS);
    expect(a.done.at(-1)).toMatchObject({ tag: 5, result: 'complete' });
    expect(machine.violations).toBe(0);
  });

  test('by a batch without end loses it at the limit of a run, though it moves', () => {
    submitEndless(a, 1);
    submitStore(b, 2, 5);
    machine.run(190 * MS);
    expect(a.done).toEqual([]);
    machine.run(20 * MS);
    expect(a.done).toMatchObject([{ result: 'hung', reason: expect.stringMatching(/still running after 0.2 s/) }]);
    expect(stored(b)).toBe(5);
  });

  test('three times within a minute, with the other waiting, is told to give its vGPU up', () => {
    for (let strike = 1; strike <= 3; strike++) {
      submitHung(a, strike);
      machine.run(MS);
      submitStore(b, strike, strike);
      machine.run(80 * MS);
      expect(stored(b)).toBe(strike);
      expect(a.done.at(-1)).toMatchObject({ tag: strike, result: strike < 3 ? 'hung' : 'rejected' });
    }
    expect(a.done.at(-1)?.reason).toMatch(/3 hangs within a minute .* RCS: no progress/);
    expect(machine.arbiter.results(1)).toMatchObject({ RCS: { hung: 3 } });
    machine.arbiter.pardon(1);
    submitHung(a, 4);
    machine.run(MS);
    submitStore(b, 4, 4);
    machine.run(80 * MS);
    expect(a.done.at(-1)).toMatchObject({ tag: 4, result: 'hung' });
  });

  test('three times within more than a minute keeps its vGPU', () => {
    for (let hang = 1; hang <= 4; hang++) {
      submitHung(a, hang);
      machine.run(MS);
      submitStore(b, hang, hang);
      machine.run(31e9);
      expect(a.done.at(-1)).toMatchObject({ tag: hang, result: 'hung' });
    }
  });

  test('that its own driver gives up before the mediator does is a strike all the same, where the other waits', () => {
    for (let strike = 1; strike <= 3; strike++) {
      submitHung(a, strike);
      machine.run(MS);
      submitStore(b, strike, strike);
      machine.run(30 * MS);
      machine.arbiter.reset(1, [RCS, BCS], true);
      machine.run(5 * MS);
      expect(stored(b)).toBe(strike);
    }
    expect(a.done).toEqual([
      {
        engine: RCS,
        tag: 3,
        result: 'rejected',
        reason: expect.stringMatching(/3 hangs within a minute .* RCS: its driver gave it up after 0.0 s/),
      },
    ]);
    expect(machine.arbiter.results(1)).toEqual({ RCS: { dropped: 3 } });
  });

  test('that its own driver gives up is none where nobody waits, where it has hardly begun, where it makes room, or where the VMM resets the device', () => {
    for (let times = 0; times < 4; times++) {
      submitHung(a, times);
      machine.run(30 * MS);
      machine.arbiter.reset(1, [RCS], true);
      submitHung(a, times);
      machine.run(MS);
      submitStore(b, times, times);
      machine.run(2 * MS);
      machine.arbiter.reset(1, [RCS], true);
      machine.run(5 * MS);
      submitHung(a, times);
      machine.run(MS);
      submitStore(b, times, times);
      machine.run(30 * MS);
      machine.arbiter.reset(1, [RCS]);
      machine.run(5 * MS);
      submitStuck(a, times);
      machine.run(MS);
      submitStore(b, times, times);
      machine.run(30 * MS);
      machine.arbiter.reset(1, [RCS], true);
      machine.run(5 * MS);
    }
    expect(a.done).toEqual([]);
    expect(b.done).toHaveLength(12);
  });

  test('with nobody waiting hurts nobody, and may do so again and again, each time up to the limit of a run', () => {
    for (let hang = 1; hang <= 6; hang++) {
      submitStuck(a, hang);
      machine.run(195 * MS);
      expect(a.done).toHaveLength(hang - 1);
      machine.run(15 * MS);
      expect(a.done.at(-1)).toMatchObject({ tag: hang, result: 'hung' });
    }
  });

  /** The other's frame times, ns, shortest first, with something of the guest's at the beginning of each of ten seconds. */
  function framesBeside(hang: (second: number) => void): number[] {
    const frames: number[] = [];
    for (let second = 0; second < 10; second++) {
      hang(second);
      for (let frame = 0; frame < 60; frame++) {
        const tag = 1000 + 60 * second + frame;
        const begun = machine.clock.now();
        submitStore(b, tag, tag);
        while (b.done.at(-1)?.tag !== tag) machine.run(0.1 * MS);
        frames.push(machine.clock.now() - begun);
        machine.run(16 * MS);
      }
    }
    return frames.sort((x, y) => x - y);
  }

  test('that cannot be broken off has the other wait for it three times in ten seconds, and is out', () => {
    const frames = framesBeside((second) => second < 3 && submitHung(a, second));
    expect(frames[Math.floor(frames.length * 0.99)]!).toBeLessThan(8 * MS);
    expect(frames.at(-1)!).toBeGreaterThan(50 * MS);
    expect(a.done.at(-1)).toMatchObject({ result: 'rejected' });
  });

  test('that can be broken off has the other wait for a slice at most, and mostly not at all', () => {
    const frames = framesBeside((second) => submitStuck(a, second));
    expect(frames[Math.floor(frames.length * 0.9)]!).toBeLessThan(0.5 * MS);
    expect(frames.at(-1)!).toBeLessThan(PERIOD_NS / 2 + 0.3 * MS);
    expect(a.done.length).toBeGreaterThan(8);
    expect(a.done.every(({ result }) => result === 'hung')).toBe(true);
  });
});

describe('no false alarm', () => {
  test('on a long batch that gets on', () => {
    submitLong(a, 1, 100_000);
    submitStore(b, 2, 5);
    machine.run(150 * MS);
    expect(a.done).toMatchObject([{ result: 'complete' }]);
    expect(a.guest.page(0x2ff)[0]).toBe(100_000);
    expect(b.done).toMatchObject([{ result: 'complete' }]);
  });

  test('on the same batch with memory that is ten times as slow, up to the limit of a run', () => {
    machine.gpu.slowMemory(10);
    submitLong(a, 1, 10_000);
    machine.run(150 * MS);
    expect(a.done).toMatchObject([{ result: 'complete' }]);
    expect(machine.clock.now()).toBe(150 * MS);
    expect(machine.arbiter.busySeconds(1, RCS)).toBeLessThan(0.15);
  });

  test('on a command that takes long while nobody else wants the engine, and soon after somebody does', () => {
    submitHung(a, 1);
    machine.run(150 * MS);
    expect(a.done).toEqual([]);
    submitStore(b, 2, 5);
    machine.run(8 * MS);
    expect(a.done).toMatchObject([{ result: 'hung', reason: expect.stringMatching(/no progress/) }]);
    expect(stored(b)).toBe(5);
  });

  test('on a vGPU that is given more patience than the others', () => {
    machine.arbiter.setHangLimits(1, { checkNs: 5 * MS, stuckNs: 500 * MS, runNs: 900 * MS });
    submitStuck(a, 1);
    machine.run(MS);
    submitStore(b, 2, 5);
    machine.run(400 * MS);
    expect(a.done).toEqual([]);
    a.guest.page(0x310)[0] = 1;
    machine.run(50 * MS);
    expect(a.done).toMatchObject([{ result: 'complete' }]);
  });
});

describe('a device that', () => {
  test('stops an engine loses what ran there, and does the rest', () => {
    submitLong(a, 1, 20_000);
    submitStore(b, 2, 5);
    machine.run(1 * MS);
    machine.gpu.stopEngine(RCS);
    machine.run(80 * MS);
    expect(a.done).toMatchObject([{ tag: 1, result: 'hung' }]);
    expect(b.done).toMatchObject([{ tag: 2, result: 'complete' }]);
    submitStore(a, 3, 8);
    machine.run(5 * MS);
    expect(stored(a)).toBe(8);
  });

  test('loses interrupts ends no workload for it, and none late by more than a look', () => {
    for (let tag = 1; tag <= 20; tag++) {
      machine.gpu.loseInterrupts(3);
      submitStore(tag % 2 === 0 ? a : b, tag, tag);
      machine.run(6 * MS);
      expect((tag % 2 === 0 ? a : b).done.at(-1)).toMatchObject({ tag, result: 'complete' });
    }
    expect(machine.arbiter.deviceFaults.lostEvents).toBe(20);
    expect(machine.arbiter.deviceFaults.resubmitted).toBe(0);
  });

  test('writes rubbish into its status buffer ends no workload twice, and none never', () => {
    for (let tag = 1; tag <= 12; tag++) {
      machine.gpu.garbleStatus(RCS, 1);
      submitStore(a, tag, tag);
      submitStore(b, tag, tag);
      machine.run(12 * MS);
      expect(stored(a)).toBe(tag);
      expect(stored(b)).toBe(tag);
    }
    expect(a.done.map(({ result }) => result)).toEqual(new Array(12).fill('complete'));
    expect(b.done.map(({ tag }) => tag)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
    expect(machine.arbiter.deviceFaults.lostEvents).toBe(12);
  });

  test('swallows a submission is given it again; one that swallows all loses the workload', () => {
    machine.gpu.dropSubmissions(RCS, 1);
    submitStore(a, 1, 5);
    machine.run(8 * MS);
    expect(a.done).toMatchObject([{ tag: 1, result: 'complete' }]);
    expect(stored(a)).toBe(5);
    expect(machine.arbiter.deviceFaults).toEqual({ lostEvents: 0, resubmitted: 1 });
    machine.gpu.dropSubmissions(RCS, 2);
    submitStore(a, 2, 6);
    machine.run(20 * MS);
    expect(a.done.at(-1)).toMatchObject({ tag: 2, result: 'hung', reason: 'RCS: lost by the device twice' });
    submitStore(a, 3, 7);
    machine.run(8 * MS);
    expect(stored(a)).toBe(7);
  });

  test('corrupts a fence register loses it with the next write of its guest, and no other guest anything', () => {
    const lo = a.grant.lowStart + 0x1001;
    const hi = a.grant.lowStart + 0x2000;
    expect(machine.arbiter.writeFence(1, 0, lo, hi)).toBe(true);
    machine.gpu.corruptFence(a.grant.fenceStart);
    submitStore(a, 1, 5);
    submitStore(b, 2, 6);
    machine.run(5 * MS);
    expect([stored(a), stored(b)]).toEqual([5, 6]);
    machine.arbiter.writeFence(1, 0, lo, hi);
    expect(machine.gpu.read32(0x100000 + 8 * a.grant.fenceStart)).toBe(lo);
    expect(machine.violations).toBe(0);
  });

  test('does all of that at once still accounts for all of its time', () => {
    machine.gpu.slowMemory(3);
    for (let round = 0; round < 30; round++) {
      machine.gpu.loseInterrupts(round % 3);
      machine.gpu.garbleStatus(round % 2 === 0 ? RCS : BCS, round % 2);
      machine.gpu.dropSubmissions(RCS, round % 4 === 0 ? 1 : 0);
      if (round % 10 === 7) submitStuck(a, 1000 + round);
      else submitStore(a, round, round);
      submitStore(b, round, round, round % 2 === 0 ? RCS : BCS);
      machine.run(90 * MS);
    }
    expect(b.done).toHaveLength(30);
    for (const engine of [RCS, BCS] as const) {
      const { busy, idle, switching, total } = machine.arbiter.engineTotals(engine);
      expect(busy + idle + switching).toBeCloseTo(total, 9);
    }
    expect(machine.violations).toBe(0);
  });
});
