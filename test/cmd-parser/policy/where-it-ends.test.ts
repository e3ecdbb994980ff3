/** A refused command is the last that is looked at: what was passed before it is counted, it and what follows are not. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  BATCH_BUDGET_COUNT,
  BATCH_BUDGET_DWORDS,
  CMD_ACCESS,
  CMD_PATCH,
  createScanResult,
  Scanner,
  TRACE_BUDGET_JUMPS,
  TRACE_BUDGET_PAGES,
} from '../../../src/cmd-parser/index.js';
import { BCS, CMD, ENGINES, type EngineId, RCS, RING } from '../../../src/hw/index.js';
import { commandAccess, framesOf, HWSP, LOW_END, LOW_START, SKL } from '../harness.js';
import { RANGES } from '../walk/walker.js';
import { judge, len } from './judge.js';

const GLOBAL = 1 << 22;
const { mmioBase } = ENGINES[RCS]!;
const CLOSED = 0x2234;
const OPEN = mmioBase + RING.GPR0;
const PDP = mmioBase + RING.PDP0_LDW;
const POST_SYNC = 1 << 14;
const INDEX = 1 << 21;

/** Commands that a ring may not have, each for another reason. */
const HOSTILE: readonly (readonly [string, string, readonly number[], EngineId])[] = [
  ['an immediate store', 'address', [CMD.MI_STORE_DATA_IMM | GLOBAL | len(4), LOW_END, 0, 1], RCS],
  ['a quadword store of one dword', 'length', [CMD.MI_STORE_DATA_IMM | INDEX | len(4), LOW_START, 0, 1], RCS],
  ['a copy to memory', 'address', [CMD.MI_COPY_MEM_MEM | (1 << 21) | len(5), LOW_END, 0, 0, 0], RCS],
  ['a copy from memory', 'address', [CMD.MI_COPY_MEM_MEM | (1 << 22) | len(5), 0, 0, LOW_END, 0], RCS],
  ['an atomic', 'address', [CMD.MI_ATOMIC | GLOBAL | len(3), LOW_END, 0], RCS],
  ['an atomic of a reserved size', 'address', [CMD.MI_ATOMIC | GLOBAL | (3 << 19) | len(3), LOW_START, 0], RCS],
  ['a wait', 'address', [CMD.MI_SEMAPHORE_WAIT | GLOBAL | len(4), 0, LOW_END, 0], RCS],
  ['a report', 'address', [CMD.MI_REPORT_PERF_COUNT | len(4), LOW_END | 1, 0, 0], RCS],
  ['a flush of global memory', 'refused-command', [CMD.MI_CLFLUSH | GLOBAL | len(3), 0, 0], RCS],
  ['a flush that writes', 'address', [CMD.MI_FLUSH_DW | POST_SYNC | len(4), LOW_END | 4, 0, 0], RCS],
  ['a flush that writes by index', 'index', [CMD.MI_FLUSH_DW | POST_SYNC | INDEX | len(4), 0x1000, 0, 0], RCS],
  ['a pipe control that writes', 'address', [CMD.PIPE_CONTROL | len(6), (1 << 14) | (1 << 24), LOW_END, 0, 0, 0], RCS],
  ['a pipe control by index', 'index', [CMD.PIPE_CONTROL | len(6), (1 << 14) | (1 << 21), 0x1000, 0, 0, 0], RCS],
  [
    'a pipe control that loads a register',
    'register-write',
    [CMD.PIPE_CONTROL | len(6), (1 << 23) | (1 << 14), CLOSED, 0, 0, 0],
    RCS,
  ],
  ['a register that is closed', 'register-write', [CMD.MI_LOAD_REGISTER_IMM | len(5), CLOSED, 0, OPEN, 0], RCS],
  ['a register that is closed, second', 'register-write', [CMD.MI_LOAD_REGISTER_IMM | len(5), OPEN, 0, CLOSED, 0], RCS],
  ['a register that nobody owns', 'register-write', [CMD.MI_LOAD_REGISTER_IMM | len(3), mmioBase + RING.MODE, 0], RCS],
  ['half of a root', 'register-value', [CMD.MI_LOAD_REGISTER_IMM | len(5), PDP, 0, OPEN, 0], RCS],
  ['a root without a shadow', 'register-value', [CMD.MI_LOAD_REGISTER_IMM | len(5), PDP, 0, PDP + 4, 0], RCS],
  ['pairs of which one is half', 'length', [CMD.MI_LOAD_REGISTER_IMM | len(4), OPEN, 0, OPEN], RCS],
  ['a register from memory that is closed', 'register-write', [CMD.MI_LOAD_REGISTER_MEM | len(4), CLOSED, 0, 0], RCS],
  ['a register from memory', 'address', [CMD.MI_LOAD_REGISTER_MEM | GLOBAL | len(4), OPEN, LOW_END, 0], RCS],
  ['a register to memory that is closed', 'register-read', [CMD.MI_STORE_REGISTER_MEM | len(4), CLOSED, 0, 0], RCS],
  ['a register to memory', 'address', [CMD.MI_STORE_REGISTER_MEM | GLOBAL | len(4), OPEN, LOW_END, 0], RCS],
  ['a register from one that is closed', 'register-read', [CMD.MI_LOAD_REGISTER_REG | len(3), CLOSED, OPEN], RCS],
  ['a register to one that is closed', 'register-write', [CMD.MI_LOAD_REGISTER_REG | len(3), OPEN, CLOSED], RCS],
  ['a flip that shows', 'address', [CMD.MI_DISPLAY_FLIP | len(3), 0x40, LOW_END], RCS],
  ['a flip of no plane', 'refused-command', [CMD.MI_DISPLAY_FLIP | (31 << 8) | len(3), 0x40, LOW_START], RCS],
  ['an end', 'end-outside-batch', [CMD.MI_BATCH_BUFFER_END], RCS],
  ['a conditional end', 'end-outside-batch', [CMD.MI_CONDITIONAL_BATCH_BUFFER_END | len(4), 0, 0, 0], RCS],
  ['a second level', 'batch-level', [CMD.MI_BATCH_BUFFER_START | GLOBAL | len(3), LOW_START, 0], RCS],
  ['a batch at an offset', 'batch-address', [CMD.MI_BATCH_BUFFER_START | (1 << 16) | len(3), LOW_START, 0], RCS],
  ['a batch above', 'address', [CMD.MI_BATCH_BUFFER_START | len(3), LOW_START, 1], RCS],
  ['a page-table update', 'refused-command', [CMD.MI_UPDATE_GTT | len(4), 0, 0, 0], RCS],
  ['nothing known', 'unknown-command', [0xffffffff], RCS],
  ['a length that none has', 'length', [CMD.PIPE_CONTROL | len(3), 0, 0], RCS],
  ['a blit of a length that none has', 'length', [CMD.XY_FAST_COPY_BLT | len(9), ...new Array<number>(8).fill(0)], BCS],
];

