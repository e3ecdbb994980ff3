import { beforeEach, describe, expect, test } from 'vitest';
import { BCS, G2V, INTERRUPT_GROUPS, MASTER_IRQ, PVINFO, RCS, VCS, VECS } from '../../src/hw/index.js';
import { SPACE } from '../../src/hypervisor/index.js';
import { DESCRIPTOR_FLAGS, DESCRIPTOR_FLAGS_32, Machine, type ScriptedDriver } from '../support/scripted-driver.js';
import { BATCH_END, startBatch, storeDword, USER_INTERRUPT } from '../support/scripted-guest.js';

const GIB = 2 ** 30;
const ALL = [
  ['RCS', RCS],
  ['BCS', BCS],
  ['VCS', VCS],
  ['VECS', VECS],
] as const;
const DATA = 0x201;
const GT0 = INTERRUPT_GROUPS[0]!.base;
const IMR = 4;
const IIR = 8;
const IER = 12;
const MASTER_ENABLED = 0x80000000;
const PVINFO_PAGE = 0x78000;

describe('a driver that probes its vGPU', () => {
  let machine: Machine;
  let driver: ScriptedDriver;
  beforeEach(() => {
    machine = new Machine();
    driver = machine.attach();
  });

  test('finds an Intel display controller that it can enable', () => {
    expect(driver.config(0, 2)).toBe(0x8086);
    expect(driver.config(0x0b, 1)).toBe(0x03);
    driver.enableDevice();
    expect(driver.config(4, 2) & 0x0406).toBe(0x0406);
    const header = new Uint8Array(64);
    driver.vgpu.readConfigBlock(0, header);
    expect(header[0]! | (header[1]! << 8)).toBe(0x8086);
    expect(header[4]! & 6).toBe(6);
  });

  test('reads from PVINFO which graphics memory and fences are its own', () => {
    expect(driver.pvinfo(PVINFO.MAGIC)).toBe(0x76544776);
    expect(driver.pvinfo(PVINFO.MAGIC + 4)).toBe(0x47765447);
    expect(driver.read(PVINFO_PAGE + PVINFO.VERSION, 2)).toBe(1);
    expect(driver.pvinfo(PVINFO.CAPS) & 4).toBe(4);
    expect(driver.pvinfo(PVINFO.MAPPABLE_SIZE)).toBe(64 * 2 ** 20);
    expect(driver.pvinfo(PVINFO.NONMAPPABLE_SIZE)).toBe(384 * 2 ** 20);
    expect(driver.pvinfo(PVINFO.FENCE_NUM)).toBe(4);
    expect(driver.pvinfo(PVINFO.MAPPABLE_BASE)).toBe(driver.vgpu.grant.lowStart);
    expect(driver.pvinfo(PVINFO.NONMAPPABLE_BASE)).toBe(driver.vgpu.grant.highStart);
  });

  test('two drivers are told of graphics memory that does not overlap', () => {
    const other = machine.attach();
    const ranges = [driver, other].map((one) => [one.pvinfo(PVINFO.MAPPABLE_BASE), one.pvinfo(PVINFO.MAPPABLE_SIZE)]);
    const [[a, size], [b]] = ranges as [[number, number], [number, number]];
    expect(Math.abs(a - b)).toBeGreaterThanOrEqual(size);
  });

  test('reads back its own table entries, written whole or in halves, and nothing elsewhere', () => {
    const first = driver.readPvinfo();
    driver.writeGgtt(first, 0x200 * 4096 + 1);
    driver.writeGgttHalves(first + 1, 0x201 * 4096 + 1);
    expect(driver.read(0x800000 + 8 * first)).toBe(0x200001);
    expect(driver.read(0x800000 + 8 * (first + 1), 8)).toBe(0x201001);
    expect(driver.read(0x800000, 8)).toBe(0);
    expect(driver.vgpu.allRefusals()).toEqual({});
  });

  test('sees through the aperture what its own page holds', () => {
    driver.enableDevice();
    const page = driver.pvinfo(PVINFO.MAPPABLE_BASE) / 4096;
    driver.writeGgtt(page, DATA * 4096 + 1);
    driver.write(page * 4096 + 0x10, 0x11223344, 4, SPACE.BAR2);
    driver.write(page * 4096 + 0x15, 0xab, 1, SPACE.BAR2);
    driver.write(page * 4096 + 0x18, 0x55667788, 8, SPACE.BAR2, 0x99aabbcc);
    expect([...driver.guest.page(DATA).subarray(4, 8)]).toEqual([0x11223344, 0xab00, 0x55667788, 0x99aabbcc]);
    expect(driver.read(page * 4096 + 0x12, 2, SPACE.BAR2)).toBe(0x1122);
    expect(driver.read(page * 4096 + 0x18, 8, SPACE.BAR2)).toBe(0x55667788);
    expect(driver.readHi).toBe(0x99aabbcc);
  });
});

