import { beforeEach, describe, expect, test } from 'vitest';
import { BCS, ENGINES, INTERRUPT_GROUPS, MASTER_IRQ, PVINFO, RCS, RING } from '../../src/hw/index.js';
import { SPACE } from '../../src/hypervisor/index.js';
import { DESCRIPTOR_FLAGS, Machine, type ScriptedDriver } from '../support/scripted-driver.js';
import { startBatch, storeDword, USER_INTERRUPT } from '../support/scripted-guest.js';

const GIB = 2 ** 30;
const BATCH = 0x200;
const DATA = 0x201;
const GDRST = 0x941c;
const RCS_BASE = ENGINES[RCS]!.mmioBase;
const RESET_RCS = 1 << ENGINES[RCS]!.resetBit;
const IDLE_STATUS = 2;
const PVINFO_PAGE = 0x78000;
/** Power state in PCI configuration space. */
const PMCSR = 0xd4;
const D3HOT = 3;
/** Short enough that the model need not execute seconds of an endless batch. */
const HANG_LIMITS = { checkNs: 1e6, stuckNs: 12e6, runNs: 40e6 };

let machine: Machine;
let driver: ScriptedDriver;
let neighbour: ScriptedDriver;
beforeEach(() => {
  machine = new Machine({ hangLimits: HANG_LIMITS });
  driver = machine.boot();
  neighbour = machine.boot();
});

/** A batch that starts itself for ever, in the driver's own address space. */
function submitEndless(engine: 0 | 1 = RCS, slot = 0): void {
  driver.guest.mapPpgtt(GIB, BATCH);
  driver.guest.page(BATCH).set(startBatch(GIB));
  driver.submit(engine, slot, [...startBatch(GIB), 0]);
}

/** Stores `value` by the command streamer. @returns whether it arrived */
function works(who: ScriptedDriver, value: number, engine: 0 | 1 = RCS): boolean {
  const target = who.guest.bind(0x1100, DATA);
  who.submit(engine, 1, [...storeDword(target, value, true), USER_INTERRUPT, 0]);
  machine.run(5e6);
  return who.guest.page(DATA)[0] === value && who.events(engine).at(-1)?.status === 0x18;
}

describe('engine reset', () => {
  test('is granted at once, takes what runs away, and leaves the engine usable', () => {
    submitEndless();
    machine.run();
    expect(driver.read(RCS_BASE + RING.EXECLIST_STATUS_HI)).toBe(100);
    driver.writeMasked(RCS_BASE + RING.MI_MODE, 1 << 8);
    expect(driver.read(RCS_BASE + RING.MI_MODE) & (1 << 9)).not.toBe(0);
    driver.writeMasked(RCS_BASE + RING.RESET_CTL, 1);
    expect(driver.read(RCS_BASE + RING.RESET_CTL) & 3).toBe(3);
    driver.write(GDRST, RESET_RCS);
    expect(driver.read(GDRST)).toBe(0);
    driver.writeMasked(RCS_BASE + RING.RESET_CTL, 1, false);
    driver.writeMasked(RCS_BASE + RING.MI_MODE, 1 << 8, false);
    expect(driver.read(RCS_BASE + RING.RESET_CTL) & 3).toBe(0);
    expect(driver.read(RCS_BASE + RING.EXECLIST_STATUS_LO)).toBe(IDLE_STATUS);
    expect(driver.read(RCS_BASE + RING.EXECLIST_STATUS_HI)).toBe(0);
    driver.startEngine(RCS);
    expect(works(driver, 1)).toBe(true);
    expect(driver.workloads).toMatchObject({ RCS: { dropped: 1, complete: 1 } });
    expect(driver.vgpu.allRefusals()).toEqual({});
  });

  test('of one engine leaves the work of another engine alone', () => {
    submitEndless();
    const target = driver.guest.bind(0x1100, DATA);
    driver.submit(BCS, 1, storeDword(target, 7, true));
    driver.write(GDRST, RESET_RCS);
    machine.run();
    expect(driver.guest.page(DATA)[0]).toBe(7);
    expect(driver.events(BCS).at(-1)).toEqual({ status: 0x18, id: 101 });
  });

  test('does not touch what the neighbour has on the same engine', () => {
    submitEndless();
    machine.run();
    const target = neighbour.guest.bind(0x1100, DATA);
    neighbour.submit(RCS, 0, storeDword(target, 5, true));
    driver.write(GDRST, RESET_RCS);
    machine.run();
    expect(neighbour.guest.page(DATA)[0]).toBe(5);
    expect(neighbour.workloads).toEqual({ RCS: { complete: 1 } });
  });

  test('while the neighbour runs there does not end the neighbour’s work', () => {
    const target = neighbour.guest.bind(0x1100, DATA);
    neighbour.submit(RCS, 0, [...new Array<number>(400).fill(0), ...storeDword(target, 5, true)]);
    machine.core.advance();
    driver.write(GDRST, RESET_RCS);
    driver.write(GDRST, 1);
    machine.run();
    expect(neighbour.guest.page(DATA)[0]).toBe(5);
    expect(neighbour.workloads).toEqual({ RCS: { complete: 1 } });
  });

  test('lets no event of before be seen after it', () => {
    driver.submit(RCS, 0, [USER_INTERRUPT, 0]);
    // The work is done, but the reset comes before the mediator tells.
    machine.core.clock.advance(1e6);
    machine.core.gpu.advance(machine.core.clock.now());
    driver.write(GDRST, RESET_RCS);
    driver.startEngine(RCS);
    machine.run();
    expect(driver.events(RCS)).toEqual([]);
    expect(works(driver, 9)).toBe(true);
  });

  test('a thousand times in a row, each with work on the engine, leaves nothing behind', () => {
    const pages = driver.vgpu.shadowPages;
    submitEndless();
    for (let i = 0; i < 1000; i++) {
      driver.write(GDRST, RESET_RCS);
      driver.startEngine(RCS);
      driver.writeElsp(RCS, [driver.guest.ggttBase * 4096 + DESCRIPTOR_FLAGS, i]);
      machine.core.advance();
    }
    driver.write(GDRST, RESET_RCS);
    driver.startEngine(RCS);
    expect(works(driver, 2)).toBe(true);
    expect(driver.vgpu.shadowPages - pages).toBeLessThan(8);
    expect(works(neighbour, 3)).toBe(true);
    expect(machine.violations).toBe(0);
  });
});

