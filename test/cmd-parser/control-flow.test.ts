import { describe, expect, it } from 'vitest';
import { BATCH_BUDGET_COUNT } from '../../src/cmd-parser/index.js';
import { CMD, RCS } from '../../src/hw/index.js';
import { BATCH, LOW_END, LOW_START, scan } from './harness.js';

const len = (dwords: number): number => dwords - 2;
const PPGTT = 1 << 8;
const SECOND = 1 << 22;
const PREDICATED = 1 << 15;
const start = (gmadr: number, bits = 0, hi = 0): number[] => [CMD.MI_BATCH_BUFFER_START | bits | len(3), gmadr, hi];
const END = CMD.MI_BATCH_BUFFER_END;
const store = (gmadr: number): number[] => [CMD.MI_STORE_DATA_IMM | (1 << 22) | len(4), gmadr, 0, 1];

describe('a batch in per-process memory', () => {
  it('is started but not followed', () => {
    const result = scan([...start(0xdead0000, PPGTT, 0xffff), CMD.MI_NOOP]);
    expect(result).toMatchObject({ ok: true, unprivilegedBatches: 1, commands: 2, dwords: 4, batches: [] });
  });
});

describe('a privileged batch', () => {
  it('is copied, and the copy is what will run', () => {
    const memory = { [BATCH]: [CMD.MI_NOOP, ...store(LOW_START), END, 0xffffffff] };
    const result = scan([CMD.MI_NOOP, ...start(BATCH)], { memory });
    expect(result).toMatchObject({ ok: true, commands: 5, dwords: 10 });
    expect(result.batches).toHaveLength(1);
    const [batch] = result.batches;
    expect(batch).toMatchObject({
      sourceGmadr: BATCH,
      dwords: 6,
      level: 1,
      patchAt: [{ batch: -1, dword: 2, wide: true }],
    });
    expect([...batch!.words.subarray(0, 7)]).toEqual([CMD.MI_NOOP, ...store(LOW_START), END, 0]);
  });
  it('is held to the same rules as the ring, and the refusal says where', () => {
    const result = scan(start(BATCH), { memory: { [BATCH]: [CMD.MI_NOOP, ...store(LOW_END), END] } });
    expect(result).toMatchObject({ ok: false, code: 'address', batch: 0, dword: 1, command: 'MI_STORE_DATA_IMM' });
    expect(result.message).toContain(`batch 0x${BATCH.toString(16)} dword 1`);
  });
  it('is followed across its pages', () => {
    const body = new Array<number>(1500).fill(CMD.MI_NOOP);
    const result = scan(start(BATCH + 8), { memory: { [BATCH + 8]: [...body, ...store(LOW_START), END] } });
    expect(result).toMatchObject({ ok: true, commands: 1503 });
    expect(result.batches[0]!.dwords).toBe(1505);
  });
  it('whose command crosses into a page that is not mapped is refused', () => {
    const body = new Array<number>(1022).fill(CMD.MI_NOOP);
    const result = scan(start(BATCH), { memory: { [BATCH]: [...body, CMD.MI_STORE_DATA_IMM | len(4), 0] } });
    expect(result).toMatchObject({
      code: 'batch-unmapped',
      gmadr: BATCH + 4096,
      batch: 0,
      command: 'MI_STORE_DATA_IMM',
    });
  });
  it('that never ends is refused at the end of its memory', () => {
    expect(scan(start(BATCH), { memory: { [BATCH]: [CMD.MI_NOOP] } }).code).toBe('batch-unmapped');
  });
  it('outside the own ranges, or nowhere, is refused', () => {
    expect(scan(start(LOW_END), { memory: { [LOW_END]: [END] } }).code).toBe('batch-unmapped');
    expect(scan([CMD.MI_NOOP, ...start(BATCH)])).toMatchObject({
      code: 'batch-unmapped',
      command: 'MI_BATCH_BUFFER_START',
      batch: -1,
      dword: 1,
      gmadr: BATCH,
    });
    expect(scan(start(BATCH, 0, 1), { memory: { [BATCH]: [END] } }).code).toBe('address');
  });
  it('whose address has a register added to it is refused', () => {
    expect(scan(start(BATCH, 1 << 16), { memory: { [BATCH]: [END] } }).code).toBe('batch-address');
  });
  it('started twice is copied once and both starts are patched', () => {
    const result = scan([...start(BATCH), ...start(BATCH)], { memory: { [BATCH]: [END] } });
    expect(result.batches).toHaveLength(1);
    expect(result.batches[0]!.patchAt).toEqual([
      { batch: -1, dword: 1, wide: true },
      { batch: -1, dword: 4, wide: true },
    ]);
  });
  it('has its chain followed, and nothing behind the jump kept', () => {
    const memory = { [BATCH]: [CMD.MI_NOOP, ...start(BATCH + 4096), 0xffffffff], [BATCH + 4096]: [END] };
    const result = scan(start(BATCH), { memory });
    expect(result.ok).toBe(true);
    expect(result.batches.map(({ sourceGmadr, dwords, level }) => [sourceGmadr, dwords, level])).toEqual([
      [BATCH, 4, 1],
      [BATCH + 4096, 1, 1],
    ]);
    expect(result.batches[1]!.patchAt).toEqual([{ batch: 0, dword: 2, wide: true }]);
    expect(result.batches[0]!.words[4]).toBe(0);
  });
  it('that chains to a hostile one is refused', () => {
    const memory = { [BATCH]: start(BATCH + 4096), [BATCH + 4096]: [...store(LOW_END), END] };
    expect(scan(start(BATCH), { memory })).toMatchObject({ code: 'address', batch: 1, dword: 0 });
  });
  it('is scanned behind a chain that a predicate may skip', () => {
    const memory = { [BATCH]: [...start(BATCH + 4096, PREDICATED), ...store(LOW_END), END], [BATCH + 4096]: [END] };
    expect(scan(start(BATCH), { memory })).toMatchObject({ code: 'address', batch: 0, dword: 3 });
  });
  it('may leave for per-process memory, where it loses its privilege', () => {
    const memory = { [BATCH]: [...start(0x1000, PPGTT), 0xffffffff] };
    expect(scan(start(BATCH), { memory })).toMatchObject({ ok: true, unprivilegedBatches: 1 });
  });
  it('that chains to itself is refused', () => {
    expect(scan(start(BATCH), { memory: { [BATCH]: [CMD.MI_NOOP, ...start(BATCH)] } })).toMatchObject({
      code: 'batch-loop',
      batch: 0,
      dword: 1,
      gmadr: BATCH,
    });
  });
  it('that comes back by way of another is refused', () => {
    const memory = { [BATCH]: start(BATCH + 4096), [BATCH + 4096]: start(BATCH) };
    expect(scan(start(BATCH), { memory }).code).toBe('batch-loop');
  });
  it('that jumps into its own middle is copied again from there', () => {
    const memory = { [BATCH]: [CMD.MI_NOOP, ...start(BATCH + 12, SECOND), END] };
    const result = scan(start(BATCH), { memory });
    // the high half of the jump's address and the end, read as a buffer of its own
    expect(result.ok).toBe(true);
    expect([...result.batches[1]!.words.subarray(0, 2)]).toEqual([0, END]);
  });
  it('without an end is refused where its memory ends', () => {
    const page = new Uint32Array(1024);
    const result = scan(start(BATCH), { memory: { [BATCH]: [...page] } });
    expect(result.code).toBe('batch-unmapped');
  });
  it('in greater number than the budget is refused', () => {
    const body = Array.from({ length: BATCH_BUDGET_COUNT + 1 }, (_, i) => start(BATCH + 4 * i)).flat();
    expect(scan(body, { memory: { [BATCH]: new Array<number>(2000).fill(END) } }).code).toBe('batch-budget');
    expect(scan(body.slice(3), { memory: { [BATCH]: new Array<number>(2000).fill(END) } }).ok).toBe(true);
  });
  it('may not set a predicate that could skip its end', () => {
    const memory = { [BATCH]: [CMD.MI_SET_PREDICATE | 0xf, END] };
    expect(scan(start(BATCH), { memory }).code).toBe('predicate');
    expect(scan(start(BATCH), { memory: { [BATCH]: [CMD.MI_SET_PREDICATE, END] } }).ok).toBe(true);
    expect(scan([CMD.MI_SET_PREDICATE | 0xf]).ok).toBe(true);
  });
});

