/** Every rule, at every trust at which it can be broken: a stream that breaks it and nothing else, and its legal twin. */
import { describe, expect, it } from 'vitest';
import { SCAN_RULES, type ScanCode, TRACE_BUDGET_JUMPS, type Trust } from '../../../src/cmd-parser/index.js';
import { CMD } from '../../../src/hw/index.js';
import { BATCH, LOW_END, LOW_START } from '../harness.js';
import { type Circumstances, END, HSW, judge, len, type Place, PROCESS, trustOf } from './judge.js';

interface Case {
  readonly rule: ScanCode;
  readonly place: Place;
  readonly illegal: readonly number[];
  readonly legal: readonly number[];
  readonly command: string;
  /** Of the refused command, in the buffer where it is. */
  readonly dword: number;
  readonly batch: number;
  readonly gmadr: number;
  readonly register: number;
  readonly circumstances: Circumstances;
  /** The twin differs in what lies around it. */
  readonly otherwise: Circumstances;
}

const GLOBAL = 1 << 22;
const SECOND = 1 << 22;
const PPGTT = 1 << 8;
const everywhere: readonly Place[] = ['ring', 'privileged', 'wa', 'ppgtt', 'copied', 'haswell'];
const batches: readonly Place[] = ['privileged', 'ppgtt', 'copied', 'haswell'];
const processes: readonly Place[] = ['ppgtt', 'copied', 'haswell'];

type Body = Partial<Pick<Case, 'dword' | 'batch' | 'gmadr' | 'register' | 'circumstances' | 'otherwise'>> &
  Pick<Case, 'command' | 'illegal' | 'legal'>;

/** Index of the buffer of commands at a place. */
const bufferOf = (place: Place): number =>
  place === 'privileged' || place === 'copied' || place === 'haswell' ? 0 : -1;

const breaks = (rule: ScanCode, places: readonly Place[], body: (place: Place) => Body): Case[] =>
  places.map((place) => ({
    rule,
    place,
    dword: 0,
    batch: bufferOf(place),
    gmadr: -1,
    register: -1,
    circumstances: {},
    otherwise: {},
    ...body(place),
  }));

/** Commands with addresses have another form on Haswell. */
const wide = (place: Place): boolean => place !== 'haswell';
const startBatch = (place: Place, address: number, bits = 0): number[] =>
  wide(place)
    ? [CMD.MI_BATCH_BUFFER_START | bits | len(3), address, 0]
    : [CMD.MI_BATCH_BUFFER_START | bits | len(2), address];
const storeImm = (place: Place, address: number, bits = GLOBAL): number[] =>
  wide(place)
    ? [CMD.MI_STORE_DATA_IMM | bits | len(4), address, 0, 1]
    : [CMD.MI_STORE_DATA_IMM | bits | len(4), 0, address, 1];
const flush = (address: number, bits: number): number[] => [CMD.MI_FLUSH_DW | bits | len(4), address, 0, 1];
/** Chained batches of a place lie in its own memory, and are started as such. */
const home = (place: Place): number => (place === 'ring' || place === 'privileged' ? BATCH : PROCESS);
const own = (place: Place): number => (place === 'ring' || place === 'privileged' ? 0 : PPGTT);
const POST_SYNC = 1 << 14;
const INDEX = 1 << 21;

