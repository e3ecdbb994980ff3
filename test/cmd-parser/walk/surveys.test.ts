/** What a survey follows behind a start that is refused, and what it counts as unknown. */
import { expect, it } from 'vitest';
import { PROCESS } from '../policy/judge.js';
import { baseOf, END, FORBIDDEN, HOMES, JUNK, jump, NOOP, PAGE, PPGTT, PROCESSES, run } from './walker.js';

it.each(PROCESSES)('%s: a batch that is said to be in global memory is looked for in the process', (home) => {
  const [header, ...address] = jump(home, PROCESS + PAGE);
  const memory = { [PROCESS]: [header! & ~PPGTT, ...address], [PROCESS + PAGE]: [NOOP, NOOP, END] };
  expect(run(home, memory, { survey: true })).toMatchObject({ ok: false, code: 'global-select', commands: 4 });
});

it.each(HOMES)('%s: only what no engine knows counts as unknown', (home) => {
  const unknown = (...dwords: number[]): number => run(home, { [baseOf(home)]: [...dwords, END] }).unknown;
  expect([unknown(...FORBIDDEN), unknown(JUNK)]).toEqual([0, 1]);
});
