/** Where a walk goes from a jump and from an end, at every trust. */
import { describe, expect, it } from 'vitest';
import { CMD } from '../../../src/hw/index.js';
import {
  baseOf,
  COPIED,
  END,
  FORBIDDEN,
  HOMES,
  JUNK,
  jump,
  jumpSize,
  len,
  NOOP,
  PAGE,
  PPGTT,
  PREDICATED,
  PROCESSES,
  pieces,
  run,
  SECOND,
} from './walker.js';

/** Dwords to the next page, the one after it and so on. */
const NEXT = 1024;
const THIRD = 2048;
const FOURTH = 3072;

describe.each(HOMES)('%s: a chained batch', (home) => {
  const base = baseOf(home);
  const size = jumpSize(home);
  it('is walked in place of what follows the jump', () => {
    const memory = { [base]: [NOOP, ...jump(home, base + PAGE), JUNK], [base + PAGE]: [NOOP, NOOP, END, JUNK] };
    const result = run(home, memory);
    expect(result).toMatchObject({ ok: true, loop: false, commands: 5, dwords: 4 + size });
    expect(pieces(result, base)).toEqual([
      [0, 1 + size, 'primary'],
      [NEXT, NEXT + 3, 'chain'],
    ]);
  });
  it('that breaks a rule is refused where it breaks it', () => {
    const memory = { [base]: jump(home, base + PAGE), [base + PAGE]: [NOOP, ...FORBIDDEN, END] };
    expect(run(home, memory)).toMatchObject({
      code: 'refused-command',
      command: 'MI_CLFLUSH',
      dword: 1,
      batch: home === 'ppgtt' ? -1 : 1,
      commands: 2,
      dwords: size + 1,
    });
    expect(run(home, memory).message).toContain(`batch 0x${(base + PAGE).toString(16)} dword 1`);
  });
  it('in memory that is not there is refused, and the jump is named', () => {
    const missing = { [base]: [NOOP, ...jump(home, base + 3 * PAGE)] };
    expect(run(home, missing)).toMatchObject({
      code: 'batch-unmapped',
      command: 'MI_BATCH_BUFFER_START',
      dword: 1,
      gmadr: base + 3 * PAGE,
    });
  });
  it('begins at a dword, whatever the two lowest bits say', () => {
    const memory = { [base]: jump(home, base + PAGE + 7), [base + PAGE]: [JUNK, END, JUNK] };
    const result = run(home, memory);
    expect(result.ok).toBe(true);
    expect(pieces(result, base)[1]).toEqual([NEXT + 1, NEXT + 2, 'chain']);
  });
  it('may be the middle of a command, read anew from there', () => {
    const inside = { [base]: [CMD.PIPE_CONTROL | len(5), 0, 0, FORBIDDEN[0]!, 0, ...jump(home, base + 12), END] };
    expect(run(home, inside)).toMatchObject({ code: 'refused-command', command: 'MI_CLFLUSH', dword: 0 });
  });
  it('that begins in front of the jump with data of another command brings the jump again', () => {
    // dwords of zeros are no-operations, then the same jump comes again
    const memory = { [base]: [CMD.PIPE_CONTROL | len(5), 0, 0, 0, 0, ...jump(home, base + 4), JUNK] };
    expect(run(home, memory)).toMatchObject(
      home === 'privileged' ? { ok: false, code: 'batch-loop' } : { ok: true, loop: true },
    );
  });
  it('jumped to from two places is the same batch', () => {
    const shared = base + 2 * PAGE;
    const memory = {
      [base]: [...jump(home, shared, PREDICATED), ...jump(home, shared)],
      [shared]: [NOOP, END, JUNK],
    };
    const result = run(home, memory);
    expect(result).toMatchObject({ ok: true, loop: false });
    expect(result.batches.length).toBe(home === 'ppgtt' ? 0 : 2);
    if (home !== 'ppgtt') expect(result.batches[1]!.patchAt.map(({ dword }) => dword)).toEqual([1, size + 1]);
  });
});

