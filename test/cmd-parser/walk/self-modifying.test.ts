/** Streams that store into batches: what runs in place is judged as it then is, what runs as a copy must not be stored into. */
import { describe, expect, it } from 'vitest';
import { BCS, CMD } from '../../../src/hw/index.js';
import { BATCH, framesOf, LOW_START } from '../harness.js';
import { PROCESS } from '../policy/judge.js';
import {
  baseOf,
  COPIED,
  END,
  FORBIDDEN,
  GLOBAL,
  JUNK,
  jump,
  len,
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

const FORBIDDEN_HEADER = FORBIDDEN[0]!;
const HARMLESS_HEADER = CMD.MI_CLFLUSH | len(4);
const QWORD = 1 << 21;
/** Stores through the process's tables from dword `at` of the batch on. */
const put = (at: number, ...data: number[]): number[] => store('ppgtt', PROCESS + at * 4, ...data);
const inPlace = (dwords: readonly number[], more = {}) => run('ppgtt', { [PROCESS]: dwords, ...more });

describe('a batch in place that stores', () => {
  it('behind itself is judged by what it stored', () => {
    // the command at dword 4 is made into another just before it runs
    expect(inPlace([...put(4, HARMLESS_HEADER), ...FORBIDDEN, END])).toMatchObject({ ok: true, commands: 3 });
    expect(inPlace([...put(4, FORBIDDEN_HEADER), HARMLESS_HEADER, 0, 0, 0, END])).toMatchObject({
      code: 'refused-command',
      dword: 4,
    });
  });
  it('ahead of itself has run what was there', () => {
    expect(inPlace([HARMLESS_HEADER, 0, 0, 0, ...put(0, FORBIDDEN_HEADER), END])).toMatchObject({
      ok: true,
      commands: 3,
    });
    expect(inPlace([...FORBIDDEN, ...put(0, HARMLESS_HEADER), END])).toMatchObject({
      code: 'refused-command',
      dword: 0,
    });
  });
  it('over its own store has run that already', () => {
    expect(inPlace([...put(0, JUNK), NOOP, END])).toMatchObject({ ok: true, commands: 3 });
    expect(inPlace([...put(3, JUNK), END])).toMatchObject({ ok: true, commands: 2 });
  });
  it.each([
    [4, true],
    [5, false],
    [3, false],
    [-1, false],
    [1024 + 4, false],
    [-1024 + 4, false],
  ])('at dword %i changes dword 4: %s', (at, changes) => {
    expect(inPlace([...put(at, HARMLESS_HEADER), ...FORBIDDEN, END]).ok).toBe(changes);
  });
  it.each([
    [2, 1, false],
    [2, 2, false],
    [2, 3, true],
    [3, 2, true],
    [4, 1, true],
    [4, 4, true],
    [5, 3, false],
    [-3, 8, true],
    [-3, 7, false],
  ])('from dword %i on so many as %i changes dword 4 behind a longer store: %s', (from, count, changes) => {
    // the dword that counts is at 4 behind the store, whatever the store's own length
    const size = 3 + count;
    const address = PROCESS + (size + from) * 4;
    const data = Array.from({ length: count }, (_, i) => (from + i === 4 ? HARMLESS_HEADER : 0));
    const memory = { [PROCESS]: [...store('ppgtt', address, ...data), ...noops(4), ...FORBIDDEN, END] };
    expect(run('ppgtt', memory, { engine: BCS }).ok).toBe(changes);
  });
  it('twice to the same place has run what was stored last', () => {
    const body = (first: number, last: number) => [...put(8, first), ...put(8, last), NOOP, 0, 0, 0, END];
    expect(inPlace(body(FORBIDDEN_HEADER, HARMLESS_HEADER)).ok).toBe(true);
    expect(inPlace(body(HARMLESS_HEADER, FORBIDDEN_HEADER))).toMatchObject({ code: 'refused-command', dword: 8 });
  });
  it('many times keeps all that it stored', () => {
    // 300 headers are made harmless, one by one and then run
    const count = 300;
    const at = 4 * count;
    const stores = Array.from({ length: count }, (_, i) => put(at + 4 * i, HARMLESS_HEADER)).flat();
    const commands = Array.from({ length: count }, () => FORBIDDEN).flat();
    expect(inPlace([...stores, ...commands, END])).toMatchObject({ ok: true, commands: 2 * count + 1 });
    expect(inPlace([...stores.slice(4), ...noops(4), ...commands, END])).toMatchObject({
      code: 'refused-command',
      dword: at,
    });
  });
  it('a quadword changes both of its dwords', () => {
    const quad = (at: number, lo: number, hi: number) => {
      const [header, ...rest] = put(at, lo, hi);
      return [header! | QWORD, ...rest];
    };
    expect(inPlace([...quad(5, HARMLESS_HEADER, 0), ...FORBIDDEN, END]).ok).toBe(true);
    expect(inPlace([...quad(5, NOOP, HARMLESS_HEADER), JUNK, ...FORBIDDEN, END]).ok).toBe(true);
    expect(inPlace([...quad(5, NOOP, FORBIDDEN_HEADER), JUNK, HARMLESS_HEADER, 0, 0, 0, END])).toMatchObject({
      dword: 6,
    });
  });
  it("into global memory does not change the process's, as it may not", () => {
    const [header, ...rest] = put(4, HARMLESS_HEADER);
    expect(inPlace([header! | GLOBAL, ...rest, ...FORBIDDEN, END]).code).toBe('global-select');
  });
});

describe('a batch in place that stores into another page', () => {
  const next = PROCESS + PAGE;
  it('of its own has run there what it stored', () => {
    const far = [...put(1024, HARMLESS_HEADER), ...noops(1020)];
    expect(inPlace(far, { [next]: [...FORBIDDEN, END] })).toMatchObject({ ok: true });
    const wrong = [...put(1024, FORBIDDEN_HEADER), ...noops(1020)];
    expect(inPlace(wrong, { [next]: [HARMLESS_HEADER, 0, 0, 0, END] })).toMatchObject({
      code: 'refused-command',
      dword: 1024,
    });
  });
  it('from the end of one page into the next', () => {
    // the data lies across the edge, and so does the store
    const from = 1022;
    const data = [NOOP, NOOP, HARMLESS_HEADER, 0];
    const body = [...store('ppgtt', PROCESS + from * 4, ...data), ...noops(from - 7), JUNK, JUNK];
    expect(run('ppgtt', { [PROCESS]: body, [next]: [...FORBIDDEN, END] }, { engine: BCS })).toMatchObject({ ok: true });
  });
  it('while a command of its own lies across pages', () => {
    const at = 1023;
    const late = [...noops(at), ...put(at + 4, HARMLESS_HEADER), ...FORBIDDEN, END];
    expect(inPlace(late)).toMatchObject({ ok: true, commands: at + 3 });
    const wrong = [...noops(at), ...put(at + 4, FORBIDDEN_HEADER), HARMLESS_HEADER, 0, 0, 0, END];
    expect(inPlace(wrong)).toMatchObject({ code: 'refused-command', dword: at + 4 });
    // and when the page it ends on was changed before
    const again = [...put(1027, JUNK), ...noops(at - 4), ...put(at + 4, HARMLESS_HEADER), ...FORBIDDEN, END];
    expect(inPlace(again)).toMatchObject({ ok: true });
    const operand = [...put(1025, 0x2234), ...noops(1019), CMD.MI_LOAD_REGISTER_IMM | len(3), 0x2600, 0, END];
    expect(inPlace(operand)).toMatchObject({ ok: true });
    const split = [...put(1024, 0x2234), ...noops(1019), CMD.MI_LOAD_REGISTER_IMM | len(3), 0x2600, 0, END];
    expect(inPlace(split)).toMatchObject({ code: 'register-write', register: 0x2234, dword: 1023 });
  });
  it('that is not there has changed nothing', () => {
    expect(inPlace([...put(4096, JUNK), END])).toMatchObject({ ok: true, commands: 2 });
  });
  it('changes it for the next visit, too', () => {
    const memory = {
      [PROCESS]: [
        ...store('ppgtt', next, HARMLESS_HEADER),
        ...jump('ppgtt', next, SECOND),
        ...store('ppgtt', next, FORBIDDEN_HEADER),
        ...jump('ppgtt', next, SECOND),
        END,
      ],
      [next]: [JUNK, 0, 0, 0, END],
    };
    expect(run('ppgtt', memory)).toMatchObject({ code: 'refused-command', dword: 0, commands: 6 });
  });
  it("leaves the guest's own memory alone", () => {
    const memory = { [PROCESS]: [...put(4, NOOP), JUNK, END] };
    expect(run('ppgtt', memory).ok).toBe(true);
    expect(run('ppgtt', { [PROCESS]: [NOOP, NOOP, NOOP, NOOP, JUNK, END] }).code).toBe('unknown-command');
  });
  it('is forgotten by the next scan', () => {
    expect(inPlace([...put(4, HARMLESS_HEADER), ...FORBIDDEN, END]).ok).toBe(true);
    expect(inPlace([...put(5, HARMLESS_HEADER), ...FORBIDDEN, END])).toMatchObject({ dword: 4 });
    expect(inPlace([...noops(4), ...FORBIDDEN, END])).toMatchObject({ dword: 4 });
  });
  it('above 4 GiB changes that and not its like below', () => {
    const far = 0x12_0000_0000 + PROCESS;
    const body = (address: number) => [...store('ppgtt', address, HARMLESS_HEADER), ...FORBIDDEN, END];
    expect(run('ppgtt', { [far]: body(far + 16) }, { address: far }).ok).toBe(true);
    expect(run('ppgtt', { [far]: body(PROCESS + 16) }, { address: far }).code).toBe('refused-command');
    expect(run('ppgtt', { [PROCESS]: body(far + 16) }).code).toBe('refused-command');
  });
});

describe('a batch in place that stores again into the page it runs on', () => {
  it('changes each dword that it says, and none beside them', () => {
    // of two dwords the first, the second, and the one behind them is the header of a command
    const body = (header: number, data: number[], rest: readonly number[]) => [
      ...put(900, NOOP),
      ...put(16, ...data),
      ...noops(16 - 9),
      header,
      ...rest,
      END,
    ];
    const bad = FORBIDDEN_HEADER;
    expect(inPlace(body(JUNK, [NOOP, bad], [JUNK, 0, 0, 0]))).toMatchObject({ code: 'refused-command', dword: 17 });
    expect(inPlace(body(JUNK, [bad, 0], [0, 0, 0]))).toMatchObject({ code: 'refused-command', dword: 16 });
    expect(inPlace(body(JUNK, [NOOP, NOOP], [JUNK, bad, 0, 0, 0]))).toMatchObject({
      code: 'refused-command',
      dword: 18,
    });
    const fine = inPlace(body(JUNK, [NOOP, NOOP], [JUNK, NOOP]));
    expect(fine).toMatchObject({ ok: true, dwords: 20 });
    expect(pieces(fine, PROCESS)).toEqual([[0, 20, 'primary']]);
  });
  it("changes nothing of the guest's memory, the first time or later", () => {
    const memory = framesOf({ [PROCESS]: [...put(900, 7), ...put(901, 8), ...put(16, 9, 10), ...noops(8), END] });
    const before = memory.words.slice();
    expect(run('ppgtt', memory)).toMatchObject({ ok: true, dwords: 22 });
    expect(run('ppgtt', { [PROCESS]: [...put(900, 7), NOOP, END] })).toMatchObject({ ok: true, dwords: 6 });
    expect(memory.words).toEqual(before);
  });
});

describe('a return jump that a Vulkan driver patches', () => {
  const callee = PROCESS + PAGE;
  /** Stores the return address into the last jump of the called buffer, then chains there. */
  const call = (back: number, site: number) => [
    ...[CMD.MI_STORE_DATA_IMM | QWORD | len(5), site, 0, back, 0],
    ...jump('ppgtt', callee),
  ];
  const last = callee + 4;
  it('leads back to where it was called from, each time', () => {
    const first = call(PROCESS + 8 * 4, last + 4);
    const second = call(PROCESS + 16 * 4, last + 4);
    const memory = {
      [PROCESS]: [...first, ...second, END, JUNK],
      [callee]: [NOOP, ...jump('ppgtt', 0xdead_0000), JUNK],
    };
    const result = run('ppgtt', memory);
    expect(result).toMatchObject({ ok: true, loop: false, commands: 9 });
    expect(pieces(result, PROCESS)).toEqual([
      [0, 8, 'primary'],
      [1024, 1028, 'chain'],
      [8, 16, 'chain'],
      [1024, 1028, 'chain'],
      [16, 17, 'chain'],
    ]);
  });
  it('leads where it was patched to, also if that is hostile', () => {
    const memory = {
      [PROCESS]: [...call(PROCESS + 8 * 4, last + 4), END],
      [callee]: [NOOP, ...jump('ppgtt', PROCESS + 8 * 4), JUNK],
    };
    expect(run('ppgtt', memory).ok).toBe(true);
    memory[PROCESS] = [...call(PROCESS + 8 * 4, last + 4), ...FORBIDDEN, END];
    expect(run('ppgtt', memory)).toMatchObject({ code: 'refused-command' });
    memory[PROCESS] = [...call(0xdead_0000, last + 4), END];
    expect(run('ppgtt', memory)).toMatchObject({ code: 'batch-unmapped', gmadr: 0xdead_0000 });
  });
  it('of which only the lower half was patched keeps the upper half', () => {
    const memory = {
      [PROCESS]: [...store('ppgtt', last + 4, PROCESS + 7 * 4), ...jump('ppgtt', callee), END, JUNK],
      [callee]: [NOOP, ...jump('ppgtt', 0x1_0000_0000), JUNK],
    };
    expect(run('ppgtt', memory)).toMatchObject({ code: 'batch-unmapped', gmadr: 0x1_0000_0000 + PROCESS + 7 * 4 });
    memory[callee] = [NOOP, ...jump('ppgtt', 0), JUNK];
    expect(run('ppgtt', memory).ok).toBe(true);
  });
});

describe.each(COPIED)('%s: a store into a copied batch', (home) => {
  const base = baseOf(home);
  const size = store(home, 0, 0).length;
  const into = (at: number) => [...store(home, base + at * 4, JUNK), NOOP, NOOP, END];
  const length = size + 3;
  it.each([0, 1, size, length - 1])('at its dword %i is refused', (at) => {
    const result = run(home, { [base]: into(at) });
    expect(result).toMatchObject({ code: 'self-modifying', batch: 0, dword: at, gmadr: base + at * 4 });
    expect(result.message).toContain(`stores into its batch at 0x${(base + at * 4).toString(16)}`);
    expect(result.message).toContain(`batch 0x${base.toString(16)} dword ${at}`);
  });
  it.each([-2, -1, length, length + 1])('at dword %i is beside it', (at) => {
    // a batch that does not begin with its page, so that there is memory in front of it
    const start = base + 0x100;
    const body = [...store(home, start + at * 4, JUNK), NOOP, NOOP, END];
    expect(run(home, { [start]: body }, { address: start })).toMatchObject({ ok: true });
  });
  it('by another that it starts, or that started it, is refused', () => {
    const other = base + PAGE;
    const memory = { [base]: [...jump(home, other, SECOND), NOOP, END], [other]: [...store(home, base, JUNK), END] };
    expect(run(home, memory)).toMatchObject({ code: 'self-modifying', batch: 0, dword: 0, gmadr: base });
    const reverse = { [base]: [...store(home, other + 4, JUNK), ...jump(home, other)], [other]: [NOOP, END] };
    expect(run(home, reverse)).toMatchObject({ code: 'self-modifying', batch: 1, dword: 1, gmadr: other + 4 });
  });
  it('is refused behind what was walked before, too', () => {
    const memory = {
      [base]: [...jump(home, base + PAGE, PREDICATED), ...store(home, base + PAGE, JUNK), END],
      [base + PAGE]: [END],
    };
    expect(run(home, memory)).toMatchObject({ code: 'self-modifying', gmadr: base + PAGE });
  });
  it('is blamed on the lowest dword', () => {
    const body = [...store(home, base + 4 * 2 * size, JUNK), ...store(home, base + 4, JUNK), NOOP, END];
    expect(run(home, { [base]: body })).toMatchObject({ code: 'self-modifying', dword: 1 });
  });
  it('on a later page of it is refused', () => {
    const memory = { [base]: [...store(home, base + PAGE + 8, JUNK), ...noops(1022), NOOP, END] };
    expect(run(home, memory)).toMatchObject({ code: 'self-modifying', dword: 1026 });
  });
  it('that only ends in it, or covers it, is refused', () => {
    if (home === 'haswell') return;
    const start = base + 0x100;
    const wide = (at: number, count: number) => ({
      [start]: [...store(home, start + at * 4, ...new Array<number>(count).fill(JUNK)), END],
    });
    const by = { address: start, engine: BCS } as const;
    expect(run(home, wide(-4, 5), by)).toMatchObject({ code: 'self-modifying', dword: 0 });
    expect(run(home, wide(-4, 20), by)).toMatchObject({ code: 'self-modifying', dword: 0 });
    expect(run(home, wide(-4, 4), by).ok).toBe(true);
    expect(run(home, wide(7, 4), by)).toMatchObject({ code: 'self-modifying', dword: 7 });
    expect(run(home, wide(8, 4), by).ok).toBe(true);
  });
  it('is found where the ring itself stores', () => {
    const dwords = [...store(home, base + 4, JUNK), ...jump(home, base)];
    expect(ring(home, dwords, { [base]: [NOOP, END] })).toMatchObject({ code: 'self-modifying', batch: 0, dword: 1 });
    const beside = [...store(home, base + 8, JUNK), ...jump(home, base)];
    expect(ring(home, beside, { [base]: [NOOP, END] }).ok).toBe(true);
    const after = [...jump(home, base), ...store(home, base + 4, JUNK)];
    expect(ring(home, after, { [base]: [NOOP, END] })).toMatchObject({ code: 'self-modifying', batch: 0, dword: 1 });
  });
});

describe('address spaces', () => {
  it("a store through the process's tables is none into a global batch of the same address, nor the other way", () => {
    const ggtt = { [BATCH]: [NOOP, END] };
    const own = { [BATCH]: [NOOP, END] };
    const both = (dwords: readonly number[]) => ring('copied', dwords, own, { ggtt });
    const toGlobal = store('privileged', BATCH, JUNK);
    const toProcess = store('copied', BATCH, JUNK);
    const startGlobal = jump('privileged', BATCH);
    const startOwn = jump('copied', BATCH);
    expect(both([...toProcess, ...startGlobal]).ok).toBe(true);
    expect(both([...toGlobal, ...startOwn]).ok).toBe(true);
    expect(both([...toGlobal, ...startGlobal])).toMatchObject({ code: 'self-modifying', batch: 0 });
    expect(both([...toProcess, ...startOwn])).toMatchObject({ code: 'self-modifying', batch: 0 });
    // the other batch is asked about as well
    expect(both([...toProcess, ...startGlobal, ...startOwn])).toMatchObject({ code: 'self-modifying', batch: 1 });
  });
  it('what a ring stored for a process is what its batch in place runs', () => {
    const dwords = [...store('ppgtt', PROCESS, HARMLESS_HEADER), ...jump('ppgtt', PROCESS)];
    expect(ring('ppgtt', dwords, { [PROCESS]: [...FORBIDDEN, END] }).ok).toBe(true);
    const global = [...store('privileged', LOW_START, HARMLESS_HEADER), ...jump('ppgtt', LOW_START)];
    expect(ring('ppgtt', global, { [LOW_START]: [...FORBIDDEN, END] }).code).toBe('refused-command');
  });
  it("a privileged batch stores into a process's batch in place, and that is what runs", () => {
    const body = [...store('ppgtt', PROCESS, HARMLESS_HEADER), ...jump('ppgtt', PROCESS, SECOND), END];
    const result = ring(
      'ppgtt',
      jump('privileged', BATCH),
      { [PROCESS]: [...FORBIDDEN, END] },
      { ggtt: { [BATCH]: body } },
    );
    expect(result).toMatchObject({ ok: true, unprivilegedBatches: 0 });
  });
});
