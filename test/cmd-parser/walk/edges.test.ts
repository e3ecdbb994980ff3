/** Where pages, buffers and budgets end. */
import { describe, expect, it } from 'vitest';
import {
  BATCH_BUDGET_COUNT,
  BATCH_BUDGET_DWORDS,
  TRACE_BUDGET_JUMPS,
  TRACE_BUDGET_PAGES,
} from '../../../src/cmd-parser/index.js';
import { BCS, CMD } from '../../../src/hw/index.js';
import {
  baseOf,
  COPIED,
  END,
  FORBIDDEN,
  GLOBAL,
  HOMES,
  JUNK,
  jump,
  jumpSize,
  len,
  longMemory,
  NOOP,
  noops,
  PAGE,
  PREDICATED,
  pieces,
  ring,
  run,
  SECOND,
  store,
} from './walker.js';

const PAGE_DWORDS = 1024;
/** Allowed without a look at anything but the header; the length has 16 bits. */
const long = (dwords: number): number[] => [CMD.MEDIA_OBJECT | len(dwords), ...new Array<number>(dwords - 1).fill(0)];

describe.each(HOMES)('%s: at the edge of a page', (home) => {
  const base = baseOf(home);
  it('a batch ends with the last dword before memory that is not there', () => {
    const result = run(home, { [base]: [...noops(PAGE_DWORDS - 1), END] });
    expect(result).toMatchObject({ ok: true, commands: PAGE_DWORDS, dwords: PAGE_DWORDS });
    expect(pieces(result, base)).toEqual([[0, PAGE_DWORDS, 'primary']]);
  });
  it('a batch ends with the first dword of the next page', () => {
    const result = run(home, { [base]: noops(PAGE_DWORDS), [base + PAGE]: [END, JUNK] });
    expect(result).toMatchObject({ ok: true, commands: PAGE_DWORDS + 1, dwords: PAGE_DWORDS + 1 });
    expect(pieces(result, base)).toEqual([[0, PAGE_DWORDS + 1, 'primary']]);
  });
  it('a batch without an end is refused where memory ends, and its last command is named', () => {
    const memory = { [base]: [...noops(PAGE_DWORDS - 6), CMD.PIPE_CONTROL | len(5), 0, 0, 0, 0, NOOP] };
    expect(run(home, memory)).toMatchObject({
      code: 'batch-unmapped',
      command: 'MI_NOOP',
      dword: PAGE_DWORDS - 1,
      gmadr: base + PAGE,
      commands: PAGE_DWORDS - 4,
      dwords: PAGE_DWORDS,
    });
    memory[base] = [...noops(PAGE_DWORDS - 5), CMD.PIPE_CONTROL | len(5), 0, 0, 0, 0];
    expect(run(home, memory)).toMatchObject({ command: 'PIPE_CONTROL', dword: PAGE_DWORDS - 5, gmadr: base + PAGE });
  });
  it('a batch begins in its last dword', () => {
    const memory = { [base]: [...new Array<number>(PAGE_DWORDS - 1).fill(JUNK), NOOP], [base + PAGE]: [END, JUNK] };
    const result = run(home, memory, { address: base + PAGE - 4 });
    expect(result).toMatchObject({ ok: true, commands: 2, dwords: 2 });
    expect([...result.segments]).toEqual([{ start: base + PAGE - 4, end: base + PAGE + 4, kind: 'primary' }]);
    memory[base + PAGE] = [...FORBIDDEN];
    expect(run(home, memory, { address: base + PAGE - 4 })).toMatchObject({ code: 'refused-command', dword: 1 });
  });
  it('a command begins in the last dword and is not there beyond', () => {
    // no look at its operands: what is missing is what comes behind it
    const plain = { [base]: [...noops(PAGE_DWORDS - 1), CMD['3DPRIMITIVE'] | len(7)] };
    expect(run(home, plain)).toMatchObject({
      code: 'batch-unmapped',
      command: '3DPRIMITIVE',
      dword: PAGE_DWORDS - 1,
      gmadr: home === 'ppgtt' ? base + PAGE + 24 : base + PAGE,
    });
    const judged = { [base]: [...noops(PAGE_DWORDS - 1), CMD.MI_LOAD_REGISTER_IMM | len(3)] };
    expect(run(home, judged)).toMatchObject({
      code: 'batch-unmapped',
      command: 'MI_LOAD_REGISTER_IMM',
      dword: PAGE_DWORDS - 1,
      gmadr: base + PAGE,
      commands: PAGE_DWORDS - 1,
    });
  });
  it.each([1, 2, 3])('a command with %i dwords on one page is judged with those on the next', (before) => {
    const body = (register: number) => [CMD.MI_LOAD_REGISTER_IMM | len(5), 0x2600, 0, register, 0, NOOP, END];
    const at = (dwords: readonly number[]) => ({ [base]: [...noops(PAGE_DWORDS - before), ...dwords] });
    const result = run(home, at(body(0x2604)));
    expect(result).toMatchObject({
      ok: true,
      commands: PAGE_DWORDS - before + 3,
      dwords: PAGE_DWORDS - before + 7,
    });
    expect(pieces(result, base)).toEqual([[0, PAGE_DWORDS - before + 7, 'primary']]);
    expect(run(home, at(body(0x2234)))).toMatchObject({
      code: 'register-write',
      register: 0x2234,
      dword: PAGE_DWORDS - before,
      commands: PAGE_DWORDS - before,
    });
  });
  it('a command that ends with a page is followed by what the next page has', () => {
    const command = [CMD.MI_LOAD_REGISTER_IMM | len(3), 0x2600, 0];
    const memory = { [base]: [...noops(PAGE_DWORDS - 3), ...command], [base + PAGE]: [...FORBIDDEN] };
    expect(run(home, memory)).toMatchObject({ code: 'refused-command', dword: PAGE_DWORDS });
    memory[base + PAGE] = [END];
    expect(run(home, memory)).toMatchObject({ ok: true, commands: PAGE_DWORDS - 1 });
  });
  it('a jump lies across, and what it leads to is walked', () => {
    const memory = {
      [base]: [...noops(PAGE_DWORDS - 1), ...jump(home, base + 4 * PAGE, SECOND), NOOP, END],
      [base + 4 * PAGE]: [NOOP, END],
    };
    const result = run(home, memory);
    const size = jumpSize(home);
    expect(result).toMatchObject({ ok: true, commands: PAGE_DWORDS + 4 });
    expect(pieces(result, base)).toEqual([
      [0, PAGE_DWORDS - 1 + size, 'primary'],
      [4 * PAGE_DWORDS, 4 * PAGE_DWORDS + 2, 'second_level'],
      [PAGE_DWORDS - 1 + size, PAGE_DWORDS + 1 + size, 'primary'],
    ]);
  });
});

