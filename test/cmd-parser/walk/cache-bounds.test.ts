/** How much a cache of verdicts keeps, what it compares, and what no verdict is kept of. */
import { describe, expect, it } from 'vitest';
import type { Frames } from '../../../src/base/index.js';
import {
  BATCH_BUDGET_COUNT,
  BATCH_BUDGET_DWORDS,
  type ContentVersions,
  VerdictCache,
} from '../../../src/cmd-parser/index.js';
import { BATCH, framesOf, LOW_START } from '../harness.js';
import { PROCESS } from '../policy/judge.js';
import { END, JUNK, jump, longMemory, type Memory, NOOP, noops, PAGE, ring, run, SECOND, store } from './walker.js';

const privileged = (address: number, bits = 0): number[] => jump('privileged', address, bits);
const at = (index: number): number => BATCH + index * PAGE;
/** One batch by index, of `dwords` dwords. */
function started(cache: VerdictCache, index: number, dwords = 1): number {
  const before = cache.hits;
  const pages = Math.ceil(dwords / 1024);
  const memory = longMemory(at(index), pages, [...noops(dwords - 1 - 1024 * (pages - 1)), END]);
  expect(ring('privileged', privileged(at(index)), memory, { cache }).ok).toBe(true);
  return cache.hits - before;
}
function kept(cache: VerdictCache, index: number, dwords = 1): void {
  started(cache, index, dwords);
  started(cache, index, dwords);
}

describe('a cache of verdicts', () => {
  it('keeps so many as it may, and what was kept first leaves first', () => {
    const cache = new VerdictCache(undefined, { entries: 3, bytes: 1 << 20 });
    for (let i = 0; i < 3; i++) kept(cache, i);
    expect([cache.entries, cache.evictions]).toEqual([3, 0]);
    kept(cache, 3);
    expect([cache.entries, cache.evictions]).toEqual([3, 1]);
    expect([1, 2, 3].map((i) => started(cache, i))).toEqual([1, 1, 1]);
    expect(started(cache, 0)).toBe(0);
    // it came back, and the oldest of the others had to leave
    expect([cache.entries, cache.evictions]).toEqual([3, 2]);
    expect([2, 3, 0].map((i) => started(cache, i))).toEqual([1, 1, 1]);
    expect(started(cache, 1)).toBe(0);
  });
  it('counts a verdict once that takes the place of another on the same batch', () => {
    const cache = new VerdictCache(undefined, { entries: 3, bytes: 1 << 20 });
    kept(cache, 0, 10);
    expect([cache.entries, cache.bytes]).toEqual([1, 256 + 80]);
    expect(started(cache, 0, 20)).toBe(0);
    expect([cache.entries, cache.bytes, cache.evictions, cache.changed]).toEqual([1, 256 + 160, 0, 1]);
    expect(started(cache, 0, 20)).toBe(1);
    expect(started(cache, 0, 10)).toBe(0);
    expect(cache.bytes).toBe(256 + 80);
  });
  it('keeps so many bytes as it may', () => {
    // a batch of 100 dwords, its bytes as they were and as they run
    const each = 256 + 800;
    const cache = new VerdictCache(undefined, { entries: 100, bytes: 2 * each });
    kept(cache, 0, 100);
    kept(cache, 1, 100);
    expect([cache.entries, cache.bytes, cache.evictions]).toEqual([2, 2 * each, 0]);
    kept(cache, 2, 1);
    expect([cache.entries, cache.bytes, cache.evictions]).toEqual([2, each + 264, 1]);
    expect([started(cache, 1, 100), started(cache, 2, 1)]).toEqual([1, 1]);
    // one that takes all of it, and one that would take more
    kept(cache, 3, 232);
    expect([cache.entries, cache.bytes, cache.evictions]).toEqual([1, 2 * each, 3]);
    kept(cache, 4, 233);
    expect([cache.entries, cache.bytes, cache.evictions]).toEqual([1, 2 * each, 3]);
    expect([started(cache, 3, 232), started(cache, 4, 233)]).toEqual([1, 0]);
  });
  it('counts stores as bytes, too', () => {
    const cache = new VerdictCache();
    const memory = { [BATCH]: [...store('privileged', LOW_START, 1), ...store('privileged', LOW_START, 2), END] };
    for (let i = 0; i < 3; i++) ring('privileged', privileged(BATCH), memory, { cache });
    expect([cache.hits, cache.bytes]).toEqual([1, 256 + 9 * 8 + 2 * 32]);
  });
  it('forgets all when it is cleared, but not what it counted', () => {
    const cache = new VerdictCache();
    kept(cache, 0);
    expect(started(cache, 0)).toBe(1);
    cache.clear();
    expect([cache.entries, cache.bytes, cache.hits, cache.misses]).toEqual([0, 0, 1, 2]);
    expect(started(cache, 0)).toBe(0);
    expect(started(cache, 0)).toBe(1);
  });
  it('keeps 512 verdicts by default', () => {
    const cache = new VerdictCache();
    for (let i = 0; i < 513; i++) kept(cache, i);
    expect([cache.entries, cache.evictions]).toEqual([512, 1]);
    expect(started(cache, 0)).toBe(0);
    expect(started(cache, 512)).toBe(1);
  });
  it('keeps 8 MiB by default', () => {
    const cache = new VerdictCache();
    // each is a mebibyte and 256 bytes
    for (let i = 0; i < 7; i++) kept(cache, i * 200, 131_072);
    expect([cache.entries, cache.bytes, cache.evictions]).toEqual([7, 7 * (1_048_576 + 256), 0]);
    kept(cache, 1400, 131_072);
    expect([cache.entries, cache.evictions]).toEqual([7, 1]);
    cache.clear();
    kept(cache, 0, 1_048_576 - 32);
    expect([cache.entries, cache.bytes]).toEqual([1, 8 << 20]);
    cache.clear();
    kept(cache, 0, 1_048_576 - 31);
    expect(cache.entries).toBe(0);
  });
  it('remembers eight times as many batches that were started once', () => {
    const cache = new VerdictCache(undefined, { entries: 2, bytes: 1 << 20 });
    for (let i = 0; i < 16; i++) started(cache, i);
    // the first was not forgotten yet
    started(cache, 0);
    expect(cache.entries).toBe(1);
    const other = new VerdictCache(undefined, { entries: 2, bytes: 1 << 20 });
    for (let i = 0; i < 17; i++) started(other, i);
    started(other, 0);
    expect(other.entries).toBe(0);
    // the one that took the last place was remembered
    started(other, 16);
    expect(other.entries).toBe(1);
  });
});