const CASES: readonly Case[] = [
  ...breaks('unknown-command', everywhere, () => ({
    command: 'unknown',
    dword: 1,
    illegal: [CMD.MI_NOOP, 0xe0000000],
    legal: [CMD.MI_NOOP, CMD.MI_NOOP],
  })),
  ...breaks('refused-command', everywhere, () => ({
    command: 'MI_CLFLUSH',
    illegal: [CMD.MI_CLFLUSH | GLOBAL | len(4), 0, 0, 0],
    legal: [CMD.MI_CLFLUSH | len(4), 0, 0, 0],
  })),
  ...breaks('length', everywhere, () => ({
    command: 'PIPE_CONTROL',
    dword: 1,
    illegal: [CMD.MI_NOOP, CMD.PIPE_CONTROL | len(3), 0, 0],
    legal: [CMD.MI_NOOP, CMD.PIPE_CONTROL | len(5), 0, 0, 0, 0],
  })),
  ...breaks('truncated', ['ring', 'wa'], () => ({
    command: '3DPRIMITIVE',
    illegal: [CMD['3DPRIMITIVE'] | len(7), 0, 0, 0, 0, 0],
    legal: [CMD['3DPRIMITIVE'] | len(7), 0, 0, 0, 0, 0, 0],
  })),
  ...breaks('address', ['ring', 'privileged', 'wa', 'haswell'], (place) => ({
    command: 'MI_STORE_DATA_IMM',
    gmadr: LOW_END,
    illegal: storeImm(place, LOW_END),
    legal: storeImm(place, LOW_END - 4),
  })),
  ...breaks('global-select', ['ppgtt', 'copied'], (place) => ({
    command: 'MI_STORE_DATA_IMM',
    gmadr: LOW_START,
    illegal: storeImm(place, LOW_START),
    legal: storeImm(place, LOW_START, 0),
  })),
  ...breaks('global-select', processes, (place) => ({
    command: 'MI_BATCH_BUFFER_START',
    gmadr: PROCESS + 0x1000,
    illegal: startBatch(place, PROCESS + 0x1000),
    legal: startBatch(place, PROCESS + 0x1000, PPGTT),
    circumstances: { memory: { [PROCESS + 0x1000]: [END] } },
  })),
  // on Haswell the privilege bit alone says whose memory is meant; elsewhere there is no such bit
  ...breaks('global-select', processes, (place) => ({
    command: 'MI_BATCH_BUFFER_START',
    gmadr: PROCESS + 0x1000,
    illegal: startBatch(place, PROCESS + 0x1000, place === 'haswell' ? 0 : 1 << 13),
    legal: startBatch(place, PROCESS + 0x1000, place === 'haswell' ? 1 << 13 : PPGTT),
    circumstances: { memory: { [PROCESS + 0x1000]: [END] } },
  })),
  ...breaks('index', everywhere, () => ({
    command: 'MI_FLUSH_DW',
    gmadr: 0x1000,
    illegal: flush(0x1000, INDEX | POST_SYNC),
    legal: flush(0xff8, INDEX | POST_SYNC),
  })),
  ...breaks('register-write', everywhere, () => ({
    command: 'MI_LOAD_REGISTER_IMM',
    register: 0x2680,
    illegal: [CMD.MI_LOAD_REGISTER_IMM | len(5), 0x267c, 0, 0x2680, 0],
    legal: [CMD.MI_LOAD_REGISTER_IMM | len(5), 0x2678, 0, 0x267c, 0],
  })),
  ...breaks('register-read', everywhere, () => ({
    command: 'MI_LOAD_REGISTER_REG',
    register: 0x2234,
    illegal: [CMD.MI_LOAD_REGISTER_REG | len(3), 0x2234, 0x2600],
    legal: [CMD.MI_LOAD_REGISTER_REG | len(3), 0x2358, 0x2600],
  })),
  ...breaks('register-value', ['ring', 'privileged', 'wa'], () => ({
    command: 'MI_LOAD_REGISTER_IMM',
    register: 0x4180,
    illegal: [CMD.MI_LOAD_REGISTER_IMM | len(3), 0x4180, LOW_END],
    legal: [CMD.MI_LOAD_REGISTER_IMM | len(3), 0x4180, LOW_END - 0x1000],
  })),
  ...breaks('register-value', ['haswell'], () => ({
    command: 'MI_LOAD_REGISTER_IMM',
    register: 0xb038,
    illegal: [CMD.MI_LOAD_REGISTER_IMM | len(3), 0xb038, 0x08000001],
    legal: [CMD.MI_LOAD_REGISTER_IMM | len(3), 0xb038, 0x08000000],
  })),
  // bytes that are left alone would keep what somebody else put there
  ...breaks('register-value', ['ppgtt', 'copied'], () => ({
    command: 'MI_LOAD_REGISTER_IMM',
    register: 0x2358,
    illegal: [CMD.MI_LOAD_REGISTER_IMM | 0x100 | len(3), 0x2358, 0],
    legal: [CMD.MI_LOAD_REGISTER_IMM | 0x100 | len(3), 0x2600, 0],
  })),
  ...breaks('batch-level', ['ring'], (place) => ({
    command: 'MI_BATCH_BUFFER_START',
    illegal: startBatch(place, BATCH, SECOND),
    legal: startBatch(place, BATCH),
    circumstances: { memory: { [BATCH]: [END] } },
  })),
  ...breaks('batch-level', batches, (place) => {
    const [second, third] = [home(place) + 0x1000, home(place) + 0x2000];
    const nested = [...startBatch(place, third, SECOND | own(place)), END];
    return {
      command: 'MI_BATCH_BUFFER_START',
      // in place there is no copy to name, and what is named is where the inner batch begins
      batch: place === 'ppgtt' ? -1 : 1,
      illegal: startBatch(place, second, SECOND | own(place)),
      // the same start, of a batch that leaves out the level
      legal: startBatch(place, second, SECOND | own(place)),
      circumstances: { memory: { [second]: nested, [third]: [END] } },
      otherwise: { memory: { [second]: startBatch(place, third, own(place)), [third]: [END] } },
    };
  }),
  ...breaks('batch-address', ['ring', ...batches], (place) => ({
    command: 'MI_BATCH_BUFFER_START',
    illegal: startBatch(place, home(place) + 0x1000, own(place) | (1 << 16)),
    legal: startBatch(place, home(place) + 0x1000, own(place)),
    circumstances: { memory: { [home(place) + 0x1000]: [END] } },
  })),
  ...breaks('batch-unmapped', ['ring', ...batches], (place) => ({
    command: 'MI_BATCH_BUFFER_START',
    gmadr: home(place) + 0x3000,
    illegal: startBatch(place, home(place) + 0x3000, own(place)),
    legal: startBatch(place, home(place) + 0x3000, own(place)),
    otherwise: { memory: { [home(place) + 0x3000]: [END] } },
  })),
  ...breaks('batch-loop', ['privileged'], (place) => ({
    command: 'MI_BATCH_BUFFER_START',
    dword: 1,
    gmadr: BATCH,
    illegal: [CMD.MI_NOOP, ...startBatch(place, BATCH)],
    legal: [CMD.MI_NOOP, ...startBatch(place, BATCH + 0x1000)],
    circumstances: { memory: { [BATCH + 0x1000]: [END] } },
  })),
  ...breaks('batch-budget', ['ring', 'privileged', 'copied', 'haswell'], (place) => {
    // 256 batches are the budget, and the batch itself is one
    const count = place === 'ring' ? 257 : 256;
    const inner = home(place) + 0x2000;
    const level = place === 'ring' ? 0 : SECOND;
    const starts = Array.from({ length: count }, (_, i) => startBatch(place, inner + 4 * i, level | own(place)));
    const dwords = starts.flat().length;
    return {
      command: 'MI_BATCH_BUFFER_START',
      dword: dwords - starts[0]!.length,
      gmadr: inner + 4 * (count - 1),
      illegal: starts.flat(),
      legal: starts.slice(1).flat(),
      circumstances: { memory: { [inner]: new Array<number>(1024).fill(END) } },
    };
  }),
  ...breaks('batch-budget', ['ppgtt'], (place) => {
    // 1025 returns from a second level are one more than the budget
    const inner = PROCESS + 0x8000;
    const starts = Array.from({ length: TRACE_BUDGET_JUMPS + 1 }, (_, i) =>
      startBatch(place, inner + 4 * i, SECOND | PPGTT),
    );
    return {
      command: 'MI_BATCH_BUFFER_START',
      dword: 3 * TRACE_BUDGET_JUMPS,
      gmadr: inner + 4 * TRACE_BUDGET_JUMPS,
      illegal: starts.flat(),
      legal: starts.slice(1).flat(),
      circumstances: { memory: { [inner]: new Array<number>(2048).fill(END) } },
    };
  }),
  ...breaks('self-modifying', ['privileged', 'copied', 'haswell'], (place) => {
    const bits = place === 'privileged' ? GLOBAL : 0;
    return {
      // the dword that would change is named, and what it begins
      command: 'MI_NOOP',
      dword: 4,
      gmadr: home(place) + 16,
      illegal: [...storeImm(place, home(place) + 16, bits), CMD.MI_NOOP],
      legal: [...storeImm(place, home(place) + 24, bits), CMD.MI_NOOP],
    };
  }),
  ...breaks('end-outside-batch', ['ring'], () => ({
    command: 'MI_BATCH_BUFFER_END',
    dword: 1,
    illegal: [CMD.MI_NOOP, END],
    legal: [CMD.MI_NOOP, CMD.MI_NOOP],
  })),
  ...breaks('end-outside-batch', ['ring', 'wa'], () => ({
    command: 'MI_CONDITIONAL_BATCH_BUFFER_END',
    illegal: [CMD.MI_CONDITIONAL_BATCH_BUFFER_END | len(4), 0, LOW_START, 0],
    legal: [CMD.MI_SEMAPHORE_WAIT | len(4), 0, LOW_START, 0],
  })),
  ...breaks('predicate', batches, () => ({
    command: 'MI_SET_PREDICATE',
    illegal: [CMD.MI_SET_PREDICATE | 1],
    legal: [CMD.MI_SET_PREDICATE],
  })),
];

