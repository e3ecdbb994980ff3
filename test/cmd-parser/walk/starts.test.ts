/** Starts of batches: what is walked behind them, with what was stored meanwhile, and what is said of those that are refused. */
import { describe, expect, it } from 'vitest';
import { CMD } from '../../../src/hw/index.js';
import { BATCH } from '../harness.js';
import { PROCESS } from '../policy/judge.js';
import {
  baseOf,
  END,
  FORBIDDEN,
  HOMES,
  jump,
  len,
  NOOP,
  PAGE,
  PPGTT,
  PREDICATED,
  pieces,
  ring,
  run,
  SECOND,
  store,
} from './walker.js';

it('a batch in place is judged as the second level that it called has left it', () => {
  const call = jump('ppgtt', PROCESS + PAGE, SECOND);
  const memory = (value: number) => ({
    [PROCESS]: [...call, NOOP, 0, 0, 0, END],
    [PROCESS + PAGE]: [...store('ppgtt', PROCESS + 4 * call.length, value), END],
  });
  expect(run('ppgtt', memory(NOOP))).toMatchObject({ ok: true, commands: 8 });
  expect(run('ppgtt', memory(FORBIDDEN[0]!))).toMatchObject({ code: 'refused-command', dword: 3 });
});

describe.each(HOMES)('%s: a predicated second level', (home) => {
  it('is walked where it is called, like one that is not predicated', () => {
    const base = baseOf(home);
    const memory = (bits: number) => ({
      [base]: [NOOP, ...jump(home, base + PAGE, SECOND | bits), NOOP, NOOP, END],
      [base + PAGE]: [NOOP, END],
    });
    const always = run(home, memory(0));
    const predicated = run(home, memory(PREDICATED));
    expect(predicated).toMatchObject({ ok: true, commands: always.commands, dwords: always.dwords });
    expect(pieces(predicated, base)).toEqual(pieces(always, base));
    const fromRing = (bits: number) =>
      ring(home, [...jump(home, base, bits), NOOP, ...jump(home, base + PAGE, bits)], {
        [base]: [NOOP, END],
        [base + PAGE]: [NOOP, NOOP, END],
      });
    expect(pieces(fromRing(PREDICATED), base)).toEqual(pieces(fromRing(0), base));
  });
});

describe('a start in global memory', () => {
  it.each(['ppgtt', 'copied', 'haswell'] as const)('%s: ends what a process may run', (home) => {
    const [header, ...rest] = jump(home, PROCESS + PAGE);
    const memory = { [PROCESS]: [NOOP, (header! & ~PPGTT) >>> 0, ...rest, NOOP], [PROCESS + PAGE]: [NOOP, END] };
    expect(run(home, memory)).toMatchObject({ code: 'global-select', commands: 1, dwords: 1, dword: 1 });
  });
  it('is said to begin above it, where it does', () => {
    const start = [CMD.MI_BATCH_BUFFER_START | len(3), BATCH, 1];
    expect(ring('privileged', start, {}).message).toContain('it starts 4 bytes at GMADR 0x104100000, outside the own');
  });
});