describe.each(['privileged', 'ppgtt', 'copied'] as const)('%s: a command longer than a page', (home) => {
  const base = baseOf(home);
  it('is passed, and what is behind it is judged', () => {
    const memory = { [base]: [...long(3000), NOOP, END] };
    expect(run(home, memory)).toMatchObject({ ok: true, commands: 3, dwords: 3002 });
    expect(run(home, { [base]: [...long(3000), ...FORBIDDEN] })).toMatchObject({
      code: 'refused-command',
      dword: 3000,
    });
    // and where it ends with a page
    expect(run(home, { [base]: [...long(3072), NOOP, END] })).toMatchObject({ ok: true, dwords: 3074 });
    expect(run(home, { [base]: [...long(2048), ...FORBIDDEN] })).toMatchObject({
      code: 'refused-command',
      dword: 2048,
    });
  });
  it('has all of its pages', () => {
    const whole = long(3000);
    const hole = { [base]: whole.slice(0, 1024), [base + 2 * PAGE]: [...whole.slice(2048), NOOP, END] };
    expect(run(home, hole)).toMatchObject({
      code: 'batch-unmapped',
      gmadr: base + PAGE,
      command: 'MEDIA_OBJECT',
      dword: 0,
    });
    const last = { [base]: whole.slice(0, 2048) };
    expect(run(home, last)).toMatchObject({ code: 'batch-unmapped', command: 'MEDIA_OBJECT', dword: 0 });
  });
  it('has all of its pages, also where it ends with one', () => {
    const whole = long(2048);
    const hole = { [base]: whole.slice(0, 1024), [base + 2 * PAGE]: [NOOP, END] };
    expect(run(home, hole)).toMatchObject({ code: 'batch-unmapped', gmadr: base + PAGE, commands: 1 });
    const longer = { [base]: whole.slice(0, 1024), [base + 3 * PAGE]: [...FORBIDDEN] };
    longer[base] = [...long(3072).slice(0, 1024)];
    expect(run(home, longer)).toMatchObject({ code: 'batch-unmapped', gmadr: base + PAGE, commands: 1 });
  });
  it('needs no page behind the end that follows it', () => {
    expect(run(home, { [base]: [...long(2047), END] })).toMatchObject({ ok: true, commands: 2, dwords: 2048 });
  });
  it('whose operands are judged is put together from its pages', () => {
    const command = store(home, base + 0x10000, ...new Array<number>(1021).fill(7));
    const start = 1000;
    const memory = { [base]: [...noops(start), ...command, NOOP, END] };
    expect(run(home, memory, { engine: BCS })).toMatchObject({ ok: true, commands: start + 3, dwords: start + 1026 });
    const pages = [[...noops(PAGE_DWORDS - 2), ...command.slice(0, 2)], command.slice(2)];
    const missing = { [base]: pages[0]!, [base + PAGE]: pages[1]! };
    expect(pages[1]!.length).toBe(1022);
    expect(run(home, { ...missing, [base + PAGE + 4 * 1022]: [NOOP, END] }, { engine: BCS }).ok).toBe(true);
    expect(run(home, { [base]: pages[0]! }, { engine: BCS })).toMatchObject({
      code: 'batch-unmapped',
      gmadr: base + PAGE,
      command: 'MI_STORE_DATA_IMM',
      dword: PAGE_DWORDS - 2,
    });
  });
});

