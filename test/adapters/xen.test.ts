import { describe, expect, test } from 'vitest';
import { RCS } from '../../src/hw/index.js';
import { Machine } from '../support/scripted-driver.js';
import { BATCH_END, startBatch, storeDword } from '../support/scripted-guest.js';
import { behavesAsAGpu } from './behaviour.js';
import { XenBus } from './xen-bus.js';

const GIB = 2 ** 30;
const BATCH = 0x200;
const DATA = 0x201;

describe('as a domain of Xen', () => {
  behavesAsAGpu((core, vgpu) => new XenBus(core, vgpu));
});

describe('page tables of a domain of Xen', () => {
  const machine = new Machine({}, (core, vgpu) => new XenBus(core, vgpu));
  const driver = machine.boot();
  const bus = driver.bus as XenBus;
  let slot = 0;

  /** Stores `value` at 2 GiB of the process by a batch. @returns where it was found */
  const run = (value: number): number => {
    driver.guest.page(BATCH).set([...storeDword(2 * GIB, value, false), BATCH_END]);
    driver.submit(RCS, slot % 2, startBatch(GIB));
    slot++;
    machine.run();
    driver.events(RCS);
    for (let i = 0; i < 8; i++) if (driver.guest.page(DATA + i)[0] === value) return i;
    return -1;
  };

  test('are protected from the first submission on, and a write to one is noticed', () => {
    driver.guest.mapPpgtt(GIB, BATCH);
    driver.guest.mapPpgtt(2 * GIB, DATA);
    expect(run(100)).toBe(0);
    expect(bus.protectedFrames.length).toBeGreaterThanOrEqual(4);
    const before = bus.trappedWrites;
    driver.guest.mapPpgtt(2 * GIB, DATA + 1);
    expect(bus.trappedWrites).toBe(before + 1);
    expect(run(101)).toBe(1);
  });

  test('that are written often between submissions become plain memory, and are followed all the same', () => {
    const before = bus.protectedFrames.length;
    for (let i = 0; i < 40; i++) driver.guest.mapPpgtt(2 * GIB + 4096 * (i % 3), DATA + (i % 5));
    expect(bus.protectedFrames.length).toBe(before - 1);
    const trapped = bus.trappedWrites;
    driver.guest.mapPpgtt(2 * GIB, DATA + 6);
    expect(bus.trappedWrites).toBe(trapped);
    expect(run(102)).toBe(6);
  });

  test('are protected again when they have calmed down', () => {
    const before = bus.protectedFrames.length;
    for (let i = 0; i < 100; i++) run(1000 + i);
    expect(bus.protectedFrames.length).toBe(before + 1);
    driver.guest.mapPpgtt(2 * GIB, DATA + 3);
    expect(run(2000)).toBe(3);
  });

  test('are all plain memory when the domain has lost its vGPU', () => {
    driver.bus.close();
    expect(bus.protectedFrames).toEqual([]);
  });
});