/** Where each rule can be broken at all, stated once more: a rule without a case here is a rule that nobody tests. */
const OCCURS: Readonly<Record<ScanCode, readonly Trust[]>> = {
  'unknown-command': ['haswell', 'ppgtt', 'ring', 'wa'],
  'refused-command': ['haswell', 'ppgtt', 'ring', 'wa'],
  length: ['haswell', 'ppgtt', 'ring', 'wa'],
  // a batch has no end but its own: what is missing there is memory
  truncated: ['ring', 'wa'],
  // what a process's batch selects on Gen8+ is refused wherever it lies
  address: ['haswell', 'ring', 'wa'],
  'global-select': ['haswell', 'ppgtt'],
  index: ['haswell', 'ppgtt', 'ring', 'wa'],
  'register-write': ['haswell', 'ppgtt', 'ring', 'wa'],
  'register-read': ['haswell', 'ppgtt', 'ring', 'wa'],
  'register-value': ['haswell', 'ppgtt', 'ring', 'wa'],
  // a workaround buffer starts no batch, and none of these can be broken in it
  'batch-level': ['haswell', 'ppgtt', 'ring'],
  'batch-address': ['haswell', 'ppgtt', 'ring'],
  'batch-unmapped': ['haswell', 'ppgtt', 'ring'],
  // a process may run in circles
  'batch-loop': ['ring'],
  'batch-budget': ['haswell', 'ppgtt', 'ring'],
  'self-modifying': ['haswell', 'ppgtt', 'ring'],
  'end-outside-batch': ['ring', 'wa'],
  predicate: ['haswell', 'ppgtt', 'ring'],
};

