/** What a hostile guest can make grow, and where it ends. */
import { describe, expect, test } from 'vitest';
import { GUEST_FRAMES } from '../../src/base/index.js';
import { BCS, ENGINES, G2V, type Grant, RCS, RING } from '../../src/hw/index.js';
import { SPACE } from '../../src/hypervisor/index.js';
import { MAX_SHADOW_PAGES } from '../../src/vgpu/index.js';
import { DESCRIPTOR_FLAGS, Machine, type ScriptedDriver } from '../support/scripted-driver.js';
import { startBatch, storeDword, USER_INTERRUPT } from '../support/scripted-guest.js';

const GIB = 2 ** 30;
const MIB = 2 ** 20;
const BATCH = 0x200;
const DATA = 0x201;
const NOOPS = new Array<number>(1024).fill(0);

function expectWorks(driver: ScriptedDriver): void {
  const target = driver.guest.bind(0x1100, DATA);
  driver.guest.page(DATA)[0] = 0;
  driver.submit(BCS, 5, storeDword(target, 0x600d, true));
  driver.machine.run(5e6);
  expect(driver.guest.page(DATA)[0]).toBe(0x600d);
}

describe('a guest that announces address spaces without end', () => {
  test('comes to the end of its shadow pages, loses its vGPU, and gets all back by a reset', () => {
    const machine = new Machine();
    const neighbour = machine.boot();
    const driver = machine.boot();
    driver.memory.map(0x1000, 2 * MAX_SHADOW_PAGES);
    let created = 0;
    for (; driver.vgpu.state === 'attached'; created++) {
      driver.notifyPpgtt(G2V.PPGTT_L4_CREATE, (0x1000 + created) * 4096);
      expect(created).toBeLessThanOrEqual(MAX_SHADOW_PAGES);
    }
    expect(driver.vgpu.reason).toMatch(/need more than 16384 shadow pages/);
    expect(driver.vgpu.shadowPages).toBe(MAX_SHADOW_PAGES);
    expectWorks(neighbour);
    driver.vgpu.reset();
    expect(driver.vgpu.shadowPages).toBe(4);
    driver.bringUp();
    expectWorks(driver);
  });

  test('comes to an end also where the spaces share their tables', () => {
    const driver = new Machine().boot();
    for (let i = 0; driver.vgpu.state === 'attached'; i++) {
      const roots = [0, 5, 10, 15].map((shift) => (0x100 + ((i >> shift) & 31)) * 4096);
      driver.notifyPpgtt(G2V.PPGTT_L3_CREATE, ...roots);
      expect(i).toBeLessThanOrEqual(MAX_SHADOW_PAGES);
    }
    expect(driver.vgpu.reason).toMatch(/more than 16384 page-table roots/);
    expect(driver.vgpu.shadowPages).toBeLessThan(200);
    driver.vgpu.reset();
    expect(driver.vgpu.shadowPages).toBe(4);
  });

  test('cannot take the pages that others may need', () => {
    const { core } = new Machine();
    const { lowBytes, highBytes } = { lowBytes: 128 * MIB, highBytes: 384 * MIB };
    const most = (512 - 128) / 16;
    expect(core.gpu.poolPages).toBeGreaterThan(most * MAX_SHADOW_PAGES + (lowBytes + highBytes) / 4096);
  });
});

test('a guest that touches every register there is not is told apart up to a bound', () => {
  const { vgpu } = new Machine().attach();
  for (let offset = 0; offset < 0x200000; offset += 4) vgpu.read(SPACE.BAR0, offset, 4);
  expect(vgpu.regs.unknown().length).toBe(3072);
  expect(vgpu.regs.unknownOverflow).toBeGreaterThan(10_000);
  expect(vgpu.state).toBe('attached');
});

describe('a guest that submits without end', () => {
  test('by moving a tail to and fro has one piece of work at the engine, and what came meanwhile as the next', () => {
    const machine = new Machine();
    const neighbour = machine.boot();
    const driver = machine.boot();
    const { lrca } = driver.guest.context(0, NOOPS.slice(0, 64));
    const state = driver.guest.page(0x101);
    for (let i = 0; i < 5000; i++) {
      state[7] = 8 + 8 * (i % 2);
      driver.writeElsp(RCS, [lrca + DESCRIPTOR_FLAGS, 1]);
    }
    machine.run();
    expect(driver.workloads.RCS).toEqual({ complete: 2 });
    expectWorks(driver);
    expectWorks(neighbour);
  });

  test('of other contexts has the third refused', () => {
    const driver = new Machine().boot();
    driver.submit(RCS, 0, [0, 0]);
    for (let i = 0; i < 1000; i++) driver.submit(RCS, 1 + (i % 4), [0, 0]);
    expect(driver.refused('elsp-queue-full')).toBe(999);
  });

  test('once in failsafe has nothing accepted at all', () => {
    const driver = new Machine().boot();
    const { lrca } = driver.guest.context(0, [0, 0]);
    driver.vgpu.failsafe('test');
    for (let i = 0; i < 1000; i++) driver.writeElsp(RCS, [lrca + DESCRIPTOR_FLAGS, i]);
    driver.machine.run();
    expect(driver.workloads).toEqual({});
    expect(driver.vgpu.busy).toBe(false);
  });
});

