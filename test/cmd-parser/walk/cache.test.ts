/** Verdicts that are used again: never one for other dwords, and the same as a fresh scan's to the last field. */
import { describe, expect, it } from 'vitest';
import { type ScanResult, VerdictCache } from '../../../src/cmd-parser/index.js';
import { BCS, CMD } from '../../../src/hw/index.js';
import {
  type Around,
  baseOf,
  COPIED,
  END,
  FORBIDDEN,
  type Home,
  JUNK,
  jump,
  len,
  type Memory,
  NOOP,
  noops,
  PAGE,
  PREDICATED,
  RANGES,
  ring,
  run,
  SECOND,
  store,
} from './walker.js';

/** A ring that starts the home's batch between two commands of its own. */
const start = (home: Home): number[] => [NOOP, ...jump(home, baseOf(home)), CMD.MI_USER_INTERRUPT];
/** Twice: what is started once is not worth keeping. */
function warm(home: Home, memory: Memory, cache: VerdictCache, around: Around & { ggtt?: Memory } = {}): void {
  for (let i = 0; i < 2; i++) expect(ring(home, start(home), memory, { ...around, cache }).ok).toBe(true);
}
/** All that a verdict is, as plain data; of buffers what is in use. */
const plain = ({ batches, segments, ...rest }: ScanResult): object => ({
  ...rest,
  segments: [...segments].map((segment) => ({ ...segment })),
  batches: batches.map(({ words, dwords, ...batch }) => ({ ...batch, dwords, words: [...words.subarray(0, dwords)] })),
});