describe('what no verdict is kept of', () => {
  const hitsOf = (dwords: readonly number[], memory: Memory): number => {
    const cache = new VerdictCache();
    for (let i = 0; i < 3; i++) expect(ring('privileged', dwords, memory, { cache }).ok).toBe(true);
    return cache.hits;
  };
  it('a batch with more than 64 stores', () => {
    const body = (count: number) => ({
      [BATCH]: [...Array.from({ length: count }, (_, i) => store('privileged', LOW_START + 4 * i, 1)).flat(), END],
    });
    expect(hitsOf(privileged(BATCH), body(64))).toBe(1);
    expect(hitsOf(privileged(BATCH), body(65))).toBe(0);
  });
  it('a batch that leads into one that the ring started before', () => {
    const memory = { [at(0)]: [NOOP, END], [at(1)]: [NOOP, ...privileged(at(0))], [at(2)]: [END] };
    expect(hitsOf([...privileged(at(0)), ...privileged(at(1))], memory)).toBe(1);
    expect(hitsOf([...privileged(at(2)), ...privileged(at(1))], memory)).toBe(2);
  });
  it('a batch that starts, at its first level, what it started before, all the same is', () => {
    const memory = { [at(0)]: [...privileged(at(1), SECOND), ...privileged(at(1), SECOND), END], [at(1)]: [END] };
    expect(hitsOf(privileged(at(0)), memory)).toBe(1);
  });
});

