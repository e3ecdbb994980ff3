import { expect, test } from 'vitest';
import { ENGINES, RCS, RING } from '../../src/hw/index.js';
import { Machine } from '../support/scripted-driver.js';
import { startBatch } from '../support/scripted-guest.js';

const GIB = 2 ** 30;
const BATCH = 0x200;

test('a snapshot tells what the driver of a vGPU has made of it, and nothing of a neighbour', () => {
  const machine = new Machine();
  const driver = machine.boot();
  const neighbour = machine.boot();
  const before = machine.core.snapshot(driver.vgpu.id);
  const other = machine.core.snapshot(neighbour.vgpu.id);
  expect(before.engines).toContainEqual({ name: 'RCS', held: 0 });

  driver.guest.mapPpgtt(GIB, BATCH);
  driver.guest.page(BATCH).set(startBatch(GIB));
  driver.submit(RCS, 0, [...startBatch(GIB), 0]);
  const after = machine.core.snapshot(driver.vgpu.id);
  expect(after.platform).toBe('SKL');
  expect(after.config.slice(0, 4)).toBe('8680');
  expect(after.engines).toContainEqual({ name: 'RCS', held: 1 });
  expect(after.ggtt.mapped).toBeGreaterThan(before.ggtt.mapped);
  expect(after.ggtt.pages).toBe(driver.vgpu.ggtt.count().pages);
  expect(after.addressSpaces.length).toBeGreaterThan(0);
  const offset = ENGINES[RCS]!.mmioBase + RING.EXECLIST_STATUS_HI;
  expect(after.registers.find((register) => register.offset === offset)).toMatchObject({ value: 100 });
  expect(after.registers.every(({ value }) => value !== 0)).toBe(true);
  const { uptimeSeconds: _then, ...same } = other;
  expect(machine.core.snapshot(neighbour.vgpu.id)).toMatchObject(same);
});
