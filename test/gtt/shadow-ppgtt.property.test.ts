/**
 * The one property that isolation rests on: whatever the guest writes into its tables and whenever, after a sync the device
 * sees exactly the guest's address space with guest frames turned into machine frames, and never any other frame.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ShadowPpgtt, type TrackingStrategy } from '../../src/gtt/index.js';
import { FakeGuest, FakePool, guestReader, poolReader, type Walk, walk } from './fixtures.js';

/** Guest frames by use, so that random edits build tables and not only refusals. */
const TABLES: Record<number, number[]> = { 4: [1, 2], 3: [3, 4, 5], 2: [6, 7, 8, 9], 1: [10, 11, 12, 13] };
const DATA = [16, 17, 31, 32, 47, 48];
const HOLES = [20, 60, 5000];
/** Two 2 MiB pieces: one that is contiguous in machine memory, one that is not. */
const LARGE = [512, 1024];
const INDEXES = [0, 3, 16, 511];

function ram(): FakeGuest {
  const mfns = new Array<number>(1536).fill(-1);
  for (let gfn = 0; gfn < 64; gfn++) if (!HOLES.includes(gfn)) mfns[gfn] = 0x1000000 + ((gfn * 37) % 64);
  for (let i = 0; i < 512; i++) {
    mfns[512 + i] = 0x40000 + i;
    mfns[1024 + i] = i === 300 ? -1 : 0x80000 + i;
  }
  return new FakeGuest(mfns);
}

/** Write tracking that refuses every third page and notices writes through `note`. */
class FakeTracker implements TrackingStrategy {
  readonly dirty = new Map<number, boolean>();
  track(gfn: number): boolean {
    if (gfn % 3 === 0) return false;
    if (this.dirty.has(gfn)) throw new Error(`frame ${gfn} tracked twice`);
    this.dirty.set(gfn, false);
    return true;
  }
  untrack(gfn: number): void {
    if (!this.dirty.delete(gfn)) throw new Error(`frame ${gfn} was not tracked`);
  }
  takeDirty(gfn: number): boolean {
    const was = this.dirty.get(gfn);
    if (was === undefined) throw new Error(`frame ${gfn} is not tracked`);
    this.dirty.set(gfn, false);
    return was;
  }
  note(gfn: number): void {
    if (this.dirty.has(gfn)) this.dirty.set(gfn, true);
  }
}

const edit = fc.constantFrom(4, 3, 2, 1).chain((level) =>
  fc.record({
    level: fc.constant(level),
    table: fc.constantFrom(...TABLES[level]!),
    index: fc.constantFrom(...INDEXES),
    target: fc.constantFrom(...(level > 1 ? [...TABLES[level - 1]!, ...HOLES] : [...DATA, ...HOLES, ...LARGE])),
    large: fc.option(fc.constantFrom(...LARGE)),
    present: fc.integer({ min: 0, max: 4 }).map((n) => n > 0),
    bits: fc.integer({ min: 0, max: 0xffff }),
  }),
);
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;

function apply(guest: FakeGuest, { level, table, index, target, large, present, bits }: Edit): void {
  // Random RW, PWT, PCD; PAT in a PTE, IPS in a PDE, PAT of large pages; PS only where a large page is meant.
  let attributes = bits & (level === 1 ? 0x9a : 0x1a);
  let frame = target;
  if (level === 2 && large !== null) {
    attributes |= 0x80 | (bits & 0x1000);
    frame = large;
  } else if (level === 2) {
    attributes |= bits & 0x800;
  }
  guest.entry(table, index, frame, attributes | (present ? 1 : 0));
}

const steps = fc.array(
  fc.record({ edits: fc.array(edit, { maxLength: 12 }), root: fc.constantFrom(0, 1, 2), ips: fc.boolean() }),
  { minLength: 1, maxLength: 6 },
);