test('a ring of 2 MiB runs, and many of them on all engines leave room for the neighbour', () => {
  const machine = new Machine();
  const neighbour = machine.boot();
  const driver = machine.boot();
  const { guest } = driver;
  const { lrca } = guest.context(0, []);
  const ring = 0x2000;
  for (let i = 0; i < 512; i++) guest.bind(ring + i, DATA);
  const state = guest.page(0x101);
  state[5] = 0;
  state[7] = 0x1ffff8;
  state[9] = (guest.ggttBase + ring) * 4096;
  state[0xb] = 0x1ff001;
  for (const engine of machine.core.platform.engines) driver.writeElsp(engine, [lrca + DESCRIPTOR_FLAGS, 1]);
  machine.run(20e6);
  for (const engine of machine.core.platform.engines) {
    expect(driver.workloads[ENGINES[engine]!.name]).toEqual({ complete: 1 });
  }
  expectWorks(neighbour);
});

describe('a batch without end', () => {
  /** The device is further behind with each turn, for the turns are as long as ten thousands of commands. */
  test.each([
    ['of jumps', [...startBatch(GIB)]],
    ['of commands', [...new Array<number>(256).fill(0x02800000), ...startBatch(GIB)]],
    ['of interrupts', [...new Array<number>(256).fill(USER_INTERRUPT), ...startBatch(GIB)]],
  ])('%s takes a bounded part of each turn of the mediator', (_name, batch) => {
    const { core, ...machine } = bootedPair();
    const { driver, neighbour } = machine;
    driver.guest.mapPpgtt(GIB, BATCH);
    driver.guest.page(BATCH).set(batch);
    driver.submit(RCS, 0, [...startBatch(GIB), 0]);
    const target = neighbour.guest.bind(0x1100, DATA);
    for (let turn = 0; turn < 20; turn++) {
      core.clock.advance(20e6);
      const before = core.gpu.counters.commands;
      core.advance();
      expect(core.gpu.counters.commands - before).toBeLessThan(25_000);
      // The neighbour's accesses are answered in between.
      neighbour.write(0x2358, turn);
      expect(neighbour.read(0x100000)).toBe(0);
    }
    neighbour.submit(BCS, 0, storeDword(target, 1, true));
    neighbour.machine.run(1e6);
    expect(neighbour.guest.page(DATA)[0]).toBe(1);
  });
});

function bootedPair() {
  const machine = new Machine();
  return { core: machine.core, driver: machine.boot(), neighbour: machine.boot() };
}

test('a notification that never comes to rest raises no more interrupts than the mediator has turns', () => {
  const { core, driver } = bootedPair();
  driver.guest.mapPpgtt(GIB, BATCH);
  driver.guest.page(BATCH).set([...new Array<number>(256).fill(USER_INTERRUPT), ...startBatch(GIB)]);
  driver.submit(RCS, 0, [...startBatch(GIB), 0]);
  const before = driver.messages;
  for (let turn = 0; turn < 20; turn++) {
    core.clock.advance(20e6);
    core.advance();
  }
  expect(driver.messages - before).toBeLessThan(20 * 70);
});

test('memory beyond what the device can tell apart is no memory to it', () => {
  const driver = new Machine().boot();
  driver.memory.map(GUEST_FRAMES - 2, 4);
  expect(driver.memory.mfnOf(GUEST_FRAMES - 1)).toBeGreaterThan(0);
  expect(driver.memory.mfnOf(GUEST_FRAMES)).toBe(-1);
  const { frameBase } = driver.machine.core.gpu;
  expect(frameBase.call(driver.machine.core.gpu, 2) - frameBase.call(driver.machine.core.gpu, 1)).toBe(GUEST_FRAMES);
});

describe('ids of vGPUs', () => {
  const at = (vgpu: number, from: number): Grant => ({
    vgpu,
    weight: 1,
    lowStart: from * MIB,
    lowBytes: 16 * MIB,
    highStart: (1024 + from) * MIB,
    highBytes: 16 * MIB,
    fenceStart: 4,
    fenceCount: 0,
  });

  test('come round when all have been used', () => {
    const { core } = new Machine();
    expect(core.create({ name: 'a', monitor: false }).id).toBe(1);
    expect(core.create({ name: 'b', monitor: false, grant: at(1022, 400) }).id).toBe(1022);
    core.remove(1);
    for (const [name, id] of [['c', 2]] as const) expect(core.create({ name, monitor: false }).id).toBe(id);
  });

  test.each([
    ['no id', { vgpu: 0 }],
    ['an id beyond all', { vgpu: 1024 }],
    ['no weight', { weight: 0 }],
    ['a weight that is no number', { weight: Number.NaN }],
    ['half a page', { lowBytes: 4096 }],
    ['nothing', { highBytes: 0 }],
    ['less than nothing', { lowStart: -MIB }],
    ['words', { lowStart: 'here' as unknown as number }],
    ['fences by halves', { fenceCount: 0.5 }],
  ] as const)('a journal that asks for %s is refused', (_name, part) => {
    const { core } = new Machine();
    expect(() => core.create({ name: 'a', monitor: false, grant: { ...at(7, 400), ...part } })).toThrow(
      expect.objectContaining({ code: 'XENGT_E_JOURNAL' }),
    );
    expect(core.members.size).toBe(0);
  });
});

test('a guest whose memory comes and goes all the time keeps its table, and its work comes out right', () => {
  const machine = new Machine();
  const driver = machine.boot();
  driver.guest.mapPpgtt(GIB, DATA);
  for (let i = 0; i < 50; i++) {
    driver.memory.unmap(0x800, 0x100);
    driver.vgpu.memoryChanged();
    driver.memory.map(0x800, 0x100);
    driver.vgpu.memoryChanged();
  }
  expect(driver.vgpu.shadowPages).toBeLessThan(16);
  expect(driver.read(ENGINES[RCS]!.mmioBase + RING.HWS_PGA)).not.toBe(0);
  expectWorks(driver);
  expect(machine.violations).toBe(0);
});