describe.each(COPIED)('%s: the verdict on a batch that is started again', (home) => {
  const base = baseOf(home);
  const far = base + 0x20_0000;
  const flush = [CMD.MI_FLUSH_DW | (1 << 14) | (1 << 21) | (1 << 8) | len(4), 0x100, 0, 0];
  /** Stores, patches, interrupts, notifies, second levels, chains, and a batch that two others start. */
  const memory = {
    [base]: [
      CMD.MI_USER_INTERRUPT,
      ...flush,
      ...jump(home, base + PAGE, SECOND),
      ...store(home, far, 1),
      ...jump(home, base + 5 * PAGE, SECOND),
      ...jump(home, base + 2 * PAGE),
      JUNK,
    ],
    [base + PAGE]: [...flush, CMD.MI_WAIT_FOR_EVENT | 2, ...jump(home, base + 5 * PAGE)],
    [base + 2 * PAGE]: [...flush, NOOP, ...noops(1500), END],
    [base + 5 * PAGE]: [CMD.MI_USER_INTERRUPT, END],
  };
  it('leaves nothing behind that a survey would count', () => {
    const fresh = plain(run(home, memory, { survey: true }));
    const cache = new VerdictCache();
    for (let i = 0; i < 3; i++) expect(run(home, memory, { cache }).ok).toBe(true);
    expect(cache.hits).toBeGreaterThan(0);
    expect(plain(run(home, memory, { survey: true, cache }))).toEqual(fresh);
  });
  it('is what a fresh scan says, to the last field', () => {
    const cache = new VerdictCache();
    const fresh = plain(ring(home, start(home), memory));
    for (const [hits, misses] of [
      [0, 1],
      [0, 2],
      [1, 2],
      [2, 2],
    ]) {
      expect(plain(ring(home, start(home), memory, { cache }))).toEqual(fresh);
      expect([cache.hits, cache.misses, cache.changed]).toEqual([hits, misses, 0]);
    }
    expect(cache.entries).toBe(1);
  });
  it('is what a fresh scan says behind other batches and in front of others', () => {
    const cache = new VerdictCache();
    warm(home, memory, cache);
    const all = { ...memory, [far + PAGE]: [...flush, END], [far + 2 * PAGE]: [NOOP, END] };
    const dwords = [...jump(home, far + PAGE), ...start(home), ...jump(home, far + 2 * PAGE)];
    const fresh = plain(ring(home, dwords, all));
    expect(plain(ring(home, dwords, all, { cache }))).toEqual(fresh);
    expect(cache.hits).toBe(1);
    expect(plain(ring(home, dwords, all, { cache }))).toEqual(fresh);
    expect(plain(ring(home, dwords, all, { cache }))).toEqual(fresh);
    expect(cache.hits).toBe(1 + 1 + 3);
  });
  it('is what a fresh scan says where the ring starts it twice', () => {
    const cache = new VerdictCache();
    warm(home, memory, cache);
    const dwords = [...start(home), ...start(home)];
    expect(plain(ring(home, dwords, memory, { cache }))).toEqual(plain(ring(home, dwords, memory)));
    expect(cache.hits).toBe(1);
  });
  it('is what a fresh scan says of a batch by itself', () => {
    const cache = new VerdictCache();
    const fresh = plain(run(home, memory));
    for (let i = 0; i < 4; i++) expect(plain(run(home, memory, { cache }))).toEqual(fresh);
    expect(cache.hits).toBe(2);
  });
  it('is never one for other dwords, wherever one is changed', () => {
    const small = {
      [base]: [...flush, ...jump(home, base + PAGE, SECOND), NOOP, END],
      [base + PAGE]: [NOOP, NOOP, END],
    };
    for (const [address, dwords] of Object.entries(small)) {
      for (let at = 0; at < dwords.length; at++) {
        for (const bit of [0, 7, 8, 15, 16, 23, 24, 31]) {
          const cache = new VerdictCache();
          warm(home, small, cache);
          const changed = {
            ...small,
            [address]: dwords.map((word, i) => (i === at ? (word ^ (1 << bit)) >>> 0 : word)),
          };
          const result = ring(home, start(home), changed, { cache });
          expect([at, bit, cache.hits, cache.changed]).toEqual([at, bit, 0, 1]);
          expect(plain(result)).toEqual(plain(ring(home, start(home), changed)));
        }
      }
    }
  });
  it('stands whatever lies around the batch', () => {
    const cache = new VerdictCache();
    const offset = { ...memory, [base]: [NOOP, END] };
    warm(home, offset, cache);
    expect(ring(home, start(home), { ...offset, [base]: [NOOP, END, JUNK, JUNK] }, { cache }).ok).toBe(true);
    expect([cache.hits, cache.changed]).toEqual([1, 0]);
  });
  it('of several pages misses no changed dword at their edges', () => {
    const long = [...noops(3000), END];
    for (const at of [0, 1, 1023, 1024, 1025, 2047, 2048, 2999, 3000]) {
      const cache = new VerdictCache();
      warm(home, { [base]: long }, cache);
      const changed = long.map((word, i) => (i === at ? CMD.MI_ARB_CHECK : word));
      const result = ring(home, start(home), { [base]: [...changed, END] }, { cache });
      expect([at, result.ok, cache.hits, cache.changed]).toEqual([at, true, 0, 1]);
    }
  });
  it('that begins within a page misses no changed dword', () => {
    const from = base + PAGE - 8;
    const dwords = [NOOP, NOOP, NOOP, END];
    for (let at = 0; at < 4; at++) {
      const cache = new VerdictCache();
      const go = (body: readonly number[]) => ring(home, jump(home, from), { [from]: body }, { cache }).ok;
      go(dwords);
      go(dwords);
      expect(go(dwords)).toBe(true);
      expect(cache.hits).toBe(1);
      expect(go(dwords.map((word, i) => (i === at ? JUNK : word)))).toBe(false);
      expect(cache.changed).toBe(1);
    }
  });
  it('is not used where its memory is gone', () => {
    const cache = new VerdictCache();
    warm(home, memory, cache);
    expect(ring(home, start(home), {}, { cache })).toMatchObject({ code: 'batch-unmapped', dword: 1, batch: -1 });
    const { [base + 5 * PAGE]: _gone, ...rest } = memory;
    expect(ring(home, start(home), rest, { cache })).toMatchObject({ code: 'batch-unmapped' });
    expect([cache.hits, cache.changed]).toEqual([0, 2]);
  });
  it('is not used for others', () => {
    const body = { [base]: [NOOP, END], [base + PAGE]: [NOOP, END] };
    const counted = (around: Around, address = base): number[] => {
      const cache = new VerdictCache();
      warm(home, body, cache);
      ring(home, jump(home, address), body, { ...around, cache });
      return [cache.hits, cache.misses, cache.changed];
    };
    expect(counted({}, base + PAGE)).toEqual([0, 3, 0]);
    expect(counted({ engine: BCS })).toEqual([0, 3, 0]);
    expect(counted({ hwspPage: 0x20_0000 })).toEqual([0, 3, 0]);
    for (const name of ['lowStart', 'lowEnd', 'highStart', 'highEnd'] as const) {
      const wider = { ...RANGES, [name]: RANGES[name] + (name === 'lowStart' ? -PAGE : PAGE) };
      expect([name, ...counted({ ranges: wider })]).toEqual([name, 0, 3, 0]);
    }
    if (home !== 'privileged') expect(counted({ space: 2 })).toEqual([0, 3, 0]);
    // equal ranges are the same, whoever holds them
    expect(counted({ ranges: { ...RANGES } })).toEqual([1, 2, 0]);
    expect(counted({})).toEqual([1, 2, 0]);
  });
  it('is used for its own address space beside others of the same address', () => {
    if (home === 'privileged') return;
    const cache = new VerdictCache();
    const [one, two] = [{ [base]: [NOOP, END] }, { [base]: [NOOP, NOOP, END] }];
    for (const expected of [0, 0, 2, 4]) {
      expect(ring(home, start(home), one, { cache, space: 1 }).batches[0]!.dwords).toBe(2);
      expect(ring(home, start(home), two, { cache, space: 2 }).batches[0]!.dwords).toBe(3);
      expect(cache.hits).toBe(expected);
    }
    expect(cache.entries).toBe(2);
  });
  it('is kept for accepted batches alone', () => {
    const cache = new VerdictCache();
    const hostile = { [base]: [NOOP, ...FORBIDDEN, END] };
    for (let i = 0; i < 4; i++) expect(ring(home, start(home), hostile, { cache }).code).toBe('refused-command');
    expect([cache.hits, cache.misses, cache.entries]).toEqual([0, 4, 0]);
  });
  it('is not kept where a predicate leaves something for later', () => {
    const cache = new VerdictCache();
    const predicated = { [base]: [...jump(home, base + PAGE, PREDICATED), END], [base + PAGE]: [NOOP, END] };
    const fresh = plain(ring(home, start(home), predicated));
    for (let i = 0; i < 4; i++) expect(plain(ring(home, start(home), predicated, { cache }))).toEqual(fresh);
    expect([cache.hits, cache.entries]).toEqual([0, 0]);
  });
  it('is kept of batches in circles only where circles may run', () => {
    const cache = new VerdictCache();
    const circles = { [base]: [NOOP, ...jump(home, base)] };
    const fresh = plain(ring(home, start(home), circles));
    for (let i = 0; i < 4; i++) expect(plain(ring(home, start(home), circles, { cache }))).toEqual(fresh);
    expect(ring(home, start(home), circles, { cache }).ok).toBe(home !== 'privileged');
  });
  it('holds what the batch stores, which may be another batch then', () => {
    const cache = new VerdictCache();
    const body = { [base]: [...store(home, far + 4, JUNK), END], [far]: [NOOP, NOOP, END] };
    warm(home, body, cache);
    const dwords = [...start(home), ...jump(home, far)];
    const fresh = ring(home, dwords, body);
    expect(fresh).toMatchObject({ code: 'self-modifying', batch: 1, dword: 1, gmadr: far + 4 });
    const judged = ring(home, dwords, body, { cache });
    expect(cache.hits).toBe(1);
    expect(judged).toMatchObject({ code: 'self-modifying', batch: 1, dword: 1, gmadr: far + 4 });
    // and behind what was stored there is nothing to object to
    const beside = { ...body, [far]: [END] };
    expect(ring(home, dwords, beside, { cache }).ok).toBe(true);
  });
  it('holds no store that the batch does not do', () => {
    const cache = new VerdictCache();
    const body = { [base]: [NOOP, ...store(home, far - 4, JUNK), END], [far]: [NOOP, END] };
    warm(home, body, cache);
    expect(ring(home, [...start(home), ...jump(home, far)], body, { cache }).ok).toBe(true);
    expect(cache.hits).toBe(1);
  });
});