function check(
  guest: FakeGuest,
  pool: FakePool,
  ppgtt: ShadowPpgtt,
  pdp: number,
  root: number,
  levels: 2 | 4,
  ips: boolean,
  /** Guest frame that the shadow's owner names for an address. */
  named: (gmadr: bigint) => number,
) {
  const readGuest = guestReader(guest);
  const readShadow = poolReader(pool);
  const upper = levels === 4 ? INDEXES : [0];
  for (const l4 of upper)
    for (const l3 of upper)
      for (const l2 of INDEXES)
        for (const l1 of [0, 3, 16, 17, 300, 511]) {
          const gmadr = (BigInt(l4) << 39n) | (BigInt(l3) << 30n) | (BigInt(l2) << 21n) | (BigInt(l1) << 12n);
          const wanted = walk(readGuest, root, levels, gmadr, ips);
          const seen = walk(readShadow, pdp, levels, gmadr, false) as Walk;
          const mfn = wanted === null ? -1 : guest.mfnOf(wanted.frame);
          const gfn = named(gmadr);
          if (gfn !== (wanted?.frame ?? -1)) expect(gfn, gmadr.toString(16)).toBe(wanted?.frame ?? -1);
          if (mfn < 0) {
            if (seen?.frame !== ppgtt.scratch[0]) expect(seen, gmadr.toString(16)).toEqual({ frame: ppgtt.scratch[0] });
          } else if (seen?.frame !== mfn || seen.attributes !== wanted?.attributes) {
            expect(seen, gmadr.toString(16)).toEqual({ frame: mfn, attributes: wanted?.attributes });
          }
        }
}

/** Every entry of every reachable shadow table, not only the ones that a sample of addresses meets. */
function audit(guest: FakeGuest, pool: FakePool, ppgtt: ShadowPpgtt, pdp: number, levels: number): void {
  const owned = new Set(guest.mfns.filter((mfn) => mfn >= 0));
  const read = poolReader(pool);
  const seen = new Set<string>();
  const visit = (frame: number, level: number): void => {
    const key = `${frame}/${level}`;
    if (seen.has(key)) return;
    seen.add(key);
    for (let index = 0; index < 512; index++) {
      const entry = read(frame, index) ?? 0n;
      if ((entry & 1n) === 0n) throw new Error('a shadow entry is not present');
      const target = Number((entry & 0x3fff_ffff_f000n) >> 12n);
      if (level === 2 && (entry & 0x80n) !== 0n) {
        const base = target & ~511;
        for (let i = 0; i < 512; i++) if (!owned.has(base + i)) throw new Error(`foreign frame ${base + i}`);
      } else if (level > 1) visit(target, level - 1);
      else if (!owned.has(target) && target !== ppgtt.scratch[0]) throw new Error(`foreign frame ${target}`);
    }
  };
  visit(pdp, levels);
}

test.each([
  ['by comparing at each submission', false],
  ['with write tracking for some pages', true],
])('after a sync the device sees the address space that the guest built, %s', (_name, tracking) => {
  fc.assert(
    fc.property(steps, (history) => {
      const guest = ram();
      const pool = new FakePool();
      const tracker = new FakeTracker();
      const ppgtt = new ShadowPpgtt({
        guest,
        pool,
        maxShadowPages: 1000,
        ...(tracking ? { strategy: tracker } : {}),
      });
      const roots = [
        ppgtt.create(4, [1 << 12]),
        ppgtt.create(4, [2 << 12]),
        ppgtt.create(3, [6 << 12, 0, 9 << 12, 6 << 12]),
      ];
      for (const { edits, root, ips } of history) {
        for (const one of edits) {
          apply(guest, one);
          tracker.note(one.table);
        }
        ppgtt.allow64K = ips;
        const handle = roots[root]!;
        ppgtt.sync(handle);
        if (handle.levels === 4) {
          const named = (gmadr: bigint) => ppgtt.gfnOf(handle, Number(gmadr >> 12n));
          check(guest, pool, ppgtt, ppgtt.rootPdp(handle, 0), handle.pdps[0]! >>> 12, 4, ips, named);
        } else {
          for (const i of [0, 2, 3]) {
            const named = (gmadr: bigint) => ppgtt.gfnOf(handle, i * 2 ** 18 + Number(gmadr >> 12n));
            check(guest, pool, ppgtt, ppgtt.rootPdp(handle, i), handle.pdps[i]! >>> 12, 2, ips, named);
          }
          expect(ppgtt.gfnOf(handle, 2 ** 18), 'no page directory').toBe(-1);
          expect(ppgtt.gfnOf(handle, 2 ** 20), 'beyond 4 GiB').toBe(-1);
        }
        // With pages that change unnoticed only the roots that were synced are in step; audit() syncs them all.
        const audited = ppgtt.audit();
        expect(audited.differing, audited.first ?? '').toBe(0);
        expect(audited.entries).toBeGreaterThan(0);
        for (const other of roots) audit(guest, pool, ppgtt, ppgtt.rootPdp(other, 0), other.levels === 4 ? 4 : 2);
      }
      for (const root of roots) ppgtt.destroy(root);
      expect(pool.live.size, 'only scratch is left').toBe(4);
      expect(tracker.dirty.size).toBe(0);
      ppgtt.release();
      expect(pool.live.size).toBe(0);
    }),
    { numRuns: 80 },
  );
});