describe('full GT reset', () => {
  test('clears the engines’ registers, and leaves PVINFO, page table, fences and interrupts as they are', () => {
    const { lowStart } = driver.vgpu.grant;
    driver.write(0x100004, lowStart + 0xf000);
    driver.write(0x100000, lowStart + 1);
    driver.writeGgtt(driver.guest.ggttBase, 0x201001);
    driver.write(GDRST, 1);
    expect(driver.read(GDRST)).toBe(0);
    expect(driver.read(RCS_BASE + RING.MODE)).toBe(0);
    expect(driver.read(RCS_BASE + RING.HWS_PGA)).toBe(0);
    expect(driver.pvinfo(PVINFO.MAGIC)).toBe(0x76544776);
    expect(driver.read(0x100000)).toBe(lowStart + 1);
    expect(driver.read(0x800000 + 8 * driver.guest.ggttBase)).toBe(0x201001);
    expect(driver.read(INTERRUPT_GROUPS[0]!.base + 12)).toBe(0xffffffff);
    expect(driver.read(MASTER_IRQ)).toBe(0x80000000);
    driver.startEngine(RCS);
    expect(works(driver, 4)).toBe(true);
  });

  test('takes all that runs away', () => {
    submitEndless(RCS, 0);
    submitEndless(BCS, 1);
    machine.run();
    driver.write(GDRST, 1);
    for (const engine of [RCS, BCS] as const) {
      driver.startEngine(engine);
      expect(works(driver, 6 + engine, engine)).toBe(true);
    }
    expect(driver.workloads).toMatchObject({ RCS: { dropped: 1 }, BCS: { dropped: 1 } });
  });
});

describe('device reset', () => {
  test('gives back a vGPU as it was made, whatever was on its way', () => {
    submitEndless();
    driver.writeGgtt(driver.guest.ggttBase + 9, 0x201001);
    driver.write(0x100004, driver.vgpu.grant.lowStart + 0xf000);
    driver.write(0x100000, driver.vgpu.grant.lowStart + 1);
    driver.write(0x70000 + 0x1234, 55);
    machine.run();
    const { messages } = driver;
    driver.vgpu.reset();
    expect(driver.config(4, 2)).toBe(0);
    expect(driver.config(0xae, 2) & 1).toBe(0);
    expect(driver.read(0x800000 + 8 * (driver.guest.ggttBase + 9), 8)).toBe(0);
    expect(driver.read(0x100000)).toBe(0);
    expect(driver.read(MASTER_IRQ)).toBe(0);
    machine.run();
    expect(driver.messages).toBe(messages);
    expect(driver.vgpu.shadowPages).toBe(4);
    driver.bringUp();
    expect(works(driver, 8)).toBe(true);
    expect(works(neighbour, 8)).toBe(true);
  });

  test('makes the driver look at PVINFO again before it may switch execlists on', () => {
    driver.vgpu.reset();
    driver.startEngine(RCS);
    expect(driver.vgpu.reason).toMatch(/never looked at PVINFO/);
  });
});