describe('a driver that is up', () => {
  let machine: Machine;
  let driver: ScriptedDriver;
  beforeEach(() => {
    machine = new Machine();
    driver = machine.boot();
  });

  test.each(ALL)('finds the result of a batch on %s in its memory, and hears of it', (name, engine) => {
    driver.guest.mapPpgtt(GIB, 0x200);
    driver.guest.mapPpgtt(2 * GIB, DATA);
    driver.guest.page(0x200).set([...storeDword(2 * GIB + 8, 0xcafe, false), BATCH_END]);
    driver.submit(engine, 0, [...startBatch(GIB), USER_INTERRUPT], 77);
    expect(driver.events(engine)).toEqual([{ status: 1, id: 0 }]);
    machine.run();
    expect(driver.guest.page(DATA)[2]).toBe(0xcafe);
    expect(driver.events(engine)).toEqual([{ status: 0x18, id: 77 }]);
    expect(driver.messages).toBeGreaterThan(0);
    expect(driver.engineBits(driver.handleInterrupt(), engine)).toBe(0x101);
    expect(driver.workloads).toEqual({ [name]: { complete: 1 } });
    expect(driver.vgpu.allRefusals()).toEqual({});
    expect(machine.violations).toBe(0);
  });

  test('has two contexts run one after the other by one submission', () => {
    const target = driver.guest.bind(0x1100, DATA);
    const first = driver.guest.context(0, storeDword(target, 1, true));
    const second = driver.guest.context(1, storeDword(target + 4, 2, true));
    driver.writeElsp(BCS, [first.lrca + DESCRIPTOR_FLAGS, 1], [second.lrca + DESCRIPTOR_FLAGS, 2]);
    machine.run();
    expect([...driver.guest.page(DATA).subarray(0, 2)]).toEqual([1, 2]);
    expect(driver.events(BCS)).toEqual([
      { status: 1, id: 0 },
      { status: 0x14, id: 1 },
      { status: 0x18, id: 2 },
    ]);
  });

  test('adds to a context that runs by submitting it again with a new tail', () => {
    const target = driver.guest.bind(0x1100, DATA);
    const commands = [...storeDword(target, 1, true), ...storeDword(target + 4, 2, true)];
    const { lrca } = driver.guest.context(0, commands);
    const state = driver.guest.page(0x101);
    state[7] = 16;
    driver.writeElsp(RCS, [lrca + DESCRIPTOR_FLAGS, 9]);
    state[7] = 32;
    driver.writeElsp(RCS, [lrca + DESCRIPTOR_FLAGS, 9]);
    machine.run();
    expect([...driver.guest.page(DATA).subarray(0, 2)]).toEqual([1, 2]);
    expect(driver.events(RCS).at(-1)).toEqual({ status: 0x18, id: 9 });
    expect(state[5]).toBe(32);
  });

  test('runs a context of three levels as it does one of four', () => {
    const { guest } = driver;
    guest.mapPpgtt(GIB, DATA);
    // The first table below the PML4 is the PDP, whose first four entries are what a context of three levels names itself.
    const pdp = guest.page(guest.pml4)[0]! >>> 12;
    const roots = [0, 1, 2, 3].map((i) => (guest.page(pdp)[2 * i]! & ~0xfff) >>> 0);
    const { lrca } = guest.context(0, startBatch(GIB + 0x100));
    [0x33, 0x2f, 0x2b, 0x27].forEach((at, i) => {
      guest.page(0x101)[at] = roots[i]!;
    });
    guest.page(DATA).set([...storeDword(GIB, 0x33, false), BATCH_END], 0x40);
    driver.notifyPpgtt(G2V.PPGTT_L3_CREATE, ...roots);
    driver.writeElsp(RCS, [lrca + DESCRIPTOR_FLAGS_32, 3]);
    machine.run();
    expect(guest.page(DATA)[0]).toBe(0x33);
    driver.notifyPpgtt(G2V.PPGTT_L3_DESTROY, ...roots);
    expect(driver.vgpu.allRefusals()).toEqual({});
  });

  test('gives its address space back, and the mediator holds no page for it any more', () => {
    driver.guest.mapPpgtt(GIB, DATA);
    driver.submit(RCS, 0, [0, 0]);
    machine.run();
    const held = driver.vgpu.shadowPages;
    driver.notifyPpgtt(G2V.PPGTT_L4_DESTROY, driver.guest.pml4 * 4096);
    expect(driver.vgpu.shadowPages).toBe(held - 4);
  });

  test('is charged its engine time, and all time is accounted for', () => {
    machine.run();
    driver.submit(RCS, 0, [0, 0]);
    driver.submit(VCS, 1, [0, 0]);
    machine.run();
    for (const [, engine] of ALL) {
      const { busy, idle, switching, total } = machine.core.arbiter.engineTotals(engine);
      expect(busy + idle + switching).toBeCloseTo(total, 12);
      expect(machine.core.arbiter.busySeconds(driver.vgpu.id, engine)).toBeCloseTo(busy, 12);
      expect(busy > 0).toBe(engine === RCS || engine === VCS);
    }
  });
});

