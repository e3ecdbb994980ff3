/** A guest that hangs the render engine again and again: what its neighbour, it itself and the operator see. */
import { beforeEach, describe, expect, test } from 'vitest';
import { RCS } from '../../src/hw/index.js';
import { hangLimitsOf } from '../../src/mediator/hang-limits.js';
import { Machine, type ScriptedDriver } from '../support/scripted-driver.js';
import { startBatch, storeDword, USER_INTERRUPT } from '../support/scripted-guest.js';

const MS = 1e6;
const SECOND = 1e9;
const DATA = 0x201;

/** Waits for a semaphore that nobody signals: the engine can be taken from it. */
function waitInVain(driver: ScriptedDriver): void {
  driver.submit(RCS, 0, [0x0e40_c002, 1, driver.guest.bind(0x1200, 0x310), 0]);
}

/** A batch that begins with no command of this device: the engine stands still for good. */
function standStill(driver: ScriptedDriver): void {
  driver.guest.mapPpgtt(0x1000_0000, 0x311);
  driver.guest.page(0x311)[0] = 0xffff_ffff;
  driver.submit(RCS, 0, [...startBatch(0x1000_0000), 0]);
}

function frame(driver: ScriptedDriver, value: number): void {
  driver.submit(RCS, 1, [...storeDword(driver.guest.bind(0x1100, DATA), value, true), USER_INTERRUPT, 0]);
}

describe('a guest that hangs the engine every second for a minute', () => {
  let machine: Machine;
  let guilty: ScriptedDriver;
  let other: ScriptedDriver;
  beforeEach(() => {
    machine = new Machine({ hangLimits: { checkNs: 10 * MS, stuckNs: 250 * MS, runNs: 2 * SECOND } });
    guilty = machine.boot();
    other = machine.boot();
  });

  /** @returns the other's frame times, ns, shortest first */
  function aMinuteBeside(hang: (driver: ScriptedDriver) => void): number[] {
    const times: number[] = [];
    for (let second = 0; second < 60; second++) {
      if (guilty.vgpu.state !== 'failsafe') {
        // Its driver resets the engine and goes on, as after any hang.
        guilty.write(0x941c, 2);
        guilty.startEngine(RCS);
        hang(guilty);
        machine.run(MS);
      }
      for (let n = 0; n < 30; n++) {
        const value = 100 * second + n + 1;
        const begun = machine.core.clock.now();
        frame(other, value);
        while (other.guest.page(DATA)[0] !== value) machine.run(MS / 4);
        times.push(machine.core.clock.now() - begun);
        machine.run(10 * MS);
      }
    }
    expect(other.workloads).toEqual({ RCS: { complete: 1800 } });
    expect(other.vgpu.state).toBe('attached');
    return times.sort((x, y) => x - y);
  }

  const lateness = (times: readonly number[], percentile: number): number =>
    times[Math.ceil(times.length * percentile) - 1]! - times[Math.floor(times.length / 2)]!;

  test('by what can be broken off has no frame of the other late by a slice, and its own driver recovers each time', () => {
    const times = aMinuteBeside(waitInVain);
    expect(lateness(times, 1)).toBeLessThan(4 * MS + MS / 4);
    expect(lateness(times, 0.99)).toBeLessThan(4 * MS);
    expect(guilty.vgpu.state).toBe('attached');
  });

  test('by what can not is in failsafe after three, and the other’s frames are late by less than a slice at the 99th percentile', () => {
    const times = aMinuteBeside(standStill);
    expect(guilty.vgpu.state).toBe('failsafe');
    expect(guilty.vgpu.reason).toMatch(
      /^3 hangs within a minute that others had to wait out; the last: RCS: no progress/,
    );
    expect(guilty.workloads).toEqual({ RCS: { hung: 3 } });
    expect(lateness(times, 0.99)).toBeLessThan(4 * MS);
  });

  test('is taken out of failsafe by the operator, and its driver can start anew', () => {
    expect(() => machine.core.revive(guilty.vgpu.id)).toThrow(
      expect.objectContaining({ code: 'XENGT_E_NO_FAILSAFE', remedy: expect.stringContaining('nothing to revive') }),
    );
    guilty.vgpu.failsafe('3 hangs');
    machine.core.revive(guilty.vgpu.id);
    expect(guilty.vgpu.state).toBe('attached');
    guilty.bringUp();
    frame(guilty, 77);
    machine.run(5 * MS);
    expect(guilty.guest.page(DATA)[0]).toBe(77);
    expect(() => machine.core.revive(99)).toThrow(expect.objectContaining({ code: 'XENGT_E_NOT_FOUND' }));
  });
});

test('the smaller the vGPU, the less patience there is with it, and never less than a driver’s own', () => {
  const stuck = [512, 256, 128, 64, 16].map((lowMiB) => hangLimitsOf({ lowBytes: lowMiB * 2 ** 20 }).stuckNs / SECOND);
  expect(stuck).toEqual([12, 8, 6, 4, 4]);
});

test('weight and cap that the operator changes are in force within the next periods, for real submissions', () => {
  const machine = new Machine();
  const [a, b] = [machine.boot(), machine.boot()];
  const target = (driver: ScriptedDriver) => driver.guest.bind(0x1100, DATA);
  const batch = (driver: ScriptedDriver) =>
    Array.from({ length: 200 }, (_, i) => storeDword(target(driver), i, true)).flat();
  const loads = [a, b].map((driver) => ({ driver, commands: batch(driver), done: 0 }));
  const busy = (driver: ScriptedDriver) => machine.core.arbiter.busySeconds(driver.vgpu.id, RCS);
  /** Both keep two contexts submitted, and submit one again when it is done. */
  const run = (ns: number): [number, number] => {
    const before = [busy(a), busy(b)];
    const end = machine.core.clock.now() + ns;
    while (machine.core.clock.now() < end) {
      for (const load of loads) {
        if (load.driver.vgpu.busy && load.driver.vgpu.queueFull(0x2230)) continue;
        load.driver.submit(RCS, load.done++ % 2, load.commands, 1 + (load.done % 2));
      }
      machine.run(20e3);
    }
    return [busy(a) - before[0]!, busy(b) - before[1]!];
  };
  run(30 * MS);
  // A slice more or less is what a window of this length can be off by.
  const [a1, b1] = run(100 * MS);
  expect(Math.abs(a1 - b1)).toBeLessThan(0.0045);
  machine.core.setShare(b.vgpu.id, { weight: 6 });
  run(10 * MS);
  const [a2, b2] = run(100 * MS);
  expect(b2 / a2).toBeGreaterThan(2.7);
  expect(b2 / a2).toBeLessThan(3.3);
  machine.core.setShare(b.vgpu.id, { cap: 20 });
  run(10 * MS);
  const [, b3] = run(200 * MS);
  expect(b3 / 0.2).toBeLessThan(0.21);
  expect(b3 / 0.2).toBeGreaterThan(0.18);
  expect(machine.core.get(b.vgpu.id).share).toEqual({ weight: 6, cap: 20, priority: 0 });
});