describe('a device reset on the way out of D3', () => {
  beforeEach(() => {
    expect(works(driver, 7)).toBe(true);
    driver.write(PMCSR, D3HOT, 2, SPACE.CONFIG);
    driver.vgpu.reset();
  });

  test('keeps its GGTT, as memory does', () => {
    driver.write(PMCSR, D3HOT, 2, SPACE.CONFIG);
    driver.writeGgtt(driver.guest.ggttBase + 9, 0x201001);
    driver.vgpu.reset();
    expect(driver.read(0x800000 + 8 * (driver.guest.ggttBase + 9), 8)).toBe(0x201001);
  });

  test('is none of the next guest, nor of a driver that had lost its vGPU', () => {
    const entry = 0x800000 + 8 * (driver.guest.ggttBase + 9);
    driver.writeGgtt(driver.guest.ggttBase + 9, 0x201001);
    driver.write(PMCSR, D3HOT, 2, SPACE.CONFIG);
    driver.vgpu.detach();
    driver.bus.attach();
    expect(driver.read(entry, 8)).toBe(0);

    driver.bringUp();
    driver.writeGgtt(driver.guest.ggttBase + 9, 0x201001);
    driver.vgpu.failsafe('it broke a rule');
    driver.write(PMCSR, D3HOT, 2, SPACE.CONFIG);
    driver.vgpu.reset();
    expect(driver.read(entry, 8)).toBe(0);
    expect(driver.vgpu.notified).toBe(false);
  });

  /** A driver that resumes does all but to look at PVINFO and to announce its address spaces. */
  function resume(): void {
    driver.enableDevice();
    driver.enableInterrupts();
    for (const engine of driver.vgpu.platform.engines) driver.startEngine(engine);
  }

  test('lets the driver go on where it was', () => {
    resume();
    expect(works(driver, 9)).toBe(true);
    expect(works(neighbour, 9)).toBe(true);
    expect(driver.vgpu.state).toBe('attached');
    expect(machine.core.gpu.oracle.violations).toBe(0);
  });

  test('is one of its own: the next reset is of a driver that starts anew', () => {
    resume();
    expect(works(driver, 9)).toBe(true);
    driver.vgpu.reset();
    driver.startEngine(RCS);
    expect(driver.vgpu.reason).toMatch(/never looked at PVINFO/);
  });
});

describe('a workload that never ends', () => {
  test('is given up, and its driver recovers as from a hang', () => {
    submitEndless();
    machine.run(100e6);
    expect(driver.workloads).toEqual({ RCS: { hung: 1 } });
    expect(driver.vgpu.state).toBe('attached');
    // The port still shows the context as running: that is by what a driver finds the guilty one.
    expect(driver.read(RCS_BASE + RING.EXECLIST_STATUS_HI)).toBe(100);
    driver.write(GDRST, RESET_RCS);
    driver.startEngine(RCS);
    expect(works(driver, 11)).toBe(true);
  });

  test('does not keep the neighbour from the engine for ever', () => {
    submitEndless();
    machine.run();
    neighbour.submit(RCS, 0, [USER_INTERRUPT, 0]);
    machine.run(100e6);
    expect(neighbour.workloads).toEqual({ RCS: { complete: 1 } });
  });

  test('is reported once, however often its tail is moved meanwhile, and another engine goes on', () => {
    submitEndless();
    const { lrca } = driver.guest.context(1, [0, 0, 0, 0, 0, 0]);
    const state = driver.guest.page(0x121);
    driver.writeElsp(BCS, [lrca + DESCRIPTOR_FLAGS, 1]);
    for (const tail of [8, 16, 24]) {
      driver.guest.page(0x101)[7] = 16 + tail;
      driver.writeElsp(RCS, [driver.guest.ggttBase * 4096 + DESCRIPTOR_FLAGS, 100]);
    }
    machine.run(100e6);
    expect(driver.workloads).toEqual({ RCS: { hung: 1 }, BCS: { complete: 1 } });
    expect(state[5]).toBe(24);
    machine.run(100e6);
    expect(driver.workloads).toEqual({ RCS: { hung: 1 }, BCS: { complete: 1 } });
  });
});

