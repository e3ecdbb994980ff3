import { expect, test } from 'vitest';
import { VirtualClock } from '../../src/base/index.js';
import { platformByName } from '../../src/hw/index.js';
import { MediatorCore } from '../../src/mediator/index.js';
import { TimedTraps, TRAP_SAMPLE, TRAP_STEPS } from '../../src/mediator/trap-times.js';

/** Each look at this clock finds that so much time has passed. */
class Ticking extends VirtualClock {
  constructor(private readonly ns: number) {
    super();
  }
  override now(): number {
    this.advance(this.ns);
    return super.now();
  }
}

function timed(ns: number) {
  const platform = platformByName('SKL');
  if (!platform) throw new Error('no SKL');
  const core = new MediatorCore({ platform, apertureBytes: 1 << 30 });
  const { vgpu } = core.create({ name: 'a', type: 'V5_8', monitor: true });
  return { vgpu, traps: new TimedTraps(vgpu, new Ticking(ns)) };
}

const step = (seconds: number) => TRAP_STEPS.indexOf(seconds);

test('one trap in so many is timed, and each is answered as without', () => {
  const { vgpu, traps } = timed(3000);
  for (let i = 0; i < 3 * TRAP_SAMPLE; i++) expect(traps.read(7, 0, 4)).toBe(vgpu.read(7, 0, 4));
  const { count, seconds, upTo } = traps.times();
  expect(count).toBe(3);
  expect(seconds).toBeCloseTo(9e-6, 12);
  expect(upTo[step(2e-6)]).toBe(0);
  expect(upTo.slice(step(5e-6))).toEqual(TRAP_STEPS.slice(step(5e-6)).map(() => 3));
});

test('reads of 8 bytes, writes and blocks pass through whole', () => {
  const { vgpu, traps } = timed(1);
  for (let i = 0; i < 2 * TRAP_SAMPLE; i++) traps.write(0, 0x2358, 4, i, 0);
  expect(traps.times().count).toBe(2);
  expect(traps.read(7, 0, 8)).toBe(vgpu.read(7, 0, 8));
  expect(traps.readHi).toBe(vgpu.readHi);
  const block = new Uint8Array(4);
  traps.readConfigBlock(0, block);
  expect([...block.subarray(0, 2)]).toEqual([0x86, 0x80]);
});

test('a trap that takes longer than the last step is in the count alone', () => {
  const { traps } = timed(60e6);
  for (let i = 0; i < TRAP_SAMPLE; i++) traps.read(0, 0x2358, 4);
  const { count, upTo } = traps.times();
  expect(count).toBe(1);
  expect(upTo.at(-1)).toBe(0);
});

test('resets of the device and of engines are told apart', () => {
  const { vgpu } = timed(1);
  vgpu.reset();
  vgpu.resetEngines([0, 1], false);
  expect(vgpu.resets).toEqual({ device: 1, engine: 2 });
  vgpu.failsafe('a rule');
  vgpu.failsafe('another');
  expect(vgpu.timesInFailsafe).toBe(1);
});