describe('a verdict that does not fit into the scan', () => {
  it('because the scan has one of its batches already is not used', () => {
    const cache = new VerdictCache();
    const memory = { [at(0)]: [NOOP, END], [at(1)]: [NOOP, ...privileged(at(0))] };
    for (let i = 0; i < 2; i++) ring('privileged', privileged(at(1)), memory, { cache });
    const both = [...privileged(at(0)), ...privileged(at(1))];
    const judged = ring('privileged', both, memory, { cache });
    const fresh = ring('privileged', both, memory);
    expect(judged.batches.map(({ sourceGmadr }) => sourceGmadr)).toEqual([at(0), at(1)]);
    expect(judged.batches[0]!.patchAt).toEqual(fresh.batches[0]!.patchAt);
    expect([judged.commands, judged.dwords]).toEqual([fresh.commands, fresh.dwords]);
    // at another level it is another batch
    const second = { ...memory, [at(2)]: [...privileged(at(0), SECOND), END] };
    for (let i = 0; i < 3; i++) ring('privileged', privileged(at(2)), second, { cache });
    const hits = cache.hits;
    expect(ring('privileged', [...privileged(at(0)), ...privileged(at(2))], second, { cache }).batches).toHaveLength(3);
    expect(cache.hits - hits).toBe(1);
  });
  it('because the scan would have too many batches is not used', () => {
    const cache = new VerdictCache();
    const memory = {
      [BATCH]: new Array<number>(1024).fill(END),
      [at(8)]: [...privileged(at(9), SECOND), END],
      [at(9)]: [END],
    };
    for (let i = 0; i < 2; i++) ring('privileged', privileged(at(8)), memory, { cache });
    const many = (count: number) => [
      ...Array.from({ length: count }, (_, i) => privileged(BATCH + 4 * i)).flat(),
      ...privileged(at(8)),
    ];
    expect(ring('privileged', many(BATCH_BUDGET_COUNT - 2), memory, { cache })).toMatchObject({ ok: true });
    expect(cache.hits).toBe(1);
    expect(ring('privileged', many(BATCH_BUDGET_COUNT - 1), memory, { cache })).toMatchObject({
      code: 'batch-budget',
      gmadr: at(9),
    });
  });
  it('because the scan would copy too much is not used', () => {
    const cache = new VerdictCache();
    const small = 8;
    const body = { [at(4096)]: [...noops(small - 1), END] };
    for (let i = 0; i < 2; i++) ring('privileged', privileged(at(4096)), body, { cache });
    // so many pages before it leave room for none, one leaves room for it
    const room = (pages: number): Frames => {
      const words = new Uint32Array(3 * 1024);
      words[1023] = END;
      words.fill(NOOP, 1024, 2048);
      words.set([...noops(small - 1), END], 2048);
      return {
        words,
        locate: (page) => (page === at(4096) / PAGE ? 2048 : page === at(pages - 1) / PAGE ? 0 : 1024),
      };
    };
    const pages = BATCH_BUDGET_DWORDS / 1024;
    const both = [...privileged(BATCH), ...privileged(at(4096))];
    expect(ring('privileged', both, room(pages - 1), { cache })).toMatchObject({ ok: true });
    expect(cache.hits).toBe(1);
    expect(ring('privileged', both, room(pages), { cache })).toMatchObject({ code: 'batch-budget', gmadr: at(4096) });
  });
  it('what is used counts towards the budget', () => {
    const cache = new VerdictCache(undefined, { entries: 4, bytes: 64 << 20 });
    const half = BATCH_BUDGET_DWORDS / 2;
    const words = new Uint32Array(3 * 1024);
    words[1023] = END;
    words[2048] = END;
    // two long batches whose last page ends them, and a short one
    const last = [half / 1024 - 1, 1024 + half / 1024 - 1].map((index) => at(index) / PAGE);
    const big: Frames = {
      words,
      locate: (page) => (page === at(2048) / PAGE ? 2048 : last.includes(page) ? 0 : 1024),
    };
    for (let i = 0; i < 2; i++)
      for (const start of [0, 1024]) ring('privileged', privileged(at(start)), big, { cache });
    const two = [...privileged(at(0)), ...privileged(at(1024))];
    expect(ring('privileged', two, big, { cache })).toMatchObject({ ok: true, dwords: BATCH_BUDGET_DWORDS + 6 });
    expect(cache.hits).toBe(2);
    expect(ring('privileged', [...two, ...privileged(at(2048))], big, { cache })).toMatchObject({
      code: 'batch-budget',
      gmadr: at(2048),
    });
  });
});