describe.each(HOMES)('%s: a second-level batch', (home) => {
  const base = baseOf(home);
  const size = jumpSize(home);
  it('returns behind its start, and what is there is walked', () => {
    const memory = { [base]: [...jump(home, base + PAGE, SECOND), NOOP, END, JUNK], [base + PAGE]: [NOOP, END, JUNK] };
    const result = run(home, memory);
    expect(result).toMatchObject({ ok: true, loop: false, commands: 5, dwords: size + 4 });
    expect(pieces(result, base)).toEqual([
      [0, size, 'primary'],
      [NEXT, NEXT + 2, 'second_level'],
      [size, size + 2, 'primary'],
    ]);
    if (home === 'ppgtt') return;
    expect(result.batches.map(({ level, dwords }) => [level, dwords])).toEqual([
      [1, size + 2],
      [2, 2],
    ]);
  });
  it('returns to a first level that breaks a rule, and is named as what it is', () => {
    const memory = {
      [base]: [...jump(home, base + PAGE, SECOND), NOOP, ...FORBIDDEN, END],
      [base + PAGE]: [NOOP, END],
    };
    const result = run(home, memory);
    expect(result).toMatchObject({ code: 'refused-command', dword: size + 1, batch: home === 'ppgtt' ? -1 : 0 });
    expect(result.message).toContain(`batch 0x${base.toString(16)} dword ${size + 1}`);
  });
  it('that chains returns all the same from the end of the chain', () => {
    const memory = {
      [base]: [...jump(home, base + PAGE, SECOND), ...jump(home, base + 3 * PAGE, SECOND), END, JUNK],
      [base + PAGE]: [NOOP, ...jump(home, base + 2 * PAGE), JUNK],
      [base + 2 * PAGE]: [NOOP, END, JUNK],
      [base + 3 * PAGE]: [END],
    };
    const result = run(home, memory);
    expect(result).toMatchObject({ ok: true, loop: false });
    expect(pieces(result, base)).toEqual([
      [0, size, 'primary'],
      [NEXT, NEXT + 1 + size, 'second_level'],
      [THIRD, THIRD + 2, 'second_level_chain'],
      [size, 2 * size, 'primary'],
      [FOURTH, FOURTH + 1, 'second_level'],
      [2 * size, 2 * size + 1, 'primary'],
    ]);
  });
  it('starts no third level, also not from a chain of its own', () => {
    const third = { [base + 3 * PAGE]: [END] };
    const nested = {
      ...third,
      [base]: [...jump(home, base + PAGE, SECOND), END],
      [base + PAGE]: [...jump(home, base + 3 * PAGE, SECOND), END],
    };
    expect(run(home, nested)).toMatchObject({ code: 'batch-level', dword: 0 });
    const chained = {
      ...third,
      [base]: [...jump(home, base + PAGE, SECOND), END],
      [base + PAGE]: jump(home, base + 2 * PAGE),
      [base + 2 * PAGE]: [NOOP, ...jump(home, base + 3 * PAGE, SECOND), END],
    };
    expect(run(home, chained)).toMatchObject({ code: 'batch-level', dword: 1 });
    // a first level may, behind a second level that is over
    const twice = {
      ...third,
      [base]: [...jump(home, base + 3 * PAGE, SECOND), ...jump(home, base + 3 * PAGE, SECOND), END],
    };
    expect(run(home, twice).ok).toBe(true);
  });
  it('of a chained first level returns there', () => {
    const memory = {
      [base]: jump(home, base + PAGE),
      [base + PAGE]: [...jump(home, base + 2 * PAGE, SECOND), ...FORBIDDEN, END],
      [base + 2 * PAGE]: [END],
    };
    const result = run(home, memory);
    expect(result).toMatchObject({ code: 'refused-command', dword: size });
    expect(result.message).toContain(`batch 0x${(base + PAGE).toString(16)} `);
    memory[base + PAGE] = [...jump(home, base + 2 * PAGE, SECOND), NOOP, END];
    expect(pieces(run(home, memory), base)).toEqual([
      [0, size, 'primary'],
      [NEXT, NEXT + size, 'chain'],
      [THIRD, THIRD + 1, 'second_level'],
      [NEXT + size, NEXT + size + 2, 'chain'],
    ]);
  });
  it('has predicated starts like others: it returns there either way', () => {
    const memory = {
      [base]: [...jump(home, base + PAGE, SECOND | PREDICATED), ...FORBIDDEN, END],
      [base + PAGE]: [END],
    };
    expect(run(home, memory)).toMatchObject({ code: 'refused-command', dword: size });
    memory[base] = [...jump(home, base + PAGE, SECOND | PREDICATED), END];
    expect(run(home, memory)).toMatchObject({ ok: true, commands: 3 });
  });
});