describe.each(Object.keys(SCAN_RULES) as ScanCode[])('rule %s', (rule) => {
  const cases = CASES.filter((one) => one.rule === rule);
  it('has a stream that breaks it at every trust where that is possible', () => {
    expect([...new Set(cases.map(({ place }) => trustOf(place)))].sort()).toEqual(OCCURS[rule]);
  });
  it.each(cases)('$place: $command breaks it, and its twin does not', (one) => {
    const result = judge(one.place, one.illegal, one.circumstances);
    expect(result).toMatchObject({
      ok: false,
      code: rule,
      rule: SCAN_RULES[rule],
      command: one.command,
      engine: 'RCS',
      dword: one.dword,
      batch: one.batch,
      gmadr: one.gmadr,
      register: one.register,
    });
    expect(result.message).toContain(`refused [${rule}]: `);
    expect(result.message.endsWith(`; rule: ${SCAN_RULES[rule]}.`)).toBe(true);
    const twin = judge(one.place, one.legal, { ...one.circumstances, ...one.otherwise });
    expect(twin).toMatchObject({ ok: true, code: '', rule: '', message: '', command: '', batch: -1, dword: -1 });
  });
});

describe('a survey of a batch', () => {
  const survey = true;
  /** How many commands of ours were walked, the end included, after the refusal of the first. */
  const walked = (place: Place, dwords: readonly number[], memory: Circumstances['memory'] = {}) => {
    const {
      ok,
      code,
      commands,
      dwords: passed,
    } = judge(place, [...dwords, CMD.MI_NOOP, CMD.MI_NOOP], { survey, memory });
    return { ok, code, commands, dwords: passed };
  };
  it('goes on after a refusal that leaves no doubt where the next command is', () => {
    const inner = { [PROCESS + 0x1000]: [END] };
    expect(walked('ppgtt', [CMD.MI_CLFLUSH | GLOBAL | len(4), 0, 0, 0])).toEqual({
      ok: false,
      code: 'refused-command',
      commands: 4,
      dwords: 7,
    });
    expect(walked('ppgtt', storeImm('ppgtt', LOW_START))).toMatchObject({ code: 'global-select', commands: 4 });
    expect(walked('ppgtt', flush(0x1000, INDEX | POST_SYNC))).toMatchObject({ code: 'index', commands: 4 });
    expect(walked('ppgtt', [CMD.MI_LOAD_REGISTER_IMM | len(3), 0x2680, 0])).toMatchObject({
      code: 'register-write',
      commands: 4,
    });
    expect(walked('ppgtt', [CMD.MI_SET_PREDICATE | 1])).toMatchObject({ code: 'predicate', commands: 4 });
    expect(walked('ppgtt', startBatch('ppgtt', PROCESS + 0x1000, PPGTT | SECOND | (1 << 16)), inner)).toMatchObject({
      code: 'batch-address',
      commands: 4,
    });
    expect(walked('haswell', storeImm('haswell', LOW_END))).toMatchObject({ code: 'address', commands: 4 });
  });
  it('reports the first refusal, and goes on to the next', () => {
    const both = [CMD.MI_SET_PREDICATE | 1, CMD.MI_CLFLUSH | GLOBAL | len(4), 0, 0, 0];
    expect(walked('ppgtt', both)).toMatchObject({ code: 'predicate', commands: 5 });
  });
  it('ends where nobody knows the next command', () => {
    expect(walked('ppgtt', [0xe0000000])).toEqual({ ok: false, code: 'unknown-command', commands: 0, dwords: 0 });
    expect(walked('ppgtt', [CMD.MI_NOOP, CMD.PIPE_CONTROL | len(3), 0, 0])).toEqual({
      ok: false,
      code: 'length',
      commands: 1,
      dwords: 1,
    });
    expect(walked('ppgtt', [CMD.XY_FAST_COPY_BLT])).toMatchObject({ code: 'unknown-command', commands: 0 });
  });
  it('ends where memory does, at the totals up to there', () => {
    const elsewhere = startBatch('ppgtt', PROCESS + 0x4000, PPGTT | SECOND);
    expect(walked('ppgtt', elsewhere)).toMatchObject({ code: 'batch-unmapped', commands: 0, dwords: 3 });
  });
  it('ends at the budget, at the totals up to there', () => {
    const inner = PROCESS + 0x8000;
    const memory = { [inner]: new Array<number>(2048).fill(END) };
    const starts = Array.from({ length: TRACE_BUDGET_JUMPS + 1 }, (_, i) =>
      startBatch('ppgtt', inner + 4 * i, SECOND | PPGTT),
    );
    // each of the jumps and the end it jumped to
    expect(walked('ppgtt', starts.flat(), memory)).toMatchObject({
      code: 'batch-budget',
      commands: 2 * TRACE_BUDGET_JUMPS,
      dwords: 4 * TRACE_BUDGET_JUMPS,
    });
  });
});

describe('an index into the status page', () => {
  it('has an upper half only where addresses have one', () => {
    expect(judge('ring', [CMD.MI_FLUSH_DW | INDEX | POST_SYNC | len(3), 0xff8, 1], { platform: HSW }).ok).toBe(true);
    expect(judge('ring', [CMD.MI_FLUSH_DW | INDEX | POST_SYNC | len(4), 0xff8, 1, 1]).code).toBe('index');
  });
});
