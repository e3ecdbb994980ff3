/** Where each vGPU's time on an engine went: running, switching and waiting are all there is for one that always has work. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BCS, type EngineId, RCS } from '../../src/hw/index.js';
import { storeDword } from '../support/scripted-guest.js';
import { Machine, Tenant } from './machine.js';

const MS = 1e6;
/** Context restored and saved, as the model declares them, ns. */
const SWITCH_NS = 6_000;

function submit(tenant: Tenant, engine: EngineId, tag: number, stores: number): void {
  const target = tenant.guest.bind(0x1000, 0x300);
  const commands = Array.from({ length: stores }, (_, i) => storeDword(target, i, true)).flat();
  tenant.submit(engine, tag, 0, commands);
}

test('while one runs, another that has work waits, and an engine that nobody wants is idle', () => {
  const machine = new Machine();
  const a = new Tenant(machine, 1);
  const b = new Tenant(machine, 2);
  submit(a, RCS, 1, 200);
  submit(b, RCS, 2, 50);
  machine.run(MS);
  const [ofA, ofB] = [1, 2].map((vgpu) => machine.arbiter.engineShare(vgpu, RCS));
  expect(ofA!.running).toBeGreaterThan(3 * ofB!.running);
  expect(ofA!.waits.seconds).toBe(0);
  expect(ofB!.waits.seconds).toBeCloseTo(ofA!.running + ofA!.switching, 7);
  expect(ofB!.waits).toMatchObject({ count: 1, longestSeconds: ofB!.waits.seconds });
  const { idle } = machine.arbiter.engineTotals(RCS);
  expect(idle).toBeCloseTo(0.001 - ofA!.running - ofA!.switching - ofB!.running - ofB!.switching, 9);
  expect(machine.arbiter.engineShare(1, BCS)).toMatchObject({ running: 0, switching: 0 });
});

test('what is switching by the engine’s clock is what restoring and saving a context takes', () => {
  const machine = new Machine();
  const a = new Tenant(machine, 1);
  for (let tag = 1; tag <= 50; tag++) submit(a, RCS, tag, 40);
  machine.run(10 * MS);
  const { running, switching } = machine.arbiter.engineShare(1, RCS);
  // The device may look up to a granularity late; the timestamp is right to a tick of 83 ns.
  expect((switching * 1e9) / 50).toBeGreaterThan(SWITCH_NS - 100);
  expect((switching * 1e9) / 50).toBeLessThan(SWITCH_NS + 3_000);
  expect((running * 1e9) / 50).toBeGreaterThan(40 * 50);
});

test('what the mediator itself is late by is not held against the vGPU that ran meanwhile', () => {
  const machine = new Machine();
  const tenants = [new Tenant(machine, 1), new Tenant(machine, 2)];
  const submitted = [0, 0];
  const run = (steps: number): void => {
    for (let step = 0; step < steps; step++) {
      for (const [i, tenant] of tenants.entries()) {
        while (submitted[i]! - tenant.done.length < 40) submit(tenant, RCS, ++submitted[i]!, 200);
      }
      machine.run(0.5 * MS);
    }
  };
  const ran = (vgpu: number): number => machine.arbiter.engineShare(vgpu, RCS).running;
  run(2);
  const before = [ran(1), ran(2)];
  // The host has no processor for it for 100 ms: half of that would be all slices of the next 100 ms.
  machine.clock.advance(100 * MS);
  run(80);
  const [a, b] = [ran(1) - before[0]!, ran(2) - before[1]!];
  expect(Math.abs(a - b)).toBeLessThan(0.01);
  expect(a + b).toBeGreaterThan(0.02);
});

test('for a vGPU that always has work, running, switching and waiting add up to the time that passed', () => {
  const step = fc.record({ stores: fc.integer({ min: 1, max: 240 }), engine: fc.constantFrom(RCS, BCS) });
  fc.assert(
    fc.property(
      fc.array(fc.array(step, { minLength: 4, maxLength: 20 }), { minLength: 2, maxLength: 3 }),
      (scripts) => {
        const machine = new Machine();
        const tenants = scripts.map((_, i) => new Tenant(machine, i + 1));
        scripts.forEach((script, i) => {
          script.forEach(({ stores, engine }, tag) => {
            submit(tenants[i]!, engine, tag, stores);
          });
        });
        for (const engine of [RCS, BCS] as const) {
          const share = (vgpu: number) => machine.arbiter.engineShare(vgpu, engine);
          // All have work there at first; it is looked at while that is so.
          const working = scripts.flatMap((script, i) => (script.some((one) => one.engine === engine) ? [i + 1] : []));
          const started = machine.clock.now();
          for (let look = 0; look < 10; look++) {
            machine.run(0.02 * MS);
            const now = machine.clock.now();
            let busy = 0;
            let switching = 0;
            for (const vgpu of [1, 2, 3].slice(0, scripts.length)) {
              const { running, switching: switched, waits } = share(vgpu);
              busy += running;
              switching += switched;
              const submitted = scripts[vgpu - 1]!.filter((one) => one.engine === engine).length;
              const ended = tenants[vgpu - 1]!.done.filter((one) => one.engine === engine).length;
              const all = running + switched + waits.seconds;
              expect(all * 1e9).toBeLessThanOrEqual(now + 1);
              if (working.includes(vgpu) && ended < submitted) expect(all * 1e9).toBeCloseTo(now, 0);
            }
            const totals = machine.arbiter.engineTotals(engine);
            expect(busy).toBeCloseTo(totals.busy, 9);
            expect(switching).toBeCloseTo(totals.switching, 9);
            expect(totals.busy + totals.idle + totals.switching).toBeCloseTo(now / 1e9, 9);
          }
          expect(machine.clock.now()).toBeGreaterThan(started);
        }
        machine.run(50 * MS);
        for (const [i, tenant] of tenants.entries()) expect(tenant.done).toHaveLength(scripts[i]!.length);
        expect(machine.violations).toBe(0);
      },
    ),
    { numRuns: 25 },
  );
});
