/** Guests that want all of the render engine, through everything that a submission goes through: what each of them gets. */
import { describe, expect, test } from 'vitest';
import { ENGINES, RCS, RING } from '../../src/hw/index.js';
import { PERIOD_NS } from '../../src/scheduler/index.js';
import { DESCRIPTOR_FLAGS, Machine, type ScriptedDriver } from '../support/scripted-driver.js';
import { BATCH_END, startBatch, USER_INTERRUPT } from '../support/scripted-guest.js';

const GIB = 2 ** 30;
const MIB = 2 ** 20;
const SECOND = 1e9;
const BATCH = 0x200;
/** How often a guest looks whether it can submit more, ns. */
const LOOK_NS = 100e3;
const STEP = 7;

/** A draw of so many vertices: nothing is drawn, but it takes its time. Source: PRM SKL Vol 2a 3DPRIMITIVE. */
const draw = (vertices: number): number[] => [0x7b000005, 0, vertices, 0, 1, 0, 0];

/** A driver that keeps both its execution lists full. */
class Greedy {
  readonly #lrcas: number[];
  #next = 0;

  constructor(
    readonly driver: ScriptedDriver,
    draws: number,
    vertices: number,
  ) {
    const { guest } = driver;
    guest.mapPpgtt(GIB, BATCH);
    guest.page(BATCH).set([...Array.from({ length: draws }, () => draw(vertices)).flat(), BATCH_END, 0]);
    this.#lrcas = [0, 1, 2].map((slot) => guest.context(slot, [...startBatch(GIB), USER_INTERRUPT]).lrca);
  }

  submit(): void {
    const { driver } = this;
    while (!driver.vgpu.queueFull(ENGINES[RCS]!.mmioBase + RING.ELSP)) {
      const slot = this.#next++ % this.#lrcas.length;
      driver.guest.page(0x101 + 0x20 * slot)[5] = 0;
      driver.writeElsp(RCS, [this.#lrcas[slot]! + DESCRIPTOR_FLAGS, 1 + slot]);
    }
  }
}

function machineOf(count: number): { machine: Machine; guests: Greedy[] } {
  const machine = new Machine({ apertureBytes: 1024 * MIB });
  // Of different lengths, from a third of a millisecond to two.
  const guests = Array.from({ length: count }, (_, i) => new Greedy(machine.boot(), 10 + ((i * STEP) % 23), 15_000));
  return { machine, guests };
}

const used = (guest: Greedy): number => guest.driver.machine.core.arbiter.busySeconds(guest.driver.vgpu.id, RCS);

/** Lets the machine run. @returns what each guest had of the engine, s */
function run(machine: Machine, guests: readonly Greedy[], ns: number): number[] {
  const before = guests.map(used);
  const end = machine.core.clock.now() + ns;
  while (machine.core.clock.now() < end) {
    for (const guest of guests) guest.submit();
    machine.run(LOOK_NS);
  }
  return guests.map((guest, i) => used(guest) - before[i]!);
}

function setWeights({ core }: Machine, guests: readonly Greedy[], weights: readonly number[]): void {
  guests.forEach(({ driver }, i) => {
    core.setShare(driver.vgpu.id, { weight: weights[i]! });
  });
}

describe('guests that want all of the render engine', () => {
  test.each([[[1, 2]], [[1, 2, 4]], [[1, 2, 4, 1, 2, 4, 1]]])(
    'with weights %j have their shares within 1 % over each second, and wait no longer than is proved',
    (weights) => {
      const { machine, guests } = machineOf(weights.length);
      setWeights(machine, guests, weights);
      run(machine, guests, 0.1 * SECOND);
      const sum = weights.reduce((a, b) => a + b, 0);
      for (let second = 0; second < 2; second++) {
        const had = run(machine, guests, SECOND);
        const all = had.reduce((a, b) => a + b, 0);
        expect(all).toBeGreaterThan(0.9);
        had.forEach((seconds, i) => {
          expect(Math.abs(seconds / all - weights[i]! / sum)).toBeLessThan(0.01);
        });
      }
      const longest = guests.map(({ driver }) => machine.core.arbiter.engineShare(driver.vgpu.id, RCS));
      // Before the weights were changed all had the same; of both the larger bound holds.
      const occupied = 3e6;
      weights.forEach((_, i) => {
        const slice = (j: number) => Math.max(weights[j]! / sum, 1 / weights.length) * PERIOD_NS;
        const own = Math.min(weights[i]! / sum, 1 / weights.length) * PERIOD_NS;
        const rounds = Math.floor(occupied / own) + 1;
        let bound = 0;
        for (let j = 0; j < weights.length; j++) if (j !== i) bound += 2 * ((rounds + 2) * slice(j) + occupied);
        expect(longest[i]!.waits.longestSeconds * 1e9).toBeLessThan(bound);
      });
      for (const { driver } of guests) expect(driver.vgpu.state).toBe('attached');
      expect(machine.violations).toBe(0);
      const { busy, idle, switching, total } = machine.core.arbiter.engineTotals(RCS);
      expect(busy + idle + switching).toBeCloseTo(total, 9);
    },
  );

  test('and are capped do not exceed their caps by 1 % in any second, alone or not', () => {
    const { machine, guests } = machineOf(3);
    const caps = [10, 25, 100];
    guests.forEach(({ driver }, i) => {
      machine.core.setShare(driver.vgpu.id, { cap: caps[i]!, weight: 10 - i });
    });
    run(machine, guests, 0.05 * SECOND);
    for (const some of [guests, guests.slice(0, 1), guests.slice(0, 2)]) {
      run(machine, some, 0.1 * SECOND);
      const had = run(machine, some, SECOND);
      had.forEach((seconds, i) => {
        expect(seconds).toBeLessThan(caps[i]! / 100 + 0.01);
        if (caps[i]! < 100) expect(seconds).toBeGreaterThan(caps[i]! / 100 - 0.015);
      });
    }
  });

  test('share by weight under strict priority only among equals', () => {
    const machine = new Machine({ apertureBytes: 1024 * MIB, policy: 'priority' });
    const guests = [1, 2, 3].map(() => new Greedy(machine.boot(), 10, 15_000));
    const shares = [
      { priority: 1, weight: 1 },
      { priority: 1, weight: 3 },
      { priority: 0, weight: 100 },
    ];
    guests.forEach(({ driver }, i) => {
      machine.core.setShare(driver.vgpu.id, shares[i]!);
    });
    // The start, during which all go first.
    run(machine, guests, 2.1 * SECOND);
    const [low, high, none] = run(machine, guests, SECOND);
    expect(high! / low!).toBeGreaterThan(2.9);
    expect(high! / low!).toBeLessThan(3.1);
    expect(none!).toBeLessThan(0.01);
  });
});
