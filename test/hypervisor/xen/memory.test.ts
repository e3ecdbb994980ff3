import { describe, expect, it } from 'vitest';
import { read32 } from '../../../src/base/index.js';
import { XenCounters, XenGuest } from '../../../src/hypervisor/xen/index.js';
import { FakeXen } from './fake-xen.js';
import { BAR0, DOMID, FRAME_BASE, RAM_PAGES, rig } from './rig.js';

const PAGE = 4096;
const WINDOW = 256;
const mapsOf = (xen: FakeXen) => xen.calls.filter((call) => call.startsWith('xenMapFrames'));

describe('a guest’s memory', () => {
  it('is the guest’s own: what either writes the other reads', () => {
    const { port, domain } = rig();
    const at = port.memory.locate(5);
    domain.poke32(5 * PAGE + 8, 0xcafe);
    expect(port.memory.words[at + 2]).toBe(0xcafe);
    port.memory.words[at + 3] = 0xbeef;
    expect(domain.peek32(5 * PAGE + 12)).toBe(0xbeef);
  });

  it('is mapped in windows of 1 MiB as it is asked for, and nothing up front', () => {
    const { port, xen } = rig();
    expect(xen.mapped).toBe(0);
    for (let gfn = 0; gfn < WINDOW; gfn++) port.memory.locate(gfn);
    expect(mapsOf(xen)).toEqual([`xenMapFrames(0,0,0,${WINDOW})`]);
    expect(port.memory.mappedFrames).toBe(WINDOW);
  });

  it('never has more windows than it was given; the one used longest ago goes', () => {
    const { port, xen, domain, server } = rig();
    domain.poke32(0, 1);
    for (const window of [0, 1, 2, 0, 3, 0]) {
      expect(port.memory.locate(window * WINDOW)).toBeGreaterThanOrEqual(0);
      expect(xen.mapped).toBeLessThanOrEqual(2 * WINDOW);
    }
    // 0 stayed the third time, for 1 and then 2 had been used longer ago.
    expect(mapsOf(xen)).toHaveLength(5);
    expect(read32(port.memory, 0)).toBe(1);
    expect(server.counts().windowsMapped).toBe(5);
  });

  it('knows what exists of a window that is no longer mapped, without mapping it again', () => {
    const { port, xen } = rig();
    for (const window of [0, 1, 2, 3]) port.memory.locate(window * WINDOW);
    xen.calls = [];
    expect(port.memory.mfnOf(7)).toBe(FRAME_BASE + 7);
    expect(port.memory.mfnOf(RAM_PAGES - 1)).toBe(FRAME_BASE + RAM_PAGES - 1);
    expect(xen.calls).toEqual([]);
  });

  it('ends where the guest’s RAM ends, and at 64 GiB', () => {
    const { port } = rig();
    for (const gfn of [RAM_PAGES, RAM_PAGES + WINDOW, 2 ** 24, 2 ** 40, -1, Number.NaN]) {
      expect([port.memory.locate(gfn), port.memory.mfnOf(gfn)]).toEqual([-1, -1]);
    }
  });

  it('without a page in a window has all others of it', () => {
    const { port, domain } = rig();
    domain.pages.delete(9);
    expect(port.memory.locate(8)).toBeGreaterThanOrEqual(0);
    expect(port.memory.locate(9)).toBe(-1);
    expect(port.memory.mfnOf(9)).toBe(-1);
    expect(port.memory.locate(10)).toBeGreaterThanOrEqual(0);
    expect(port.memory.mappedFrames).toBe(WINDOW - 1);
  });

  it('finds a page that comes later, and asks for those that do not a bounded number of times', () => {
    const { port, domain, xen, server } = rig();
    domain.pages.delete(9);
    expect(port.memory.locate(9)).toBe(-1);
    domain.populate(9, 1);
    domain.poke32(9 * PAGE, 77);
    expect(read32(port.memory, 9 * PAGE)).toBe(77);
    domain.pages.delete(10);
    server.guest.memory.invalidate();
    port.memory.locate(0);
    xen.calls = [];
    for (let i = 0; i < 1000; i++) port.memory.locate(10);
    expect(mapsOf(xen).length).toBeLessThanOrEqual(256);
    expect(mapsOf(xen).length).toBeGreaterThan(0);
    xen.calls = [];
    server.tick(1);
    port.memory.locate(10);
    expect(mapsOf(xen)).toHaveLength(1);
  });

  it('is asked for a window without any page a bounded number of times', () => {
    const { port, xen } = rig();
    for (let i = 0; i < 2000; i++) expect(port.memory.locate(0x100000)).toBe(-1);
    expect(mapsOf(xen).length).toBeLessThanOrEqual(258);
    expect(xen.mapped).toBe(0);
  });

  it('lets go of pages that the guest gave back, and says that frames may be others now', () => {
    const { port, domain, xen, waiter, server } = rig();
    port.memory.locate(5);
    const { generation } = port.memory;
    expect(xen.mapped).toBe(WINDOW);
    domain.balloon(5, 3);
    waiter.run(0, 64);
    expect(port.memory.generation).not.toBe(generation);
    expect(port.memory.locate(5)).toBe(-1);
    expect(port.memory.locate(8)).toBeGreaterThanOrEqual(0);
    expect(xen.mapped).toBe(WINDOW - 3);
    expect(server.counters.invalidations).toBe(1);
    expect(domain.server.slots[0]!.done).toBe(true);
  });

  it('lets go of them within a second even when nobody asks for memory', () => {
    const { port, domain, xen, waiter, server } = rig();
    port.memory.locate(5);
    domain.balloon(5, 3);
    waiter.run(0, 64);
    server.tick(1);
    expect(xen.mapped).toBe(0);
  });

  it('after a hundred invalidations in a row is mapped once', () => {
    const { port, domain, xen, waiter } = rig();
    port.memory.locate(5);
    xen.calls = [];
    for (let i = 0; i < 100; i++) {
      domain.balloon(RAM_PAGES - 1 - i, 1);
      waiter.run(0, 64);
    }
    port.memory.locate(5);
    expect(mapsOf(xen)).toHaveLength(1);
  });

  it('is looked at anew when somebody met a page that had gone', () => {
    const { port, xen, server } = rig();
    port.memory.locate(5);
    const { generation } = port.memory;
    xen.fault();
    server.tick(1);
    expect(port.memory.generation).toBe(generation + 1);
    expect(xen.mapped).toBe(0);
    server.tick(2);
    expect(port.memory.generation).toBe(generation + 1);
  });

  it('that cannot be mapped now is not there, and is found when it can', () => {
    const { port, xen, server } = rig();
    xen.fail('xenMapFrames', 'ENOMEM');
    expect(port.memory.locate(5)).toBe(-1);
    expect(port.memory.mfnOf(5)).toBe(-1);
    xen.heal();
    expect(port.memory.locate(5)).toBeGreaterThanOrEqual(0);
    server.tick(0);
    expect(server.counters.mapFailures).toBe(2);
  });

  it('never touches addresses again that somebody else has taken meanwhile', () => {
    const { port, xen } = rig();
    xen.fail('xenMapFrames', 'EFAULT', { times: 1 });
    expect(port.memory.locate(5)).toBe(-1);
    xen.calls = [];
    // Of two places one is left, which every window now takes turns in.
    for (const window of [0, 1, 2]) expect(port.memory.locate(window * WINDOW)).toBeGreaterThanOrEqual(0);
    const place = WINDOW * PAGE;
    const touched = xen.calls.map((call) => Number(/\((?:0,)?(\d+),/.exec(call)![1]));
    expect(new Set(touched)).toEqual(new Set([place]));
    xen.fail('xenMapFrames', 'EFAULT', { times: 1 });
    expect(port.memory.locate(0)).toBe(-1);
    xen.heal();
    expect(port.memory.locate(0)).toBe(-1);
  });

  it('that cannot be let go takes its place out of use and no other', () => {
    const { port, xen, domain } = rig();
    port.memory.locate(0);
    port.memory.locate(WINDOW);
    xen.fail('xenUnmapFrames', 'ENOMEM', { times: 1 });
    domain.poke32(2 * WINDOW * PAGE, 4);
    expect(read32(port.memory, 2 * WINDOW * PAGE)).toBe(4);
    // The guest's first MiB, which could not be let go, keeps the first place; all others share the second.
    for (const window of [3, 1, 2]) {
      expect(port.memory.locate(window * WINDOW)).toBe((WINDOW * PAGE) / 4);
    }
    expect(xen.mapped).toBe(2 * WINDOW);
  });

  it('of a closed guest reads zero in views that somebody kept', () => {
    const { port, domain, server } = rig();
    domain.poke32(5 * PAGE, 0x1111);
    const at = port.memory.locate(5);
    const { words } = port.memory;
    server.close();
    expect(words[at]).toBe(0);
  });

  it('of a guest with 128 windows by default is 128 MiB of addresses', () => {
    const xen = new FakeXen();
    xen.domain(DOMID).populate(0, 1);
    const guest = new XenGuest({
      native: xen,
      domid: DOMID,
      apertureBytes: 2 ** 26,
      frameBase: 0,
      counters: new XenCounters(),
      log: () => {},
    });
    expect(guest.memory.words.byteLength).toBe(128 * 2 ** 20);
    guest.close();
    expect(xen.leftovers()).toEqual([]);
  });
});

describe('a guest that writes where there is nothing', () => {
  it('outside its BARs and its RAM gets ones and is counted', () => {
    const { domain, waiter, server, place } = rig();
    place();
    domain.server.ranges.push({ start: 0xa0000000, bytes: PAGE });
    domain.request(0, { address: 0xa0000000 });
    waiter.run(0, 64);
    expect(domain.server.slots[0]).toMatchObject({ done: true, lo: 0xffffffff });
    expect(server.counters.refusals['xen.outside-bars']).toBe(1);
    expect(domain.request(0, { address: BAR0 - 4 })).toBe(false);
  });
});