describe('interrupts as a driver sees them', () => {
  let machine: Machine;
  let driver: ScriptedDriver;
  const finish = (): void => {
    driver.submit(RCS, 0, [USER_INTERRUPT, 0]);
    machine.run();
  };
  beforeEach(() => {
    machine = new Machine();
    driver = machine.boot();
    driver.bus.messages = 0;
  });

  test('an event that IMR masks leaves no trace', () => {
    driver.write(GT0 + IMR, 0xffffffff);
    finish();
    expect(driver.read(GT0 + IIR)).toBe(0);
    driver.write(GT0 + IMR, 0);
    expect(driver.messages).toBe(0);
  });

  test('an event that IER does not enable waits in IIR and is heard once it is enabled', () => {
    driver.write(GT0 + IER, 0);
    finish();
    expect(driver.read(GT0 + IIR)).toBe(0x101);
    expect(driver.read(MASTER_IRQ)).toBe(MASTER_ENABLED);
    expect(driver.messages).toBe(0);
    driver.write(GT0 + IER, 1);
    expect(driver.messages).toBe(1);
    expect(driver.read(MASTER_IRQ)).toBe(MASTER_ENABLED + 1);
  });

  test('nothing is sent while the master is off, and what waits is sent when it is on again', () => {
    driver.write(MASTER_IRQ, 0);
    finish();
    expect(driver.messages).toBe(0);
    expect(driver.read(MASTER_IRQ)).toBe(1);
    driver.write(MASTER_IRQ, MASTER_ENABLED);
    expect(driver.messages).toBe(1);
  });

  test('writing ones to IIR clears these and no others', () => {
    finish();
    driver.write(GT0 + IIR, 1);
    expect(driver.read(GT0 + IIR)).toBe(0x100);
    expect(driver.read(MASTER_IRQ)).toBe(MASTER_ENABLED + 1);
    driver.write(GT0 + IIR + 1, 1, 1);
    expect(driver.read(GT0 + IIR)).toBe(0);
    expect(driver.read(MASTER_IRQ)).toBe(MASTER_ENABLED);
  });

  test('the status bits of the master are not the guest’s to write', () => {
    driver.write(MASTER_IRQ, 0x8000ffff);
    expect(driver.read(MASTER_IRQ)).toBe(MASTER_ENABLED);
    expect(driver.messages).toBe(0);
  });

  test('a driver without MSI gets its interrupts by the line, and the line shows in STATUS', () => {
    driver.write(0xae, 0, 2, SPACE.CONFIG);
    driver.write(0x04, 0x0006, 2, SPACE.CONFIG);
    finish();
    expect(driver.messages).toBe(0);
    expect(driver.lines).toBeGreaterThan(0);
    expect(driver.config(6, 2) & 8).toBe(8);
    driver.handleInterrupt();
    expect(driver.config(6, 2) & 8).toBe(0);
  });

  test('each engine has its own place in the tree', () => {
    for (const [, engine] of ALL) driver.submit(engine, engine, [USER_INTERRUPT, 0]);
    machine.run();
    const found = driver.handleInterrupt();
    for (const [, engine] of ALL) expect(driver.engineBits(found, engine)).toBe(0x101);
    expect(driver.handleInterrupt()).toEqual({});
  });
});