describe('a ring with a command that is refused', () => {
  it.each(HOSTILE)('%s: %s, ends with what is before it', (_name, code, dwords, engine) => {
    const result = judge('ring', [CMD.MI_NOOP, CMD.MI_NOOP, ...dwords, CMD.MI_NOOP], { engine });
    expect(result).toMatchObject({ ok: false, code, commands: 2, dwords: 2, dword: 2, batch: -1 });
  });
});

describe('a length that is refused', () => {
  it.each([
    ['XY_FAST_COPY_BLT', CMD.XY_FAST_COPY_BLT | len(9), BCS, 9],
    ['XY_FAST_COPY_BLT', CMD.XY_FAST_COPY_BLT | len(11), BCS, 11],
    ['3DPRIMITIVE', CMD['3DPRIMITIVE'] | len(6), RCS, 6],
    ['3DPRIMITIVE', CMD['3DPRIMITIVE'] | len(8), RCS, 8],
    ['PIPE_CONTROL', CMD.PIPE_CONTROL | len(3), RCS, 3],
    ['MI_LOAD_REGISTER_IMM', CMD.MI_LOAD_REGISTER_IMM | len(4), RCS, 4],
  ] as const)('of %s is said', (command, header, engine, dwords) => {
    const result = judge('ring', [header, ...new Array<number>(40).fill(0)], { engine });
    expect(result).toMatchObject({ code: 'length', command, commands: 0, dwords: 0 });
    expect(result.message).toContain(`refused [length]: ${dwords} dwords; rule:`);
  });
  it('is refused of every command of one comparison, one too short and one too long', () => {
    const [wrong, right] = [6, 7];
    for (const place of ['ring', 'privileged', 'ppgtt', 'copied', 'haswell'] as const) {
      const body = new Array<number>(40).fill(0);
      expect(judge(place, [CMD['3DPRIMITIVE'] | len(right), ...body]).ok).toBe(true);
      expect(judge(place, [CMD['3DPRIMITIVE'] | len(wrong), ...body]).code).toBe('length');
    }
  });
});