describe('what lies behind the end of a batch', () => {
  it.each(COPIED)('%s: is not in the copy that runs', (home) => {
    const base = baseOf(home);
    const result = run(home, { [base]: [NOOP, END, ...new Array<number>(2000).fill(JUNK)] });
    expect(result).toMatchObject({ ok: true, dwords: 2 });
    expect(result.batches[0]!.dwords).toBe(2);
    // one page was copied, and what came with it
    const [first, end, ...rest] = result.batches[0]!.words.subarray(0, PAGE_DWORDS);
    expect([first, end]).toEqual([NOOP, END]);
    expect(rest.every((word) => word === 0)).toBe(true);
  });
  it.each(COPIED)('%s: is not left from another batch that was copied before', (home) => {
    const base = baseOf(home);
    const before = run(home, { [base]: [...new Array<number>(900).fill(CMD.MI_ARB_CHECK), END] });
    expect(before.batches[0]!.dwords).toBe(901);
    const copy = run(home, { [base]: [NOOP, END] }).batches[0]!;
    expect([...copy.words.subarray(0, 1024)].filter((word) => word !== 0)).toEqual([END]);
  });
  it('a workaround buffer: is taken out of it', () => {
    const result = ring('privileged', [NOOP, END, JUNK, JUNK, JUNK], {}, { trust: 'wa', end: 4 });
    expect(result).toMatchObject({ ok: true, commands: 2, dwords: 2, patches: 2 });
    expect(result.words).toEqual([NOOP, END, 0, 0, JUNK]);
  });
});

describe('ring contents', () => {
  it('that are refused count what was passed, from their start', () => {
    expect(ring('privileged', [JUNK], {})).toMatchObject({ code: 'unknown-command', commands: 0, dwords: 0 });
    expect(ring('privileged', [JUNK, JUNK, NOOP, JUNK], {}, { start: 2 })).toMatchObject({ dword: 3, dwords: 1 });
    expect(run('privileged', { [baseOf('privileged')]: [JUNK] })).toMatchObject({ commands: 0, dwords: 0 });
  });
  it('of no length have nothing to refuse', () => {
    expect(ring('privileged', [], {})).toMatchObject({ ok: true, commands: 0, dwords: 0 });
    expect(ring('privileged', [JUNK, JUNK], {}, { start: 1, end: 1 })).toMatchObject({ ok: true, dwords: 0 });
  });
  it('are read from their start to their end', () => {
    expect(ring('privileged', [JUNK, NOOP, NOOP, JUNK], {}, { start: 1, end: 3 })).toMatchObject({
      ok: true,
      dwords: 2,
    });
    expect(ring('privileged', [JUNK, NOOP, JUNK], {}, { start: 1 })).toMatchObject({
      dword: 2,
      code: 'unknown-command',
    });
  });
  it.each([
    [-1, 2],
    [2, 1],
    [0, 4],
    [4, 5],
  ])('from %i to %i of three dwords are not all there', (start, end) => {
    const result = ring('privileged', [NOOP, NOOP, NOOP], {}, { start, end });
    expect(result).toMatchObject({
      ok: false,
      code: 'truncated',
      commands: 0,
      dwords: 0,
      command: 'unknown',
      dword: 0,
    });
    expect(result.message).toContain(`dwords ${start} to ${end} are not all there`);
  });
  it.each([
    ['3DPRIMITIVE', [CMD['3DPRIMITIVE'] | len(7), 0, 0, 0, 0, 0], 1],
    ['3DPRIMITIVE', [CMD['3DPRIMITIVE'] | len(7)], 6],
    ['MI_LOAD_REGISTER_IMM', [CMD.MI_LOAD_REGISTER_IMM | len(3), 0x2600], 1],
    ['PIPE_CONTROL', [CMD.PIPE_CONTROL | len(5), 0], 3],
    ['MEDIA_OBJECT', long(3000).slice(0, 2998), 2],
  ])('whose last command is a %s end before it does', (command, dwords, missing) => {
    const result = ring('privileged', [NOOP, ...dwords, CMD.MI_NOOP], {}, { end: 1 + dwords.length });
    expect(result).toMatchObject({ code: 'truncated', command, dword: 1 });
    expect(result.message).toContain(`end ${missing} beyond the buffer`);
    // what lies behind the end of the ring contents is not theirs
    expect(ring('privileged', [NOOP, ...dwords, ...noops(missing)], {}).ok).toBe(true);
  });
});

