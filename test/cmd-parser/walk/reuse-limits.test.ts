/** What verdicts may be used again for: up to the last dword of the budget, by whom they were asked, and never for a survey. */
import { expect, it } from 'vitest';
import type { Frames } from '../../../src/base/index.js';
import { BATCH_BUDGET_DWORDS, VerdictCache } from '../../../src/cmd-parser/index.js';
import { BATCH } from '../harness.js';
import { PROCESS } from '../policy/judge.js';
import { END, FORBIDDEN, JUNK, jump, NOOP, PAGE, PREDICATED, ring, run, store } from './walker.js';

const half = BATCH_BUDGET_DWORDS / 2;
const pages = half / 1024;

it('two verdicts that fill the budget together are both used, and nothing is copied', () => {
  const starts = [BATCH, BATCH + 2 * pages * PAGE];
  const words = new Uint32Array(2048).fill(NOOP);
  words[1023] = END;
  const last = starts.map((start) => start / PAGE + pages - 1);
  let looked = 0;
  const memory: Frames = {
    words,
    locate: (page) => {
      looked++;
      return last.includes(page) ? 0 : 1024;
    },
  };
  const cache = new VerdictCache(undefined, { entries: 4, bytes: 64 << 20 });
  for (let i = 0; i < 2; i++) {
    for (const start of starts) expect(ring('privileged', jump('privileged', start), memory, { cache }).ok).toBe(true);
  }
  looked = 0;
  const both = starts.flatMap((start) => jump('privileged', start));
  expect(ring('privileged', both, memory, { cache })).toMatchObject({ ok: true, dwords: BATCH_BUDGET_DWORDS + 6 });
  // each page once, to compare it
  expect(looked).toBe(2 * pages);
  expect(cache.hits).toBe(2);
});

it.each(['copied', 'haswell', 'privileged'] as const)(
  '%s: a survey keeps no verdict, as it goes on behind what is refused',
  (home) => {
    const cache = new VerdictCache();
    const base = home === 'privileged' ? BATCH : PROCESS;
    const hostile = [{ [base]: [...FORBIDDEN, NOOP, END] }, { [base]: [...store(home, base, JUNK), NOOP, END] }];
    for (const memory of hostile) {
      for (let i = 0; i < 3; i++) expect(run(home, memory, { cache, survey: true }).ok).toBe(false);
      for (let i = 0; i < 3; i++) expect(run(home, memory, { cache }).ok).toBe(false);
    }
    expect([cache.entries, cache.hits]).toEqual([0, 0]);
  },
);

it('batches by themselves are of one address space, which is none of the processes', () => {
  const cache = new VerdictCache();
  const memory = { [PROCESS]: [NOOP, END], [PROCESS + PAGE]: [NOOP, NOOP, END] };
  const alone = (address: number) => run('copied', memory, { cache, address });
  for (let i = 0; i < 2; i++) for (const page of [0, 1]) expect(alone(PROCESS + page * PAGE).ok).toBe(true);
  expect([cache.entries, cache.hits, cache.misses]).toEqual([2, 0, 4]);
  expect(alone(PROCESS).batches[0]!.dwords).toBe(2);
  expect(alone(PROCESS + PAGE).batches[0]!.dwords).toBe(3);
  expect([cache.entries, cache.hits, cache.misses]).toEqual([2, 2, 4]);
  ring('copied', jump('copied', PROCESS), memory, { cache, space: 1 });
  expect([cache.entries, cache.hits, cache.misses]).toEqual([2, 2, 5]);
});

it('circles are in the verdict that is used again, too', () => {
  const cache = new VerdictCache();
  const circles = { [PROCESS]: [NOOP, ...jump('copied', PROCESS)] };
  for (let i = 0; i < 4; i++) expect(run('copied', circles, { cache })).toMatchObject({ ok: true, loop: true });
  expect(cache.hits).toBe(2);
});

it('a batch that a refused one left open is not recorded on', () => {
  const cache = new VerdictCache();
  const hostile = { [BATCH]: [NOOP, ...FORBIDDEN, END] };
  for (let i = 0; i < 2; i++) ring('privileged', jump('privileged', BATCH), hostile, { cache });
  // the record of the refused batch ends with its scan
  const fine = { [BATCH + PAGE]: [NOOP, END] };
  ring('privileged', jump('privileged', BATCH + PAGE), fine, { cache });
  ring('privileged', jump('privileged', BATCH), { [BATCH]: [END] });
  expect([cache.entries, cache.hits]).toEqual([0, 0]);
  const predicated = { [BATCH]: [...jump('privileged', BATCH + PAGE, PREDICATED), END], [BATCH + PAGE]: [END] };
  for (let i = 0; i < 3; i++) ring('privileged', jump('privileged', BATCH), predicated, { cache });
  expect([cache.entries, cache.hits]).toEqual([0, 0]);
});
