/** Verdicts recorded behind other work and used behind other work: totals, places and versions are those of their own batches. */
import { describe, expect, it } from 'vitest';
import { type ScanResult, VerdictCache } from '../../../src/cmd-parser/index.js';
import { CMD } from '../../../src/hw/index.js';
import { BATCH } from '../harness.js';
import { PROCESS } from '../policy/judge.js';
import { END, FORBIDDEN, HOMES, JUNK, jump, jumpSize, len, NOOP, PAGE, ring, run, SECOND, store } from './walker.js';

const plain = ({ batches, segments, ...rest }: ScanResult): object => ({
  ...rest,
  segments: [...segments].map((segment) => ({ ...segment })),
  batches: batches.map(({ words, dwords, ...batch }) => ({ ...batch, dwords, words: [...words.subarray(0, dwords)] })),
});

const [a, b, inner] = [BATCH, BATCH + PAGE, BATCH + 2 * PAGE];
/** Counted, patched and started unseen: two notifies by index, a wait, an interrupt, a batch of the process. */
const flush = [CMD.MI_FLUSH_DW | (1 << 14) | (1 << 21) | (1 << 8) | len(4), 0x100, 0, 0];
const work = [
  ...[CMD.MI_USER_INTERRUPT, CMD.MI_WAIT_FOR_EVENT | 2],
  ...flush,
  ...jump('ppgtt', PROCESS, SECOND),
  CMD.MI_USER_INTERRUPT,
];
const unseen = [CMD.MI_USER_INTERRUPT, CMD.MI_WAIT_FOR_EVENT | 2, ...flush, ...flush, ...jump('ppgtt', PROCESS)];
const memory = {
  [a]: [...work, ...jump('privileged', inner, SECOND), ...flush, NOOP, END],
  [b]: [NOOP, ...flush, ...work, ...work, END],
  [inner]: [CMD.MI_USER_INTERRUPT, ...flush, CMD.MI_WAIT_FOR_EVENT | 2, END],
};
const start = (address: number): number[] => jump('privileged', address);

describe('two batches that are recorded in one scan', () => {
  const dwords = [...unseen, ...start(a), ...unseen, NOOP, ...start(b), ...unseen];
  it('have each its own part of the totals', () => {
    const fresh = plain(ring('privileged', dwords, memory));
    expect(fresh).toMatchObject({ ok: true, unprivilegedBatches: 6 });
    const cache = new VerdictCache();
    for (const hits of [0, 0, 2, 4]) {
      expect(plain(ring('privileged', dwords, memory, { cache }))).toEqual(fresh);
      expect([cache.hits, cache.changed]).toEqual([hits, 0]);
    }
    // and what was recorded there is used elsewhere, in another order
    for (const other of [
      [...start(b), ...start(a)],
      [NOOP, ...start(a)],
      [...unseen, ...unseen, ...start(b), NOOP],
    ]) {
      expect(plain(ring('privileged', other, memory, { cache }))).toEqual(plain(ring('privileged', other, memory)));
    }
    expect([cache.hits, cache.changed]).toEqual([8, 0]);
    // a scan without a cache behind one that would have recorded
    const once = { [BATCH + 8 * PAGE]: [NOOP, END] };
    for (let i = 0; i < 2; i++) ring('privileged', start(BATCH + 8 * PAGE), once, { cache });
    expect(plain(ring('privileged', dwords, memory))).toEqual(fresh);
  });
  it('have each its own versions', () => {
    const byPage = new Map([a, b, inner].map((address, i) => [address / PAGE, i + 7]));
    const cache = new VerdictCache({ versionOf: (page) => byPage.get(page) ?? -1 });
    for (let i = 0; i < 2; i++) ring('privileged', dwords, memory, { cache });
    expect([cache.entries, cache.hits]).toEqual([2, 0]);
    // nobody compares what is counted: other dwords with the same versions are believed
    const others = { [a]: [JUNK], [b]: [JUNK], [inner]: [JUNK] };
    expect(ring('privileged', dwords, others, { cache })).toMatchObject({ ok: true });
    expect([cache.hits, cache.changed]).toEqual([2, 0]);
    for (const page of byPage.keys()) {
      const before = byPage.get(page)!;
      byPage.set(page, before + 100);
      expect(ring('privileged', dwords, { ...memory, [page * PAGE]: [JUNK] }, { cache }).ok).toBe(false);
      byPage.set(page, before);
    }
  });
});

describe('stores of verdicts that are used again', () => {
  const far = BATCH + 16 * PAGE;
  it('are none of the next scan', () => {
    const cache = new VerdictCache();
    const body = { [a]: [...store('privileged', far, JUNK), END], [far]: [NOOP, END] };
    for (let i = 0; i < 3; i++) expect(ring('privileged', start(a), body, { cache }).ok).toBe(true);
    expect(cache.hits).toBe(1);
    expect(ring('privileged', start(far), body, { cache }).ok).toBe(true);
    expect(ring('privileged', start(far), body).ok).toBe(true);
    expect(ring('privileged', [...start(a), ...start(far)], body, { cache })).toMatchObject({ code: 'self-modifying' });
    expect(ring('privileged', start(far), body).ok).toBe(true);
  });
  it.each([
    [0, 4],
    [4, 0],
    [4, 8],
    [8, 4],
    [4, 4],
  ])('at %i, and one of the ring at %i, are blamed on the lower of both', (recalled, own) => {
    const cache = new VerdictCache();
    const home = 'copied';
    const body = { [PROCESS]: [...store(home, recalled, JUNK), END], 0: [NOOP, NOOP, NOOP, END] };
    for (let i = 0; i < 2; i++) expect(ring(home, jump(home, PROCESS), body, { cache }).ok).toBe(true);
    const dwords = [...jump(home, PROCESS), ...store(home, own, JUNK), ...jump(home, 0)];
    const lower = Math.min(recalled, own);
    expect(ring(home, dwords, body, { cache })).toMatchObject({
      code: 'self-modifying',
      gmadr: lower,
      dword: lower / 4,
    });
    expect(cache.hits).toBe(1);
  });
});

describe('memory that is missing', () => {
  it.each(HOMES)('%s: is said to be what it would have to be', (home) => {
    const own = home === 'privileged' ? ' of the own ranges' : '';
    const said = home === 'privileged' ? `is not mapped memory${own};` : 'is not mapped;';
    const base = home === 'privileged' ? BATCH : PROCESS;
    expect(run(home, {}).message).toContain(`[batch-unmapped]: 0x${base.toString(16)} ${said}`);
    expect(ring(home, jump(home, base), {}).message).toContain(`0x${base.toString(16)} ${said}`);
  });
});

it('a refusal behind a verdict that was used again counts the commands of both', () => {
  const cache = new VerdictCache();
  for (let i = 0; i < 2; i++) ring('privileged', start(a), memory, { cache });
  const dwords = [NOOP, ...start(a), NOOP, ...FORBIDDEN];
  const fresh = ring('privileged', dwords, memory);
  expect(fresh).toMatchObject({ ok: false, dword: 2 + jumpSize('privileged') });
  expect(plain(ring('privileged', dwords, memory, { cache }))).toEqual(plain(fresh));
  expect(cache.hits).toBe(1);
});
