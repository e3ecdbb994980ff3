import { beforeEach, describe, expect, test } from 'vitest';
import { BCS, RCS, VCS, VECS } from '../../src/hw/index.js';
import { BATCH_END, startBatch, storeDword, USER_INTERRUPT } from '../support/scripted-guest.js';
import { Machine, Tenant } from './machine.js';

describe('two guests on one device', () => {
  let machine: Machine;
  let a: Tenant;
  let b: Tenant;
  beforeEach(() => {
    machine = new Machine();
    a = new Tenant(machine, 1);
    b = new Tenant(machine, 2);
  });

  test.each([
    ['RCS', RCS],
    ['BCS', BCS],
    ['VCS', VCS],
    ['VECS', VECS],
  ] as const)(
    'each find their own value written by %s, through a batch in their own address space',
    (_name, engine) => {
      for (const [tenant, value] of [
        [a, 0xa1],
        [b, 0xb2],
      ] as const) {
        const { guest } = tenant;
        guest.mapPpgtt(0x1000_0000, 0x200);
        guest.mapPpgtt(0x2000_0000, 0x201);
        guest.page(0x200).set([...storeDword(0x2000_0010, value, false), BATCH_END]);
        tenant.submit(engine, 7, 0, [...startBatch(0x1000_0000), USER_INTERRUPT, 0, 0]);
      }
      machine.run(50e6);
      for (const [tenant, value] of [
        [a, 0xa1],
        [b, 0xb2],
      ] as const) {
        expect(tenant.done).toEqual([{ engine, tag: 7, result: 'complete', reason: null }]);
        expect(tenant.interrupts).toEqual([{ engine, bits: 1 }]);
        expect(tenant.guest.page(0x201)[4]).toBe(value);
        const state = tenant.guest.page(0x101);
        expect(state[5]).toBe(state[7]);
      }
      expect(machine.violations).toBe(0);
      const totals = machine.arbiter.engineTotals(engine);
      expect(totals.busy + totals.idle + totals.switching).toBeCloseTo(totals.total, 9);
      expect(machine.arbiter.busySeconds(1, engine)).toBeGreaterThan(0);
      expect(machine.arbiter.busySeconds(1, engine) + machine.arbiter.busySeconds(2, engine)).toBeCloseTo(
        totals.busy,
        12,
      );
    },
  );

  test('a store from the ring lands through the guest’s own global entry', () => {
    const target = a.guest.bind(0x1000, 0x300);
    a.submit(RCS, 1, 0, storeDword(target + 0x20, 0xcafe, true));
    machine.run(10e6);
    expect(a.done[0]?.result).toBe('complete');
    expect(a.guest.page(0x300)[8]).toBe(0xcafe);
  });

  test('a store from the ring to another guest’s graphics memory is rejected, and the other is not disturbed', () => {
    const theirs = b.guest.bind(0x1000, 0x300);
    a.submit(RCS, 1, 0, storeDword(theirs, 0xbad, true));
    b.submit(RCS, 2, 0, storeDword(theirs, 0x600d, true));
    machine.run(10e6);
    expect(a.done[0]).toMatchObject({ result: 'rejected' });
    expect(a.done[0]?.reason).toContain(theirs.toString(16));
    expect(b.done[0]?.result).toBe('complete');
    expect(b.guest.page(0x300)[0]).toBe(0x600d);
    expect(machine.violations).toBe(0);
  });

  test('an entry of another guest’s slice cannot be written', () => {
    a.guest.writeGgtt(b.grant.highStart / 4096 + 0x1000, 0x300 * 4096 + 1, 0);
    expect(a.refusedEntries).toBe(1);
    const theirs = b.guest.ggttBase * 4096 + 0x1000 * 4096;
    b.submit(RCS, 2, 0, storeDword(theirs, 0x77, true));
    machine.run(10e6);
    expect(a.guest.page(0x300)[0]).toBe(0);
    expect(machine.violations).toBe(0);
  });

  test('a register that a guest’s commands change is its own again when the engine comes back to it', () => {
    const MOCS = 0xc800;
    const load = [0x11000001, MOCS, 0x11, 0];
    a.submit(RCS, 1, 0, load);
    machine.run(10e6);
    expect(machine.gpu.read32(MOCS)).toBe(0x11);
    b.submit(RCS, 2, 0, [0, 0]);
    machine.run(10e6);
    expect(machine.gpu.read32(MOCS)).toBe(0);
    a.submit(RCS, 3, 0, [0, 0]);
    machine.run(10e6);
    expect(machine.gpu.read32(MOCS)).toBe(0x11);
    machine.arbiter.detach(1);
    machine.gpu.detachMemory(1);
    b.submit(RCS, 4, 0, [0, 0]);
    machine.run(10e6);
    expect(machine.gpu.read32(MOCS)).toBe(0);
  });

  test('a page-table entry that names no memory of the guest leads nowhere', () => {
    a.guest.mapPpgtt(0x1000_0000, 0x200);
    a.guest.mapPpgtt(0x2000_0000, 0x7fff_ffff >>> 12);
    a.guest.page(0x200).set([...storeDword(0x2000_0000, 1, false), BATCH_END]);
    a.submit(RCS, 1, 0, [...startBatch(0x1000_0000), 0]);
    machine.run(10e6);
    expect(a.done[0]?.result).toBe('complete');
    expect(machine.violations).toBe(0);
  });

  test('a batch without end loses the engine, and the other guest gets it', () => {
    a.guest.mapPpgtt(0x1000_0000, 0x200);
    a.guest.page(0x200).set(startBatch(0x1000_0000));
    a.submit(RCS, 1, 0, [...startBatch(0x1000_0000), 0]);
    b.guest.mapPpgtt(0x2000_0000, 0x201);
    b.guest.page(0x201).set([BATCH_END]);
    b.submit(RCS, 2, 0, [...startBatch(0x2000_0000), 0]);
    machine.run(250e6);
    expect(a.done).toHaveLength(1);
    expect(a.done[0]).toMatchObject({ result: 'hung' });
    expect(b.done[0]).toMatchObject({ result: 'complete' });
  });

  test('a guest that goes away while its work runs leaves nothing behind', () => {
    a.guest.mapPpgtt(0x1000_0000, 0x200);
    a.guest.page(0x200).set(startBatch(0x1000_0000));
    a.submit(RCS, 1, 0, [...startBatch(0x1000_0000), 0]);
    machine.run(1e6);
    machine.arbiter.detach(1);
    machine.gpu.detachMemory(1);
    const target = b.guest.bind(0x1000, 0x300);
    b.submit(RCS, 2, 0, storeDword(target, 5, true));
    machine.run(10e6);
    expect(a.done).toEqual([]);
    expect(b.done[0]?.result).toBe('complete');
    expect(machine.violations).toBe(0);
  });
});

test('with the GGTT audit switched off, the isolation oracle sees what the audit would have stopped', () => {
  const machine = new Machine({ skipGgttAudit: true });
  const a = new Tenant(machine, 1);
  const b = new Tenant(machine, 2);
  // A points an entry of B's slice at its own memory; B's store then goes to A.
  const page = b.grant.highStart / 4096 + 0x1000;
  b.guest.bind(0x1000, 0x300);
  a.guest.writeGgtt(page, 0x300 * 4096 + 1, 0);
  expect(a.refusedEntries).toBe(0);
  b.submit(RCS, 2, 0, storeDword(page * 4096, 0x77, true));
  machine.run(10e6);
  expect(machine.violations).toBeGreaterThan(0);
  expect(machine.model.oracle.last[0]).toMatchObject({ owner: 2, mfnOwner: 1, write: true });
  expect(a.guest.page(0x300)[0]).toBe(0);
});
