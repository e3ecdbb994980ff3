import { beforeEach, describe, expect, test } from 'vitest';
import { type ErrorCode, XengtError } from '../../src/base/index.js';
import { ShadowPpgtt, type TrackingStrategy } from '../../src/gtt/index.js';
import { FakeGuest, FakePool, poolReader, walk } from './fixtures.js';

const P = 3; // present, RW
const PS = 0x80;
const IPS = 0x800;
const SCRATCH_PAGES = 4;

let guest: FakeGuest;
let pool: FakePool;

/** 64 frames of RAM at machine frames 0x5000.., frame 63 a hole, and a 2 MiB piece at 512. */
beforeEach(() => {
  const mfns = Array.from({ length: 1024 }, (_, gfn) => (gfn < 63 ? 0x5000 + gfn : -1));
  for (let i = 0; i < 512; i++) mfns[512 + i] = 0x8000 + i;
  guest = new FakeGuest(mfns);
  pool = new FakePool();
});

function shadow(options: Partial<ConstructorParameters<typeof ShadowPpgtt>[0]> = {}): ShadowPpgtt {
  return new ShadowPpgtt({ guest, pool, maxShadowPages: 100, ...options });
}

function frameAt(ppgtt: ShadowPpgtt, pdp: number, levels: number, gmadr: number): number | undefined {
  expect(ppgtt.scratch).toHaveLength(SCRATCH_PAGES);
  return walk(poolReader(pool), pdp, levels, BigInt(gmadr), false)?.frame;
}