describe('page versions', () => {
  /** Counts what it is told of. */
  class Counted implements ContentVersions {
    readonly byPage = new Map<number, number>();
    readonly asked: [number, boolean][] = [];
    versionOf(page: number, perProcess: boolean): number {
      this.asked.push([page, perProcess]);
      return this.byPage.get(page) ?? 1;
    }
  }
  const dwords = [...noops(1500), END];
  const page = BATCH / PAGE;
  const changed = (index: number) => ({ [BATCH]: dwords.map((word, i) => (i === index ? JUNK : word)) });
  function versioned() {
    const versions = new Counted();
    const cache = new VerdictCache(versions);
    for (let i = 0; i < 2; i++) ring('privileged', privileged(BATCH), { [BATCH]: dwords }, { cache });
    versions.asked.length = 0;
    return { versions, cache };
  }
  it('that are the same spare comparing the dwords', () => {
    const { versions, cache } = versioned();
    // who counts says that nothing was written: that is believed
    expect(ring('privileged', privileged(BATCH), changed(3), { cache }).ok).toBe(true);
    expect(cache.hits).toBe(1);
    expect(versions.asked).toEqual([
      [page, false],
      [page + 1, false],
    ]);
  });
  it.each([0, 1])('of which one is new, that of page %i, have that page compared', (which) => {
    const { versions, cache } = versioned();
    versions.byPage.set(page + which, 2);
    expect(ring('privileged', privileged(BATCH), { [BATCH]: dwords }, { cache }).ok).toBe(true);
    expect([cache.hits, cache.changed]).toEqual([1, 0]);
    expect(ring('privileged', privileged(BATCH), changed(which * 1024 + 3), { cache }).ok).toBe(false);
    expect([cache.hits, cache.changed]).toEqual([1, 1]);
    const other = versioned();
    other.versions.byPage.set(page + which, 2);
    expect(ring('privileged', privileged(BATCH), changed((1 - which) * 1024 + 3), { cache: other.cache }).ok).toBe(
      true,
    );
  });
  it('of a page that nobody counts have it compared, then and later', () => {
    for (const lost of [page, page + 1]) {
      const versions = new Counted();
      versions.byPage.set(lost, -1);
      const cache = new VerdictCache(versions);
      for (let i = 0; i < 3; i++) ring('privileged', privileged(BATCH), { [BATCH]: dwords }, { cache });
      expect(cache.hits).toBe(1);
      // a page without a count has none of the others believed, for nobody knows which is which
      for (const index of [3, 1027]) {
        versions.byPage.delete(lost);
        expect(ring('privileged', privileged(BATCH), changed(index), { cache }).ok).toBe(false);
      }
      expect(cache.changed).toBe(2);
    }
    const { versions, cache } = versioned();
    versions.byPage.set(page, -1);
    expect(ring('privileged', privileged(BATCH), changed(3), { cache }).ok).toBe(false);
  });
  it('may be zero', () => {
    const versions = new Counted();
    for (const one of [page, page + 1]) versions.byPage.set(one, 0);
    const cache = new VerdictCache(versions);
    for (let i = 0; i < 2; i++) ring('privileged', privileged(BATCH), { [BATCH]: dwords }, { cache });
    expect(ring('privileged', privileged(BATCH), changed(3), { cache }).ok).toBe(true);
    expect(cache.hits).toBe(1);
  });
  it('are read before the page is, so that a write between the two is not missed', () => {
    const versions = new Counted();
    const cache = new VerdictCache(versions);
    const memory = framesOf({ [BATCH]: dwords });
    // the guest writes when its page was just found
    const writing: Frames = {
      words: memory.words,
      locate: (one) => {
        versions.byPage.set(one, (versions.byPage.get(one) ?? 1) + 1);
        return memory.locate(one);
      },
    };
    for (let i = 0; i < 2; i++) ring('privileged', privileged(BATCH), writing, { cache });
    memory.words[3] = JUNK;
    expect(ring('privileged', privileged(BATCH), memory, { cache }).ok).toBe(false);
    expect([cache.hits, cache.changed]).toEqual([0, 1]);
  });
  it('belong each to its own page of its own batch and address space', () => {
    // the ring starts another batch first, and the batch starts two, one of them of two pages
    const versions = new Counted();
    const cache = new VerdictCache(versions);
    const body = {
      [at(0)]: [...privileged(at(4), SECOND), NOOP, ...jump('copied', PROCESS, SECOND), ...noops(1018), END],
      [at(4)]: [NOOP, END],
      [at(8)]: [NOOP, END],
    };
    const own = { [PROCESS]: [NOOP, END] };
    const go = (ggtt: Memory, process: Memory = own) =>
      ring('copied', [...privileged(at(8)), ...privileged(at(0))], process, { cache, ggtt });
    for (let i = 0; i < 2; i++) expect(go(body).ok).toBe(true);
    versions.asked.length = 0;
    expect(go(body).ok).toBe(true);
    expect(cache.hits).toBe(2);
    expect(versions.asked).toEqual([
      [at(8) / PAGE, false],
      [at(0) / PAGE, false],
      [at(1) / PAGE, false],
      [at(4) / PAGE, false],
      [PROCESS / PAGE, true],
    ]);
    for (const [index, one] of [at(0), at(1), at(4), PROCESS].entries()) {
      versions.byPage.set(one / PAGE, 100 + index);
      const before = cache.changed;
      const hostile = { ...body, [at(4)]: one === at(4) ? [JUNK, END] : [NOOP, END] };
      if (one === at(0)) hostile[at(0)] = body[at(0)]!.map((word, i) => (i === 3 ? JUNK : word));
      if (one === at(1)) hostile[at(0)] = body[at(0)]!.map((word, i) => (i === 1024 ? JUNK : word));
      expect(go(hostile, one === PROCESS ? { [PROCESS]: [JUNK] } : own).ok).toBe(false);
      expect([index, cache.changed - before]).toEqual([index, 1]);
      versions.byPage.delete(one / PAGE);
    }
  });
  it('of a page that nobody counted have it compared, whatever is counted now', () => {
    const versions = new Counted();
    versions.byPage.set(page, -1);
    const cache = new VerdictCache(versions);
    for (let i = 0; i < 2; i++) ring('privileged', privileged(BATCH), { [BATCH]: dwords }, { cache });
    versions.byPage.set(page, 0);
    expect(ring('privileged', privileged(BATCH), changed(3), { cache }).ok).toBe(false);
    expect([cache.hits, cache.misses, cache.changed]).toEqual([0, 3, 1]);
  });
});

