/**
 * What a guest can count on, whatever VMM it runs under: one suite for all adapters. Each test drives a vGPU by nothing but
 * accesses, its own memory and interrupts, as they pass through the adapter.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BCS, G2V, INTERRUPT_GROUPS, MASTER_IRQ, PVINFO, RCS, VCS, VECS } from '../../src/hw/index.js';
import { SPACE } from '../../src/hypervisor/index.js';
import type { Connect } from '../support/guest-bus.js';
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

/** Declares the suite's tests for one adapter. */
export function behavesAsAGpu(connect?: Connect): void {
  let machine: Machine;
  beforeEach(() => {
    machine = new Machine({}, connect);
  });
  afterEach(() => machine.close());

  describe('a driver that probes its vGPU', () => {
    let driver: ScriptedDriver;
    beforeEach(() => {
      driver = machine.attach();
    });

    test('finds an Intel display controller that it can enable', () => {
      expect(driver.config(0, 2)).toBe(0x8086);
      expect(driver.config(0x0b, 1)).toBe(0x03);
      driver.enableDevice();
      expect(driver.config(4, 2) & 0x0406).toBe(0x0406);
      const header = new Uint8Array(64);
      for (let i = 0; i < header.length; i++) header[i] = driver.config(i, 1);
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
    let driver: ScriptedDriver;
    beforeEach(() => {
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

  describe('a driver that changes its page tables', () => {
    /** Stores `value` at 2 GiB of the process by a batch, and lets it run. */
    const store = (driver: ScriptedDriver, slot: number, value: number): void => {
      driver.guest.mapPpgtt(GIB, 0x200);
      driver.guest.page(0x200).set([...storeDword(2 * GIB, value, false), BATCH_END]);
      driver.submit(RCS, slot, startBatch(GIB));
      machine.run();
    };

    test('has every batch run in the address space as it is when the batch is submitted', () => {
      const driver = machine.boot();
      for (let i = 0; i < 200; i++) {
        driver.guest.mapPpgtt(2 * GIB, DATA + (i % 7));
        store(driver, 0, 1000 + i);
        expect(driver.guest.page(DATA + (i % 7))[0]).toBe(1000 + i);
        driver.events(RCS);
      }
      expect(driver.vgpu.allRefusals()).toEqual({});
      expect(machine.violations).toBe(0);
    });

    test('that names memory which it does not have finds its batches end all the same', () => {
      const driver = machine.boot();
      driver.guest.mapPpgtt(2 * GIB, 0xff_ffff);
      store(driver, 0, 1);
      expect(driver.events(RCS).at(-1)?.status).toBe(0x18);
      expect(driver.refused('ppgtt-no-memory')).toBeGreaterThan(0);
      expect(machine.violations).toBe(0);
    });
  });

  describe('a guest that breaks the rules', () => {
    test('loses its vGPU alone, is told why, and is answered all the same', () => {
      const neighbour = machine.boot();
      const driver = machine.boot();
      // A ring command that reaches for the page tables of everybody.
      driver.submit(BCS, 0, [0x11000001, 0x2080, 0]);
      machine.run();
      expect(driver.vgpu.state).toBe('failsafe');
      expect(driver.failed).toContain('MI_LOAD_REGISTER_IMM');
      expect(driver.pvinfo(PVINFO.MAGIC)).toBe(0x76544776);
      neighbour.submit(BCS, 0, [...storeDword(neighbour.guest.bind(0x1100, DATA), 5, true), 0, 0]);
      machine.run();
      expect(neighbour.guest.page(DATA)[0]).toBe(5);
    });

    test.each([
      ['a register', SPACE.BAR0],
      ['the aperture', SPACE.BAR2],
    ] as const)('by an odd access to %s is answered', (_, space) => {
      const driver = machine.boot();
      for (const bytes of [1, 2, 4, 8]) {
        driver.read(0x2001, bytes, space);
        driver.write(0x2003, 0xffffffff, bytes, space, 0xffffffff);
      }
      driver.submit(RCS, 0, [0, 0]);
      machine.run();
      expect(driver.events(RCS).at(-1)?.status).toBe(0x18);
    });
  });

  describe('a VM that goes and comes again', () => {
    test('finds a device that remembers nothing, and can use it', () => {
      const driver = machine.boot();
      driver.submit(RCS, 0, [0, 0]);
      machine.run();
      driver.bus.detach();
      expect(driver.vgpu.state).toBe('waiting');
      driver.bus.attach();
      expect(driver.config(4, 2) & 4).toBe(0);
      expect(driver.read(GT0 + IER)).toBe(0);
      driver.bringUp();
      driver.submit(RCS, 0, [0, 0]);
      machine.run();
      expect(driver.events(RCS).at(-1)?.status).toBe(0x18);
      expect(driver.vgpu.shadowPages).toBeGreaterThan(0);
    });

    test('while it has work on the device leaves the device to the others', () => {
      const neighbour = machine.boot();
      const driver = machine.boot();
      driver.guest.mapPpgtt(GIB, 0x200);
      // A batch that goes on for ever.
      driver.guest.page(0x200).set(startBatch(GIB));
      driver.submit(RCS, 0, startBatch(GIB));
      machine.run();
      driver.bus.detach();
      neighbour.submit(RCS, 0, [0, 0]);
      machine.run(100 * 1_000_000);
      expect(neighbour.events(RCS).at(-1)?.status).toBe(0x18);
    });
  });

  describe('interrupts as a driver sees them', () => {
    let driver: ScriptedDriver;
    const finish = (): void => {
      driver.submit(RCS, 0, [USER_INTERRUPT, 0]);
      machine.run();
    };
    beforeEach(() => {
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
}
