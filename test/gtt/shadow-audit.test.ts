import { beforeEach, expect, test } from 'vitest';
import { ShadowPpgtt } from '../../src/gtt/index.js';
import { FakeGuest, FakePool } from './fixtures.js';

const P = 3;
const LARGE = 0x83;
const SPARSE = 0x803;
let guest: FakeGuest;
let pool: FakePool;
beforeEach(() => {
  const mfns = Array.from({ length: 1024 }, (_, gfn) => (gfn < 64 ? 0x5000 + gfn : -1));
  for (let i = 0; i < 512; i++) mfns[512 + i] = 0x8000 + i;
  guest = new FakeGuest(mfns);
  pool = new FakePool();
  guest.entry(1, 0, 2, P);
  guest.entry(2, 0, 3, P);
  guest.entry(3, 0, 4, P);
  guest.entry(4, 0, 10, P);
  guest.entry(4, 7, 11, P);
});

/** Table pages of the pool that hold an entry that leads to this frame, and where in them. */
function shadowsOf(mfn: number): { words: Uint32Array; at: number }[] {
  const found: { words: Uint32Array; at: number }[] = [];
  for (const { words, at } of pool.live.values()) {
    for (let i = 0; i < 512; i++) {
      if (words[at + 2 * i]! >>> 12 === mfn) found.push({ words, at: at + 2 * i });
    }
  }
  return found;
}

test('shadows in step have no entry that differs, and every use of a table is counted', () => {
  const ppgtt = new ShadowPpgtt({ guest, pool, maxShadowPages: 100 });
  ppgtt.create(4, [0x1000]);
  expect(ppgtt.audit()).toEqual({ tables: 4, entries: 4 * 512, present: 2, differing: 0, first: null });
});

test('an entry that leads elsewhere, or with other rights, is named', () => {
  const ppgtt = new ShadowPpgtt({ guest, pool, maxShadowPages: 100 });
  ppgtt.create(4, [0x1000]);
  ppgtt.audit();
  const [entry] = shadowsOf(0x500b);
  entry!.words[entry!.at] = (0x5020 << 12) | P;
  expect(ppgtt.audit()).toMatchObject({
    differing: 1,
    first: 'entry 7 of the page table at guest frame 0x4 is 0x0_05020003, and should lead to frame 0x500b',
  });
  entry!.words[entry!.at] = (0x500b << 12) | 1;
  expect(ppgtt.audit().differing).toBe(1);
});

test('a write that the tracker missed is found', () => {
  const missing = { track: () => true, untrack: () => {}, takeDirty: () => false };
  const ppgtt = new ShadowPpgtt({ guest, pool, maxShadowPages: 100, strategy: missing });
  ppgtt.create(4, [0x1000]);
  expect(ppgtt.audit().differing).toBe(0);
  guest.entry(4, 9, 12, P);
  expect(ppgtt.audit()).toMatchObject({ differing: 1 });
  guest.entry(4, 9, 0, 0);
  guest.entry(2, 5, 3, P);
  // The new use of the page directory leads to scratch in the shadow.
  expect(ppgtt.audit()).toMatchObject({ differing: 1 });
});

test('large pages, split or not, and pages of 64 KiB are what the guest made them', () => {
  for (const allow2M of [true, false]) {
    const fresh = new ShadowPpgtt({ guest, pool, maxShadowPages: 100, allow2M, allow64K: true });
    guest.entry(3, 1, 512, LARGE);
    guest.entry(3, 2, 5, SPARSE);
    guest.entry(5, 16, 16, P);
    fresh.create(4, [0x1000]);
    const { differing, first, present } = fresh.audit();
    expect(differing, first ?? '').toBe(0);
    expect(present).toBe(2 + 16 + (allow2M ? 1 : 512));
    fresh.release();
  }
});
