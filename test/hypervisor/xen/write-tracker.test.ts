import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { XenServer } from '../../../src/hypervisor/xen/index.js';
import { CALM_LOOKS, HOT_WRITES } from '../../../src/hypervisor/xen/write-tracker.js';
import { Device, DOMID, RAM_PAGES, rig } from './rig.js';

const PAGE = 4096;

/** A rig whose guest writes as a guest does: to a protected page by a trap, else directly. */
function tables() {
  const made = rig();
  const write = (gfn: number, value: number, offset = 0, size = 4) => {
    const access = { address: gfn * PAGE + offset, write: true, lo: value, hi: value, size };
    if (made.ask(access) === null) made.domain.poke32(gfn * PAGE + offset, value);
  };
  const dirty = (gfn: number) => made.port.takeWritten!(gfn);
  const track = (gfn: number) => made.port.trackWrites(gfn, true);
  const untrack = (gfn: number) => made.port.trackWrites(gfn, false);
  return { ...made, write, dirty, track, untrack };
}

describe('a page table that is tracked', () => {
  it('is written at its first look, and after that when the guest wrote it', () => {
    const { domain, track, dirty, write } = tables();
    expect(track(5)).toBe(true);
    expect(domain.protectedFrames).toEqual([5]);
    expect([dirty(5), dirty(5)]).toEqual([true, false]);
    write(5, 0x1003);
    expect(domain.peek32(5 * PAGE)).toBe(0x1003);
    expect([dirty(5), dirty(5)]).toEqual([true, false]);
  });

  it('can be read without a trap, and its neighbours written', () => {
    const { domain, track } = tables();
    track(5);
    expect(domain.request(0, { address: 5 * PAGE })).toBe(false);
    expect(domain.request(0, { address: 6 * PAGE, write: true })).toBe(false);
  });

  it('gets writes of every size at any place, over its end too', () => {
    const { domain, track, write, dirty } = tables();
    track(5);
    track(6);
    dirty(5);
    dirty(6);
    write(5, 0xaa, 1, 1);
    write(5, 0xbbbb, 3, 2);
    write(5, 0x12345678, 8, 8);
    expect([domain.peek(5 * PAGE + 1), domain.peek32(5 * PAGE + 8), domain.peek32(5 * PAGE + 12)]).toEqual([
      0xaa, 0x12345678, 0x12345678,
    ]);
    expect([dirty(5), dirty(6)]).toEqual([true, false]);
    write(5, 0x01020304, PAGE - 2);
    expect([domain.peek(5 * PAGE + PAGE - 1), domain.peek(6 * PAGE)]).toEqual([0x03, 0x02]);
    expect([dirty(5), dirty(6)]).toEqual([true, true]);
  });

  it('is given up when it is written often between two looks, and then counts as written', () => {
    const { domain, track, dirty, write, server } = tables();
    track(5);
    dirty(5);
    for (let i = 0; i < HOT_WRITES; i++) write(5, i);
    expect(domain.protectedFrames).toEqual([]);
    server.tick(0);
    expect(server.counts()).toMatchObject({ trackedWrites: HOT_WRITES, protectedFrames: 0, givenUpFrames: 1 });
    write(5, 99);
    expect(server.counters.trackedWrites).toBe(HOT_WRITES);
    expect([dirty(5), dirty(5)]).toEqual([true, true]);
  });

  it('written as often, but looked at in between, stays protected', () => {
    const { domain, track, dirty, write } = tables();
    track(5);
    for (let i = 0; i < 4 * HOT_WRITES; i++) {
      write(5, i);
      if (i % (HOT_WRITES - 1) === 0) dirty(5);
    }
    expect(domain.protectedFrames).toEqual([5]);
  });

  it('that was given up is protected again after some looks', () => {
    const { domain, track, dirty, write, server } = tables();
    track(5);
    dirty(5);
    for (let i = 0; i < HOT_WRITES; i++) write(5, i);
    for (let look = 0; look < CALM_LOOKS; look++) expect(dirty(5)).toBe(true);
    expect(domain.protectedFrames).toEqual([5]);
    expect(dirty(5)).toBe(false);
    write(5, 1);
    expect(dirty(5)).toBe(true);
    expect(server.counts()).toMatchObject({ protectedFrames: 1, givenUpFrames: 0 });
  });

  it('is plain memory again when it is no page table any more, given up or not', () => {
    const { domain, track, untrack, write, server } = tables();
    track(5);
    track(6);
    for (let i = 0; i < HOT_WRITES; i++) write(6, i);
    expect([untrack(5), untrack(6), untrack(7)]).toEqual([true, true, true]);
    expect(domain.protectedFrames).toEqual([]);
    expect(server.counts()).toMatchObject({ protectedFrames: 0, givenUpFrames: 0 });
  });

  it('that the guest gave back and got anew is protected anew', () => {
    const { domain, track, dirty, write, waiter } = tables();
    track(5);
    track(6);
    dirty(5);
    dirty(6);
    domain.balloon(5, 1);
    waiter.run(0, 64);
    domain.populate(5, 1);
    expect(domain.protectedFrames).toEqual([6]);
    expect([dirty(5), dirty(6)]).toEqual([true, true]);
    expect(domain.protectedFrames.sort()).toEqual([5, 6]);
    expect([dirty(5), dirty(6)]).toEqual([false, false]);
    write(5, 3);
    expect(dirty(5)).toBe(true);
  });

  it('that is gone counts as written, and is protected when it is there again', () => {
    const { domain, track, dirty, waiter, server } = tables();
    track(5);
    dirty(5);
    domain.balloon(5, 1);
    waiter.run(0, 64);
    expect([dirty(5), dirty(5)]).toEqual([true, true]);
    domain.populate(5, 1);
    for (let look = 0; look < CALM_LOOKS; look++) dirty(5);
    expect(domain.protectedFrames).toEqual([5]);
    expect(server.counts()).toMatchObject({ protectedFrames: 1, givenUpFrames: 0 });
  });

  it('that Xen does not protect is not tracked, and counts as written', () => {
    const { track, dirty, xen, server } = tables();
    xen.fail('xenSetMemType', 'EINVAL');
    expect(track(5)).toBe(false);
    expect(dirty(5)).toBe(true);
    server.tick(0);
    expect(server.counters.protectRefused).toBe(1);
    xen.heal();
    expect([track(RAM_PAGES), track(-1), track(2 ** 24), track(5)]).toEqual([false, false, false, true]);
  });

  it('of a domain whose page type another device model has is not tracked', () => {
    const made = rig();
    const second = new XenServer({
      native: made.xen,
      waiter: made.waiter,
      domid: DOMID,
      apertureBytes: 2 ** 26,
      frameBase: 0,
      windows: 1,
      makeGuest: () => new Device(),
      onDetach: () => {},
      onFault: () => {},
      log: () => {},
    });
    expect(made.port.trackWrites(5, true)).toBe(true);
    expect(second.guest.trackWrites(6, true)).toBe(false);
    second.close();
    expect(made.domain.protectedFrames).toEqual([5]);
    made.server.close();
    expect(made.xen.leftovers()).toEqual([]);
  });

  it('is never missed: whatever a guest does, a look after a write says so', () => {
    const gfns = [5, 6, 7];
    const gfn = fc.constantFrom(...gfns);
    const step = fc.oneof(
      { weight: 8, arbitrary: fc.record({ kind: fc.constant('write' as const), gfn }) },
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('look' as const), gfn }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('retrack' as const), gfn }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('renew' as const), gfn }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const { domain, track, untrack, dirty, write, waiter, xen, server } = tables();
        for (const one of gfns) track(one);
        const written = new Set(gfns);
        let value = 0;
        for (const { kind, gfn: at } of steps) {
          if (kind === 'write') {
            write(at, ++value);
            written.add(at);
            expect(domain.peek32(at * PAGE)).toBe(value);
          } else if (kind === 'look') {
            if (written.delete(at)) expect(dirty(at)).toBe(true);
            else dirty(at);
          } else if (kind === 'retrack') {
            untrack(at);
            expect(track(at)).toBe(true);
            written.add(at);
          } else {
            domain.balloon(at, 1);
            waiter.run(0, 64);
            domain.populate(at, 1);
            written.add(at);
          }
        }
        server.close();
        expect(xen.leftovers()).toEqual([]);
      }),
      { numRuns: 30 },
    );
  });
});