describe('verdicts that share a place', () => {
  it('are told apart by address and address space', () => {
    const cache = new VerdictCache();
    const [near, far] = [PROCESS, PROCESS + 2 ** 28];
    const body = { [near]: [NOOP, END], [far]: [NOOP, END] };
    for (let i = 0; i < 2; i++) run('copied', body, { cache, space: 2, address: near });
    const other = run('copied', body, { cache, space: 1, address: far });
    expect(other.batches.map(({ sourceGmadr }) => sourceGmadr)).toEqual([far]);
    expect([cache.hits, cache.changed]).toEqual([0, 0]);
    // the place is the other's now
    expect(run('copied', body, { cache, space: 2, address: near }).batches).toMatchObject([{ sourceGmadr: near }]);
    expect([cache.hits, cache.changed, cache.entries]).toEqual([0, 0, 1]);
  });
  it('are told apart by trust', () => {
    const cache = new VerdictCache();
    const body = { [BATCH]: [NOOP, END] };
    for (let i = 0; i < 2; i++) run('privileged', body, { cache, address: BATCH });
    expect(run('copied', body, { cache, address: BATCH }).batches[0]!.perProcess).toBe(true);
    expect(run('haswell', body, { cache, address: BATCH }).batches[0]!.perProcess).toBe(true);
    expect(cache.hits).toBe(0);
  });
});

describe('memory that a verdict is compared with', () => {
  /** Two pages that follow each other for the guest alone. */
  const apart = (words: readonly number[]): Frames => {
    const all = new Uint32Array(4096);
    all.set(words.slice(0, 2), 3072 + 1022);
    all.set(words.slice(2), 1024);
    return { words: all, locate: (page) => (page === at(0) / PAGE ? 3072 : page === at(1) / PAGE ? 1024 : -1) };
  };
  it('is each page where it is', () => {
    const first = at(1) - 8;
    const dwords = [NOOP, NOOP, NOOP, NOOP, END];
    for (let index = 0; index < dwords.length; index++) {
      const cache = new VerdictCache();
      const go = (words: readonly number[]) => ring('privileged', privileged(first), apart(words), { cache }).ok;
      expect([go(dwords), go(dwords), go(dwords), cache.hits]).toEqual([true, true, true, 1]);
      expect(go(dwords.map((word, i) => (i === index ? JUNK : word)))).toBe(false);
      expect([cache.hits, cache.misses, cache.changed]).toEqual([1, 3, 1]);
    }
  });
  it('may not be known: what a process has is not compared with nothing', () => {
    const cache = new VerdictCache();
    const ggtt = { [at(0)]: [...jump('copied', PROCESS, SECOND), END] };
    const dwords = privileged(at(0));
    for (let i = 0; i < 3; i++) ring('copied', dwords, { [PROCESS]: [NOOP, END] }, { cache, ggtt });
    expect(cache.hits).toBe(1);
    expect(ring('privileged', dwords, ggtt, { cache })).toMatchObject({
      ok: true,
      unprivilegedBatches: 1,
      batches: [{}],
    });
    expect([cache.hits, cache.changed]).toEqual([1, 1]);
  });
  it('may be another object with every scan', () => {
    const cache = new VerdictCache();
    const inside = (offset: number, word: number): Frames => {
      const backing = new Uint32Array(4096);
      backing.set([word, END], offset + 1024);
      const words = backing.subarray(offset);
      return { words, locate: (page) => (page === at(0) / PAGE ? 1024 : -1) };
    };
    for (const offset of [0, 16, 32])
      expect(ring('privileged', privileged(at(0)), inside(offset, NOOP), { cache }).ok).toBe(true);
    expect(cache.hits).toBe(1);
    expect(ring('privileged', privileged(at(0)), inside(64, JUNK), { cache }).ok).toBe(false);
  });
});