describe('budgets are spent to the last', () => {
  const count = BATCH_BUDGET_DWORDS / PAGE_DWORDS;
  it.each(COPIED)('%s: of dwords that are copied', (home) => {
    const base = baseOf(home);
    const exact = run(home, longMemory(base, count, [...noops(1023), END]));
    expect(exact).toMatchObject({ ok: true, dwords: BATCH_BUDGET_DWORDS });
    const more = run(home, longMemory(base, count + 1, [END]));
    expect(more).toMatchObject({
      code: 'batch-budget',
      gmadr: base + BATCH_BUDGET_DWORDS * 4,
      command: 'MI_NOOP',
      dword: BATCH_BUDGET_DWORDS - 1,
    });
    // the next scan has a budget of its own
    expect(run(home, { [base]: [END] }).ok).toBe(true);
  });
  it.each(COPIED)('%s: of batches that are copied', (home) => {
    const base = baseOf(home);
    const many = (batches: number, bits: number) => ({
      [base]: [...Array.from({ length: batches - 1 }, (_, i) => jump(home, base + 2 * PAGE + 4 * i, bits)).flat(), END],
      [base + 2 * PAGE]: new Array<number>(PAGE_DWORDS).fill(END),
    });
    for (const bits of [SECOND, PREDICATED]) {
      expect(run(home, many(BATCH_BUDGET_COUNT, bits)).ok).toBe(true);
      expect(run(home, many(BATCH_BUDGET_COUNT + 1, bits))).toMatchObject({
        code: 'batch-budget',
        gmadr: base + 2 * PAGE + 4 * (BATCH_BUDGET_COUNT - 1),
      });
    }
  });
  it('ppgtt: of pages that are walked', () => {
    const base = baseOf('ppgtt');
    const exact = run('ppgtt', longMemory(base, TRACE_BUDGET_PAGES, [...noops(1023), END]));
    expect(exact).toMatchObject({ ok: true, dwords: TRACE_BUDGET_PAGES * PAGE_DWORDS });
    expect(run('ppgtt', longMemory(base, TRACE_BUDGET_PAGES + 1, [END]))).toMatchObject({
      code: 'batch-budget',
      gmadr: base + TRACE_BUDGET_PAGES * PAGE,
    });
    expect(run('ppgtt', { [base]: [END] }).ok).toBe(true);
  });
  it.each([SECOND, PREDICATED])('ppgtt: of jumps that are taken, with bits 0x%s', (bits) => {
    const base = baseOf('ppgtt');
    const many = (jumps: number) => ({
      [base]: [...Array.from({ length: jumps }, (_, i) => jump('ppgtt', base + 8 * PAGE + 4 * i, bits)).flat(), END],
      [base + 8 * PAGE]: new Array<number>(2 * PAGE_DWORDS).fill(END),
    });
    expect(run('ppgtt', many(TRACE_BUDGET_JUMPS))).toMatchObject({ ok: true, loop: false });
    expect(run('ppgtt', many(TRACE_BUDGET_JUMPS + 1))).toMatchObject({
      code: 'batch-budget',
      command: 'MI_BATCH_BUFFER_START',
      gmadr: base + 8 * PAGE + 4 * TRACE_BUDGET_JUMPS,
      dword: 3 * TRACE_BUDGET_JUMPS,
    });
    expect(run('ppgtt', many(TRACE_BUDGET_JUMPS)).ok).toBe(true);
  });
});

describe('a conditional end', () => {
  it.each(HOMES)('%s: may fall through, and what is behind it is judged', (home) => {
    const base = baseOf(home);
    const wide = home === 'haswell' ? 3 : 4;
    const conditional = (bits = 0, address = 0) => [
      (CMD.MI_CONDITIONAL_BATCH_BUFFER_END | bits | len(wide)) >>> 0,
      0,
      address,
      ...noops(wide - 3),
    ];
    expect(run(home, { [base]: [...conditional(), NOOP, END] })).toMatchObject({ ok: true, commands: 3 });
    expect(run(home, { [base]: [...conditional(), ...FORBIDDEN, END] })).toMatchObject({
      code: 'refused-command',
      dword: wide,
    });
    const global = run(home, { [base]: [...conditional(GLOBAL, 0x0400_0000), END] });
    if (home === 'ppgtt' || home === 'copied') expect(global.code).toBe('global-select');
    else expect(global.ok).toBe(true);
  });
});