describe('a second-level batch', () => {
  it('returns to the first level, which is scanned behind it', () => {
    const memory = {
      [BATCH]: [...start(BATCH + 4096, SECOND), ...store(LOW_START), END],
      [BATCH + 4096]: [...store(LOW_START), END],
    };
    const result = scan(start(BATCH), { memory });
    expect(result).toMatchObject({ ok: true, commands: 6 });
    expect(result.batches.map((batch) => batch.level)).toEqual([1, 2]);
    memory[BATCH] = [...start(BATCH + 4096, SECOND), ...store(LOW_END), END];
    expect(scan(start(BATCH), { memory })).toMatchObject({ code: 'address', batch: 0 });
  });
  it('is refused in the ring', () => {
    expect(scan(start(BATCH, SECOND), { memory: { [BATCH]: [END] } }).code).toBe('batch-level');
    expect(scan(start(BATCH, SECOND | PPGTT)).code).toBe('batch-level');
  });
  it('is refused inside a second-level batch', () => {
    const memory = {
      [BATCH]: [...start(BATCH + 4096, SECOND), END],
      [BATCH + 4096]: [...start(BATCH + 8192, SECOND), END],
      [BATCH + 8192]: [END],
    };
    expect(scan(start(BATCH), { memory }).code).toBe('batch-level');
  });
  it('is not taken for the first-level batch of the same address', () => {
    const memory = {
      [BATCH]: [...start(BATCH + 4096, SECOND), END],
      [BATCH + 4096]: [...start(BATCH + 8192, SECOND), END],
      [BATCH + 8192]: [END],
    };
    expect(scan(start(BATCH + 4096), { memory }).ok).toBe(true);
    expect(scan([...start(BATCH + 4096), ...start(BATCH)], { memory }).code).toBe('batch-level');
  });
  it('stays second level where it chains', () => {
    const memory = {
      [BATCH]: [...start(BATCH + 4096, SECOND), END],
      [BATCH + 4096]: start(BATCH + 8192),
      [BATCH + 8192]: [...start(BATCH, SECOND), END],
    };
    expect(scan(start(BATCH), { memory })).toMatchObject({ code: 'batch-level', batch: 2 });
  });
});