describe('commands whose length is refused', () => {
  it.each(ENGINES.map(({ name, id }) => [name, id] as const))('%s: none of them is passed', (_name, engine) => {
    const scanner = new Scanner(SKL, commandAccess());
    const words = new Uint32Array(600);
    const common = { engine, trust: 'ring', words, start: 0, end: 600, ranges: RANGES, hwspPage: HWSP } as const;
    const out = createScanResult();
    const wrong: string[] = [];
    let tried = 0;
    for (const row of scanner.tableOf(engine).rows) {
      const { totals, width = 0, bias = 0 } = row?.length ?? {};
      if (row === undefined || totals === undefined) continue;
      const most = bias + 2 ** width - 1;
      for (const total of [totals[0]! - 1, totals.at(-1)! + 1, bias, most]) {
        if (totals.includes(total) || total < bias || total > most) continue;
        words.fill(0);
        words[0] = row.header + total - bias;
        scanner.scan({ ...common, ggtt: framesOf({}) }, out);
        tried++;
        if (out.ok || out.commands !== 0 || out.dwords !== 0) wrong.push(`${row.name} of ${total}: ${out.message}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(tried).toBeGreaterThan(20);
  });
});

describe('bits of the register table that the scanner does not know', () => {
  it.each([
    [0, false],
    [CMD_ACCESS, true],
    [CMD_PATCH, false],
    [0xff, false],
    [0xff & ~CMD_PATCH, true],
    [0xff & ~CMD_PATCH & ~CMD_ACCESS, false],
  ])('%i: open nothing and close nothing', (bits, open) => {
    const access = commandAccess();
    access[0x2580 / 4] = bits;
    access[0xc804 / 4] = bits;
    const scanner = new Scanner(SKL, access);
    const load = (engine: EngineId, register: number): boolean => {
      const words = Uint32Array.from([CMD.MI_LOAD_REGISTER_IMM | len(3), register, 0]);
      const common = { ranges: RANGES, hwspPage: HWSP, ggtt: framesOf({}) };
      const input = { engine, trust: 'ring', words, start: 0, end: 3, ...common } as const;
      return scanner.scan(input, createScanResult());
    };
    expect([load(RCS, 0x2580), load(RCS, 0xc804), load(BCS, 0xc804)]).toEqual([open, open, open]);
  });
});

describe('budgets', () => {
  it('are what the manual says', () => {
    const page = readFileSync(new URL('../../../docs/scanner.md', import.meta.url), 'utf8');
    const [, mebibytes, batches, pages, jumps] =
      /for one scan: (\d+) MiB and (\d+) batches of copies; (\d+) pages and (\d+) jumps in place/.exec(page)!;
    expect([mebibytes, batches, pages, jumps].map(Number)).toEqual([
      (BATCH_BUDGET_DWORDS * 4) / 2 ** 20,
      BATCH_BUDGET_COUNT,
      TRACE_BUDGET_PAGES,
      TRACE_BUDGET_JUMPS,
    ]);
  });
});