describe.each(HOMES)('%s: a predicated chain', (home) => {
  const base = baseOf(home);
  const size = jumpSize(home);
  it('is judged both ways: first what follows, then what it leads to', () => {
    const memory = {
      [base]: [...jump(home, base + PAGE, PREDICATED), NOOP, END, JUNK],
      [base + PAGE]: [NOOP, END, JUNK],
    };
    const result = run(home, memory);
    expect(result).toMatchObject({ ok: true, commands: 5, dwords: size + 4 });
    expect(pieces(result, base)).toEqual([
      [0, size + 2, 'primary'],
      [NEXT, NEXT + 2, 'chain'],
    ]);
    const following = { ...memory, [base]: [...jump(home, base + PAGE, PREDICATED), ...FORBIDDEN, END] };
    expect(run(home, following)).toMatchObject({ code: 'refused-command', dword: size });
    const taken = { ...memory, [base + PAGE]: [NOOP, NOOP, ...FORBIDDEN, END] };
    const refused = run(home, taken);
    expect(refused).toMatchObject({ code: 'refused-command', dword: 2, batch: home === 'ppgtt' ? -1 : 1 });
    expect(refused.message).toContain(`batch 0x${(base + PAGE).toString(16)} `);
  });
  it('whose target is not there is refused', () => {
    const result = run(home, { [base]: [NOOP, ...jump(home, base + PAGE, PREDICATED), END] });
    expect(result).toMatchObject({ code: 'batch-unmapped', gmadr: base + PAGE });
  });
  it('of a second level leads to a second level', () => {
    const memory = {
      [base]: [...jump(home, base + PAGE, SECOND), END],
      [base + PAGE]: [...jump(home, base + 2 * PAGE, PREDICATED), END],
      [base + 2 * PAGE]: [NOOP, END],
      [base + 3 * PAGE]: [END],
    };
    const result = run(home, memory);
    expect(result.ok).toBe(true);
    expect(pieces(result, base).at(-1)).toEqual([THIRD, THIRD + 2, 'second_level_chain']);
    memory[base + 2 * PAGE] = [...jump(home, base + 3 * PAGE, SECOND), END];
    expect(run(home, memory).code).toBe('batch-level');
  });
  it('of a first level leads to a first level, which may start a second', () => {
    const memory = {
      [base]: [...jump(home, base + PAGE, PREDICATED), END],
      [base + PAGE]: [...jump(home, base + 2 * PAGE, SECOND), NOOP, END],
      [base + 2 * PAGE]: [END],
    };
    const result = run(home, memory);
    expect(result.ok).toBe(true);
    expect(pieces(result, base)).toEqual([
      [0, size + 1, 'primary'],
      [NEXT, NEXT + size, 'chain'],
      [THIRD, THIRD + 1, 'second_level'],
      [NEXT + size, NEXT + size + 2, 'chain'],
    ]);
  });
  it('is judged for each of several', () => {
    const memory = {
      [base]: [...jump(home, base + PAGE, PREDICATED), ...jump(home, base + 2 * PAGE, PREDICATED), END],
      [base + PAGE]: [NOOP, END],
      [base + 2 * PAGE]: [NOOP, END],
    };
    expect(run(home, memory)).toMatchObject({ ok: true, commands: 7 });
    expect(run(home, { ...memory, [base + PAGE]: [...FORBIDDEN, END] }).code).toBe('refused-command');
    expect(run(home, { ...memory, [base + 2 * PAGE]: [...FORBIDDEN, END] }).code).toBe('refused-command');
  });
});