function refusal(action: () => void): { code: ErrorCode; message: string } {
  try {
    action();
  } catch (error) {
    if (error instanceof XengtError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('nothing was refused');
}

/** PML4 in frame 1, PDP 2, PD 3, PT 4; page 0 is frame 10. */
function fourLevels(): void {
  guest.entry(1, 0, 2, P);
  guest.entry(2, 0, 3, P);
  guest.entry(3, 0, 4, P);
  guest.entry(4, 0, 10, P);
}

test('a new root leads to scratch until its first sync, then to guest pages', () => {
  fourLevels();
  const ppgtt = shadow();
  const root = ppgtt.create(4, [0x1000]);
  const pdp = ppgtt.rootPdp(root, 0);
  expect(frameAt(ppgtt, pdp, 4, 0)).toBe(ppgtt.scratch[0]);
  ppgtt.sync(root);
  expect(frameAt(ppgtt, pdp, 4, 0)).toBe(0x500a);
  expect(frameAt(ppgtt, pdp, 4, 0x1000)).toBe(ppgtt.scratch[0]);
  expect(ppgtt.rootPdp(root, 1), 'a 4-level context has only PDP0').toBe(0);
});

test('a table that all unused entries share is shadowed once, as i915 scratch tables are', () => {
  for (let i = 0; i < 512; i++) {
    guest.entry(1, i, 2, P);
    guest.entry(2, i, 3, P);
    guest.entry(3, i, 4, P);
    guest.entry(4, i, 10, P);
  }
  const ppgtt = shadow();
  ppgtt.sync(ppgtt.create(4, [0x1000]));
  expect(ppgtt.shadowPages).toBe(SCRATCH_PAGES + 4);
});

test('a sync where nothing changed allocates no page and rewrites no entry', () => {
  fourLevels();
  const ppgtt = shadow();
  const root = ppgtt.create(4, [0x1000]);
  ppgtt.sync(root);
  const { allocations } = pool;
  const { entriesUpdated } = ppgtt;
  ppgtt.sync(root);
  expect(pool.allocations).toBe(allocations);
  expect(ppgtt.entriesUpdated).toBe(entriesUpdated);
  expect(ppgtt.syncs).toBe(2);
  guest.entry(4, 7, 11, P);
  ppgtt.sync(root);
  expect(ppgtt.entriesUpdated).toBe(entriesUpdated + 1);
  expect(frameAt(ppgtt, ppgtt.rootPdp(root, 0), 4, 0x7000)).toBe(0x500b);
});

test('the same root created twice is one root; destroyed, it is gone', () => {
  const ppgtt = shadow();
  const pdps = [0x1000, 0x2000, 0x3000, 0x4000];
  const root = ppgtt.create(3, pdps);
  expect(ppgtt.create(3, pdps)).toBe(root);
  expect(ppgtt.find(3, pdps)).toBe(root);
  expect(ppgtt.find(4, [0x1000])).toBeUndefined();
  ppgtt.destroy(root);
  expect(ppgtt.find(3, pdps)).toBeUndefined();
  expect(pool.live.size).toBe(SCRATCH_PAGES);
  expect(refusal(() => ppgtt.sync(root)).code).toBe('XENGT_E_PPGTT');
  expect(refusal(() => ppgtt.destroy(root)).code).toBe('XENGT_E_PPGTT');
  expect(refusal(() => ppgtt.hold(root)).code).toBe('XENGT_E_PPGTT');
});

test('each address space has a number of its own, and a page is named as the last sync found it', () => {
  fourLevels();
  const ppgtt = shadow();
  const root = ppgtt.create(4, [0x1000]);
  const other = ppgtt.create(4, [0x5000]);
  expect(ppgtt.spaceOf(other)).not.toBe(ppgtt.spaceOf(root));
  expect(ppgtt.spaceOf(ppgtt.create(4, [0x1000]))).toBe(ppgtt.spaceOf(root));
  expect(ppgtt.gfnOf(root, 0), 'nothing is synchronised yet').toBe(-1);
  ppgtt.sync(root);
  guest.entry(4, 0, 11, P);
  expect(ppgtt.gfnOf(root, 0)).toBe(10);
  ppgtt.sync(root);
  expect(ppgtt.gfnOf(root, 0)).toBe(11);
  expect(ppgtt.gfnOf(other, 0)).toBe(-1);
});

test('a root that the guest destroys while the device walks it stays until the workload is done', () => {
  fourLevels();
  const ppgtt = shadow();
  const root = ppgtt.create(4, [0x1000]);
  ppgtt.sync(root);
  ppgtt.hold(root);
  ppgtt.hold(root);
  ppgtt.destroy(root);
  ppgtt.drop(root);
  expect(frameAt(ppgtt, ppgtt.rootPdp(root, 0), 4, 0)).toBe(0x500a);
  const next = ppgtt.create(4, [0x1000]);
  expect(next, 'the guest can make it anew meanwhile').not.toBe(root);
  ppgtt.drop(root);
  ppgtt.destroy(next);
  expect(pool.live.size).toBe(SCRATCH_PAGES);
  expect(refusal(() => ppgtt.drop(root)).code).toBe('XENGT_E_PPGTT');
});

/** Two workloads of one root, and a table unlinked after each was made ready. @returns their holds */
function twoWalks(ppgtt: ShadowPpgtt): { root: ReturnType<ShadowPpgtt['create']>; first: number; second: number } {
  fourLevels();
  const root = ppgtt.create(4, [0x1000]);
  ppgtt.sync(root);
  const first = ppgtt.hold(root);
  guest.entry(3, 0, 5, P);
  ppgtt.sync(root);
  const second = ppgtt.hold(root);
  guest.entry(3, 0, 6, P);
  ppgtt.sync(root);
  expect(pool.live.size, 'both unlinked tables wait').toBe(SCRATCH_PAGES + 4 + 2);
  expect(ppgtt.shadowPages).toBe(pool.live.size);
  return { root, first, second };
}

describe("a table unlinked while the device walks is nobody else's before that walk has ended", () => {
  test('and is given back with the last workload that could reach it', () => {
    const ppgtt = shadow();
    const { root, first, second } = twoWalks(ppgtt);
    ppgtt.drop(root, first);
    expect(pool.live.size, 'what only the first could reach').toBe(SCRATCH_PAGES + 4 + 1);
    ppgtt.drop(root, second);
    expect(pool.live.size).toBe(SCRATCH_PAGES + 4);
  });

  test('also when a later workload, on another engine, ends first', () => {
    const ppgtt = shadow();
    const { root, first, second } = twoWalks(ppgtt);
    ppgtt.drop(root, second);
    expect(pool.live.size).toBe(SCRATCH_PAGES + 4 + 2);
    expect(refusal(() => ppgtt.drop(root, second)).code).toBe('XENGT_E_PPGTT');
    ppgtt.drop(root, first);
    expect(pool.live.size).toBe(SCRATCH_PAGES + 4);
  });

  test('also when it is not said which workload ended', () => {
    const ppgtt = shadow();
    const { root } = twoWalks(ppgtt);
    ppgtt.drop(root);
    expect(pool.live.size).toBe(SCRATCH_PAGES + 4 + 2);
    ppgtt.drop(root);
    expect(pool.live.size).toBe(SCRATCH_PAGES + 4);
  });
});

test('release gives everything back, also what is held', () => {
  fourLevels();
  const ppgtt = shadow();
  const root = ppgtt.create(4, [0x1000]);
  ppgtt.sync(root);
  ppgtt.hold(root);
  ppgtt.release();
  expect(pool.live.size).toBe(0);
});

test('a 3-level root without some page directories gets the scratch directory there', () => {
  guest.entry(3, 0, 4, P);
  guest.entry(4, 0, 10, P);
  const ppgtt = shadow();
  const root = ppgtt.create(3, [0, 0x3000, 0, 0]);
  ppgtt.sync(root);
  expect(ppgtt.rootPdp(root, 0)).toBe(ppgtt.scratch[2]);
  expect(frameAt(ppgtt, ppgtt.rootPdp(root, 1), 2, 0)).toBe(0x500a);
});

test('a root that is not in guest RAM is refused', () => {
  const ppgtt = shadow();
  expect(refusal(() => ppgtt.create(4, [63 << 12])).message).toMatch(/PDP0 0x3f000 is not in guest RAM/);
  expect(refusal(() => ppgtt.create(4, [0])).code).toBe('XENGT_E_PPGTT');
  expect(refusal(() => ppgtt.create(3, [0x1000, 2 ** 47, 0, 0])).code).toBe('XENGT_E_PPGTT');
  expect(pool.live.size, 'nothing is left of the half-made root').toBe(SCRATCH_PAGES);
});

describe('large pages', () => {
  beforeEach(() => {
    guest.entry(1, 0, 2, P);
    guest.entry(2, 0, 3, P);
  });

  test('2 MiB stays one entry where machine memory is one aligned piece', () => {
    guest.entry(3, 0, 512, P | PS);
    const ppgtt = shadow();
    const root = ppgtt.create(4, [0x1000]);
    ppgtt.sync(root);
    expect(ppgtt.shadowPages).toBe(SCRATCH_PAGES + 3);
    expect(frameAt(ppgtt, ppgtt.rootPdp(root, 0), 4, 0x5000)).toBe(0x8005);
  });

  test.each([
    ['a gap in machine memory', () => (guest.mfns[600] = 0x9999)],
    ['a hole in guest RAM', () => (guest.mfns[600] = -1)],
    [
      'machine memory off its alignment',
      () => guest.mfns.splice(0, Infinity, ...guest.mfns.map((mfn) => (mfn < 0 ? -1 : mfn + 1))),
    ],
  ])('2 MiB is split into 4 KiB entries over %s, and the split goes with the entry', (_name, disturb) => {
    disturb();
    guest.entry(3, 0, 512, P | PS);
    const ppgtt = shadow();
    const root = ppgtt.create(4, [0x1000]);
    ppgtt.sync(root);
    expect(ppgtt.shadowPages).toBe(SCRATCH_PAGES + 4);
    const pdp = ppgtt.rootPdp(root, 0);
    const wanted = guest.mfnOf(600);
    expect(frameAt(ppgtt, pdp, 4, 88 * 4096)).toBe(wanted < 0 ? ppgtt.scratch[0] : wanted);
    expect(frameAt(ppgtt, pdp, 4, 511 * 4096)).toBe(guest.mfnOf(1023));
    guest.entry(3, 0, 0, 0);
    ppgtt.sync(root);
    expect(ppgtt.shadowPages).toBe(SCRATCH_PAGES + 3);
  });

  test('a 1 GiB entry is refused; other address spaces of the guest go on', () => {
    fourLevels();
    guest.entry(20, 0, 21, P);
    guest.entry(21, 0, 0x40000, P | PS);
    const ppgtt = shadow();
    const good = ppgtt.create(4, [0x1000]);
    const bad = ppgtt.create(4, [20 << 12]);
    expect(refusal(() => ppgtt.sync(bad))).toMatchObject({
      code: 'XENGT_E_PPGTT',
      message: expect.stringMatching(/1 GiB/),
    });
    ppgtt.sync(good);
    expect(frameAt(ppgtt, ppgtt.rootPdp(good, 0), 4, 0)).toBe(0x500a);
    expect(frameAt(ppgtt, ppgtt.rootPdp(bad, 0), 4, 0), 'the refused one stays safe').toBe(ppgtt.scratch[0]);
    guest.entry(21, 0, 3, P);
    ppgtt.sync(bad);
    expect(frameAt(ppgtt, ppgtt.rootPdp(bad, 0), 4, 0), 'mended, it works').toBe(0x500a);
  });

  test('64 KiB entries become 16 entries of 4 KiB, only while the guest has them switched on', () => {
    guest.entry(3, 0, 4, P | IPS);
    guest.entry(4, 0, 32, P);
    guest.entry(4, 1, 50, P); // hardware does not look at it
    const ppgtt = shadow({ allow64K: true });
    const root = ppgtt.create(4, [0x1000]);
    ppgtt.sync(root);
    const pdp = ppgtt.rootPdp(root, 0);
    expect([0, 1, 15].map((page) => frameAt(ppgtt, pdp, 4, page * 4096))).toEqual([0x5020, 0x5021, 0x502f]);
    expect(frameAt(ppgtt, pdp, 4, 16 * 4096)).toBe(ppgtt.scratch[0]);
    ppgtt.allow64K = false;
    expect(frameAt(ppgtt, pdp, 4, 0), 'until the next sync').toBe(ppgtt.scratch[0]);
    ppgtt.sync(root);
    expect([0, 1].map((page) => frameAt(ppgtt, pdp, 4, page * 4096))).toEqual([0x5020, 0x5032]);
  });
});

describe('tables that cannot be shadowed', () => {
  test.each([
    ['a PML4 that points to itself', () => guest.entry(1, 5, 1, P), /loop.*0x1 /],
    ['a page directory that points up to the PML4', () => guest.entry(3, 5, 1, P), /loop/],
    ['a page table that is also a page directory', () => guest.entry(2, 5, 4, P), /used both as page/],
  ])('%s is refused each time, and undone it works again', (_name, disturb, message) => {
    fourLevels();
    const ppgtt = shadow();
    const root = ppgtt.create(4, [0x1000]);
    ppgtt.sync(root);
    disturb();
    for (let i = 0; i < 3; i++) expect(refusal(() => ppgtt.sync(root)).message).toMatch(message);
    for (const table of [1, 2, 3]) guest.entry(table, 5, 0, 0);
    ppgtt.sync(root);
    expect(frameAt(ppgtt, ppgtt.rootPdp(root, 0), 4, 0)).toBe(0x500a);
    ppgtt.destroy(root);
    expect(pool.live.size).toBe(SCRATCH_PAGES);
  });

  test('a page that moves from page table to page directory between two submissions is no conflict', () => {
    fourLevels();
    const ppgtt = shadow();
    const root = ppgtt.create(4, [0x1000]);
    ppgtt.sync(root);
    guest.entry(3, 0, 5, P);
    guest.entry(5, 0, 11, P);
    guest.entry(2, 1, 4, P);
    guest.entry(4, 0, 5, P);
    ppgtt.sync(root);
    const pdp = ppgtt.rootPdp(root, 0);
    expect(frameAt(ppgtt, pdp, 4, 0)).toBe(0x500b);
    expect(frameAt(ppgtt, pdp, 4, 2 ** 30)).toBe(0x500b);
  });

  test('too many tables are refused at the bound and memory is given back', () => {
    guest.entry(1, 0, 2, P);
    guest.entry(2, 0, 3, P);
    for (let i = 0; i < 40; i++) guest.entry(3, i, 10 + i, P);
    const ppgtt = shadow({ maxShadowPages: 20 });
    const root = ppgtt.create(4, [0x1000]);
    expect(refusal(() => ppgtt.sync(root)).message).toMatch(/more than 20 shadow pages/);
    expect(pool.live.size).toBeLessThanOrEqual(20);
    for (let i = 0; i < 40; i++) guest.entry(3, i, 0, 0);
    ppgtt.destroy(root);
    expect(pool.live.size).toBe(SCRATCH_PAGES);
  });

  test('roots without tables are bounded too', () => {
    const ppgtt = shadow({ maxShadowPages: 50 });
    const make = () => {
      for (let a = 1; a < 8; a++)
        for (let b = 1; b < 8; b++) for (let c = 1; c < 8; c++) ppgtt.create(3, [a << 12, b << 12, c << 12, 0]);
    };
    expect(refusal(make).message).toMatch(/more than 50 page-table roots/);
  });

  test('an exhausted pool is reported as such and nothing leaks', () => {
    fourLevels();
    pool = new FakePool(0x200000, 6);
    const ppgtt = shadow();
    const root = ppgtt.create(4, [0x1000]);
    expect(refusal(() => ppgtt.sync(root)).code).toBe('XENGT_E_NO_SPACE');
    ppgtt.release();
    expect(pool.live.size).toBe(0);
    pool = new FakePool(0x200000, 2);
    expect(refusal(() => shadow()).code).toBe('XENGT_E_NO_SPACE');
    expect(pool.live.size).toBe(0);
  });

  test('a table whose page stops being RAM is refused', () => {
    fourLevels();
    const ppgtt = shadow();
    const root = ppgtt.create(4, [0x1000]);
    ppgtt.sync(root);
    guest.mfns[4] = -1;
    expect(refusal(() => ppgtt.sync(root)).message).toMatch(/0x4 holds a page table but is no longer RAM/);
    ppgtt.invalidateAll();
    ppgtt.sync(root);
    expect(frameAt(ppgtt, ppgtt.rootPdp(root, 0), 4, 0)).toBe(ppgtt.scratch[0]);
  });
});

test('after guest memory moved, invalidateAll cuts old frames off at once and the next sync finds the new', () => {
  fourLevels();
  const ppgtt = shadow();
  const root = ppgtt.create(4, [0x1000]);
  ppgtt.sync(root);
  guest.mfns[10] = 0x6666;
  ppgtt.invalidateAll();
  expect(frameAt(ppgtt, ppgtt.rootPdp(root, 0), 4, 0)).toBe(ppgtt.scratch[0]);
  ppgtt.sync(root);
  expect(frameAt(ppgtt, ppgtt.rootPdp(root, 0), 4, 0)).toBe(0x6666);
});

test('while a new table is being built the device still walks the old one', () => {
  fourLevels();
  const ppgtt = shadow();
  const root = ppgtt.create(4, [0x1000]);
  ppgtt.sync(root);
  const pdp = ppgtt.rootPdp(root, 0);
  guest.entry(5, 0, 11, P);
  guest.entry(3, 0, 5, P);
  const seen: (number | undefined)[] = [];
  const locate = guest.locate.bind(guest);
  guest.locate = (gfn) => {
    if (gfn === 5) seen.push(frameAt(ppgtt, pdp, 4, 0));
    return locate(gfn);
  };
  ppgtt.sync(root);
  expect(seen).toEqual([0x500a]);
  expect(frameAt(ppgtt, pdp, 4, 0)).toBe(0x500b);
});

test('an entry that changes both halves is never half old and half new for the device', () => {
  guest.mfns[10] = 0x1_0000_0000;
  guest.mfns[11] = 0x2_0000_1111;
  fourLevels();
  const ppgtt = shadow();
  const root = ppgtt.create(4, [0x1000]);
  ppgtt.sync(root);
  const pt = [...pool.live.values()].at(-1)!;
  const states: string[] = [];
  const words = new Proxy(pt.words, {
    set(target, key, value) {
      target[Number(key)] = value;
      states.push(`${target[pt.at + 1]!.toString(16)}:${target[pt.at]!.toString(16)}`);
      return true;
    },
  });
  Object.assign(pt, { words });
  guest.entry(4, 0, 11, P);
  ppgtt.sync(root);
  expect(states).toEqual(['1000:0', '2000:0', '2000:1111003']);
});

test('a tracked page is compared again only after a write was noticed', () => {
  fourLevels();
  const dirty = new Set<number>();
  const tracked = new Set<number>();
  const strategy: TrackingStrategy = {
    track: (gfn) => {
      tracked.add(gfn);
      return true;
    },
    untrack: (gfn) => void tracked.delete(gfn),
    takeDirty: (gfn) => dirty.delete(gfn),
  };
  const ppgtt = shadow({ strategy });
  const root = ppgtt.create(4, [0x1000]);
  ppgtt.sync(root);
  expect([...tracked]).toEqual([1, 2, 3, 4]);
  guest.locates = 0;
  guest.entry(4, 0, 11, P);
  ppgtt.sync(root);
  expect(guest.locates, 'no page is looked at').toBe(0);
  dirty.add(4);
  ppgtt.sync(root);
  expect(guest.locates).toBe(1);
  expect(frameAt(ppgtt, ppgtt.rootPdp(root, 0), 4, 0)).toBe(0x500b);
  ppgtt.destroy(root);
  expect(tracked.size).toBe(0);
});

test('saved roots come back and rebuild their shadows', () => {
  fourLevels();
  const ppgtt = shadow();
  ppgtt.sync(ppgtt.create(4, [0x1000]));
  ppgtt.create(3, [0x3000, 0, 0, 0]);
  const other = shadow();
  other.restore(structuredClone(ppgtt.save()));
  const restored = other.find(4, [0x1000])!;
  other.sync(restored);
  expect(frameAt(other, other.rootPdp(restored, 0), 4, 0)).toBe(0x500a);
  expect(other.find(3, [0x3000, 0, 0, 0])).toBeDefined();
  other.release();
  ppgtt.release();
  expect(pool.live.size).toBe(0);
});