describe('ends', () => {
  it('of a batch are refused in the ring', () => {
    expect(scan([CMD.MI_NOOP, END])).toMatchObject({ code: 'end-outside-batch', dword: 1 });
  });
  it('under a condition are audited, and both ways are scanned', () => {
    const conditional = (bits: number, gmadr: number): number[] => [
      CMD.MI_CONDITIONAL_BATCH_BUFFER_END | bits | len(4),
      0,
      gmadr,
      0,
    ];
    expect(scan(conditional(0, 0)).code).toBe('end-outside-batch');
    const run = (body: number[]) => scan(start(BATCH), { memory: { [BATCH]: body } });
    expect(run([...conditional(0, 0), END]).ok).toBe(true);
    expect(run([...conditional(SECOND, LOW_END - 8), END]).ok).toBe(true);
    expect(run([...conditional(SECOND, LOW_END), END]).code).toBe('address');
    expect(run([...conditional(0, 0), ...store(LOW_END), END]).code).toBe('address');
  });
  it('of a workaround buffer leave nothing unscanned behind them', () => {
    const result = scan([CMD.MI_ARB_ON_OFF | 1, END, 0xffffffff, 0x12345678], { trust: 'wa' });
    expect(result.ok).toBe(true);
    expect([...result.words]).toEqual([CMD.MI_ARB_ON_OFF | 1, END, 0, 0]);
  });
});

describe('a workaround buffer', () => {
  it('ends at its size, without an end command', () => {
    expect(scan([CMD.MI_ARB_ON_OFF, 0, 0, 0], { trust: 'wa' })).toMatchObject({ ok: true, commands: 4 });
  });
  it('starts no batches', () => {
    expect(scan(start(BATCH), { trust: 'wa', memory: { [BATCH]: [END] } }).code).toBe('refused-command');
    expect(scan(start(BATCH, PPGTT), { trust: 'wa' }).code).toBe('refused-command');
  });
});

describe('headers', () => {
  it('that no engine knows are refused, with their value', () => {
    const result = scan([CMD.MI_NOOP, 0xe0000000]);
    expect(result).toMatchObject({ code: 'unknown-command', dword: 1, command: 'unknown', engine: 'RCS' });
    expect(result.message).toBe(
      'RCS ring dword 1: unknown (0xe0000000) refused [unknown-command]: no RCS command of SKL has this header; ' +
        'rule: only commands that the engine is known to have run.',
    );
  });
  it('of another engine are refused', () => {
    expect(scan([CMD['3DPRIMITIVE'] | 5, 0, 0, 0, 0, 0, 0], { engine: 1 }).code).toBe('unknown-command');
    expect(scan([CMD.XY_COLOR_BLT | 5, 0, 0, 0, 0, 0, 0], { engine: RCS }).code).toBe('unknown-command');
  });
  it('are looked at only within the range that will run', () => {
    const dwords = [0xe0000000, CMD.MI_NOOP, CMD.MI_NOOP, 0xe0000000];
    expect(scan(dwords, { start: 1, end: 3 })).toMatchObject({ ok: true, commands: 2, dwords: 2 });
    for (const [start, end] of [
      [0, 5],
      [-1, 2],
      [3, 2],
    ] as const) {
      expect(scan(dwords, { start, end }).code).toBe('truncated');
    }
  });
  it('that promise more dwords than there are are refused', () => {
    expect(scan([CMD.MI_NOOP, CMD.MI_STORE_DATA_IMM | len(4), 0, 0])).toMatchObject({ code: 'truncated', dword: 1 });
  });
});