describe('jumps in circles', () => {
  it.each(PROCESSES)('%s: run until the time is up, and the verdict says so', (home) => {
    const base = baseOf(home);
    const size = jumpSize(home);
    expect(run(home, { [base]: [NOOP, ...jump(home, base), JUNK] })).toMatchObject({ ok: true, loop: true });
    const two = {
      [base]: [NOOP, ...jump(home, base + PAGE), JUNK],
      [base + PAGE]: [NOOP, ...jump(home, base + 4), JUNK],
    };
    expect(run(home, two)).toMatchObject({ ok: true, loop: true });
    const level = {
      [base]: [...jump(home, base + PAGE, SECOND), END],
      [base + PAGE]: [NOOP, ...jump(home, base + PAGE)],
    };
    const result = run(home, level);
    expect(result).toMatchObject({ ok: true, loop: true });
    expect(pieces(result, base).slice(0, 2)).toEqual([
      [0, size, 'primary'],
      [NEXT, NEXT + 1 + size, 'second_level'],
    ]);
  });
  it.each(PROCESSES)('%s: that a predicate may leave are judged beyond', (home) => {
    const base = baseOf(home);
    const around = jump(home, base, PREDICATED);
    expect(run(home, { [base]: [NOOP, ...around, END] })).toMatchObject({ ok: true, loop: true });
    const hidden = { [base]: [NOOP, ...around, ...FORBIDDEN, END] };
    expect(run(home, hidden)).toMatchObject({ code: 'refused-command', dword: 1 + jumpSize(home) });
  });
  it('are not seen where a second level is called twice', () => {
    for (const home of HOMES) {
      const base = baseOf(home);
      const call = jump(home, base + PAGE, SECOND);
      const memory = {
        [base]: [...call, ...call, END],
        [base + PAGE]: jump(home, base + 2 * PAGE),
        [base + 2 * PAGE]: [END],
      };
      expect(run(home, memory)).toMatchObject({ ok: true, loop: false });
    }
  });
  it('privileged ones are refused, at the jump that closes the circle', () => {
    const base = baseOf('privileged');
    const to = (page: number, bits = 0) => jump('privileged', base + page * PAGE, bits);
    expect(run('privileged', { [base]: [NOOP, NOOP, ...to(0)] })).toMatchObject({
      code: 'batch-loop',
      loop: true,
      command: 'MI_BATCH_BUFFER_START',
      batch: 0,
      dword: 2,
      gmadr: base,
    });
    // the way into the circle is none of it
    const tail = { [base]: [...to(1)], [base + PAGE]: [NOOP, ...to(2)], [base + 2 * PAGE]: [NOOP, NOOP, ...to(1)] };
    const result = run('privileged', tail);
    expect(result).toMatchObject({ code: 'batch-loop', batch: 2, dword: 2, gmadr: base + PAGE });
    expect(result.message).toContain(`batch 0x${(base + 2 * PAGE).toString(16)} dword 2`);
    const second = { [base]: [...to(1, SECOND), END], [base + PAGE]: [NOOP, ...to(1)] };
    expect(run('privileged', second)).toMatchObject({ code: 'batch-loop', batch: 1, dword: 1, gmadr: base + PAGE });
    // one that a predicate lets go on, and another that nothing does
    const both = { [base]: [NOOP, ...to(0, PREDICATED), ...to(0)] };
    expect(run('privileged', both)).toMatchObject({
      code: 'batch-loop',
      batch: 0,
      dword: 1 + jumpSize('privileged'),
      gmadr: base,
    });
  });
  it('privileged ones may be made by jumps that a predicate skips: the driver waits by them', () => {
    const base = baseOf('privileged');
    const to = (page: number, dword: number) => jump('privileged', base + page * PAGE + dword * 4, PREDICATED);
    expect(run('privileged', { [base]: [NOOP, ...to(0, 0), END] })).toMatchObject({ ok: true, loop: true });
    const middle = { [base]: [NOOP, NOOP, ...to(0, 1), NOOP, ...to(0, 0), END] };
    expect(run('privileged', middle)).toMatchObject({ ok: true, loop: true });
    const two = { [base]: [...to(1, 0), END], [base + PAGE]: [NOOP, ...to(0, 0), END] };
    expect(run('privileged', two)).toMatchObject({ ok: true, loop: true });
  });
  it('are not seen where copies only meet again', () => {
    for (const home of COPIED) {
      const base = baseOf(home);
      const to = (page: number, bits = 0) => jump(home, base + page * PAGE, bits);
      const diamond = {
        [base]: [...to(1, PREDICATED), ...to(2)],
        [base + PAGE]: [NOOP, ...to(3)],
        [base + 2 * PAGE]: [NOOP, ...to(3)],
        [base + 3 * PAGE]: [NOOP, END],
      };
      expect(run(home, diamond)).toMatchObject({ ok: true, loop: false });
    }
  });
  it('in place are known by where they return to', () => {
    const base = baseOf('ppgtt');
    // the same chain in circles, from two calls: each runs in circles by itself
    const call = jump('ppgtt', base + PAGE, SECOND);
    const memory = {
      [base]: [...call, ...call, ...FORBIDDEN, END],
      [base + PAGE]: [NOOP, ...jump('ppgtt', base + PAGE)],
    };
    const result = run('ppgtt', memory);
    expect(result).toMatchObject({ code: 'refused-command', dword: 6, loop: true });
    expect(pieces(result, base).filter(([start]) => start === NEXT)).toHaveLength(4);
  });
});