describe('failsafe', () => {
  const breakRules = (): void => driver.write(PVINFO_PAGE + 0x810, 1);

  test('ends what the vGPU has on the engines, and nothing of it is heard', () => {
    submitEndless();
    machine.run();
    breakRules();
    const { messages } = driver;
    machine.run();
    expect(driver.messages).toBe(messages);
    expect(driver.workloads).toEqual({ RCS: { dropped: 1 } });
    expect(works(neighbour, 1)).toBe(true);
  });

  test('keeps the first reason', () => {
    breakRules();
    const { reason } = driver.vgpu;
    driver.write(RCS_BASE + RING.MODE, 0x10001);
    driver.vgpu.failsafe('another');
    expect(driver.vgpu.reason).toBe(reason);
  });

  test('makes registers memory: the guest finds what it wrote, and nothing happens', () => {
    const { lrca } = driver.guest.context(0, [0, 0]);
    breakRules();
    driver.write(0x2000, 0x11223344);
    driver.write(0x2004, 0x55, 1);
    driver.write(0x2006, 0x6677, 2);
    driver.write(0x2008, 0x8899aabb, 8, SPACE.BAR0, 0xccddeeff);
    expect(driver.read(0x2000)).toBe(0x11223344);
    expect(driver.read(0x2004)).toBe(0x66770055);
    expect(driver.read(0x2006, 2)).toBe(0x6677);
    expect(driver.read(0x2007, 1)).toBe(0x66);
    expect(driver.read(0x2008, 8)).toBe(0x8899aabb);
    expect(driver.readHi).toBe(0xccddeeff);
    driver.writeElsp(RCS, [lrca + DESCRIPTOR_FLAGS, 1]);
    driver.write(GDRST, 1);
    driver.notifyPpgtt(4, 0x5000);
    driver.writeGgtt(driver.guest.ggttBase + 0x123, 0x201001);
    machine.run();
    expect(driver.read(GDRST)).toBe(1);
    expect(driver.read(0x800000 + 8 * (driver.guest.ggttBase + 0x123))).toBe(0);
    expect(driver.workloads).toEqual({});
    expect(driver.vgpu.state).toBe('failsafe');
  });

  test('still refuses by name what no register access can be', () => {
    breakRules();
    driver.read(0x2001, 4);
    driver.write(0x2000, 1, 3);
    driver.read(0x1ffffc, 8);
    expect(driver.vgpu.allRefusals()).toEqual({ 'mmio-misaligned': 1, 'mmio-width': 1, 'mmio-outside': 1 });
  });

  test('what a guest wrote into its registers meanwhile is gone after the reset that ends it', () => {
    breakRules();
    driver.write(RCS_BASE + RING.FORCE_TO_NONPRIV, 0x2080);
    driver.write(PVINFO_PAGE + PVINFO.FENCE_NUM, 32);
    driver.vgpu.reset();
    expect(driver.read(RCS_BASE + RING.FORCE_TO_NONPRIV)).toBe(0);
    expect(driver.pvinfo(PVINFO.FENCE_NUM)).toBe(4);
    expect(driver.vgpu.reason).toBeNull();
  });

  test('ends when the guest goes, and the next one finds a vGPU as it was made', () => {
    breakRules();
    driver.vgpu.detach();
    expect(driver.vgpu.state).toBe('waiting');
    driver.bus.attach();
    driver.bringUp();
    expect(works(driver, 3)).toBe(true);
  });
});

test('a guest that goes away with work on all engines leaves no page and no time unaccounted for', () => {
  const { gpu } = machine.core;
  submitEndless(RCS, 0);
  submitEndless(BCS, 1);
  machine.run();
  driver.vgpu.detach();
  machine.run();
  for (const engine of machine.core.platform.engines) {
    const { busy, idle, switching, total } = machine.core.arbiter.engineTotals(engine);
    expect(busy + idle + switching).toBeCloseTo(total, 12);
  }
  expect(works(neighbour, 3)).toBe(true);
  // Frames that were its own belong to nobody: an entry of its slice leads to scratch.
  const { lowStart, highStart } = driver.vgpu.grant;
  const scratch = gpu.readGgttLo(lowStart / 4096);
  for (const page of [lowStart / 4096, highStart / 4096, highStart / 4096 + 0x1001]) {
    expect(gpu.readGgttLo(page)).toBe(scratch);
  }
  expect(machine.violations).toBe(0);
});