describe('addresses of batches', () => {
  const far = 0x1234_5678_9000;
  it.each(['ppgtt', 'copied'] as const)('%s: have 48 bits, and no more count', (home) => {
    const base = baseOf(home);
    const memory = { [base]: jump(home, far), [far]: [NOOP, END] };
    const result = run(home, memory);
    expect(result.ok).toBe(true);
    expect([...result.segments][1]).toEqual({ start: far, end: far + 8, kind: 'chain' });
    const [header, lo, hi] = jump(home, far) as [number, number, number];
    expect(run(home, { ...memory, [base]: [header, lo, (hi | 0xabcd0000) >>> 0] }).ok).toBe(true);
    expect(run(home, { ...memory, [base]: [header, lo, hi ^ 1] })).toMatchObject({ code: 'batch-unmapped' });
    expect(run(home, { ...memory, [base]: [header, (lo ^ 0x80000000) >>> 0, hi] }).code).toBe('batch-unmapped');
  });
  it.each(['ppgtt', 'copied'] as const)('%s: a batch above 4 GiB is walked by itself', (home) => {
    expect(run(home, { [far]: [NOOP, END] }, { address: far })).toMatchObject({ ok: true, commands: 2, dwords: 2 });
    expect(run(home, { [far]: [NOOP, ...FORBIDDEN] }, { address: far }).message).toContain(
      `0x${far.toString(16)} dword 1`,
    );
  });
  it.each(PROCESSES)('%s: a start in global memory is refused', (home) => {
    const base = baseOf(home);
    const [header, ...rest] = jump(home, base + PAGE);
    expect(run(home, { [base]: [header! & ~PPGTT, ...rest], [base + PAGE]: [END] })).toMatchObject({
      code: 'global-select',
      gmadr: base + PAGE,
    });
  });
});
