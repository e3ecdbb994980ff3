/** Addresses at the ends of what 32 bits hold, and what a refusal says where there is no address to name. */
import { describe, expect, it } from 'vitest';
import { CMD, ENGINES, RCS, RING } from '../../../src/hw/index.js';
import { BATCH } from '../harness.js';
import { END, FORBIDDEN, jump, NOOP, PAGE, ring, run, SECOND } from '../walk/walker.js';
import { judge, len } from './judge.js';

const GLOBAL = 1 << 22;
const gpr = ENGINES[RCS]!.mmioBase + RING.GPR0;
/** Own ranges that begin with the first byte and end with the last one. */
const RANGES = { lowStart: 0, lowEnd: 0x1_0000, highStart: 0xf000_0000, highEnd: 0x1_0000_0000 };
const storeAt = (address: number): number[] => [CMD.MI_STORE_DATA_IMM | GLOBAL | len(4), address, 0, 1];

describe('own ranges at both ends of the global GTT', () => {
  it.each(['ring', 'wa'] as const)('%s: are own to the first and the last dword', (place) => {
    const code = (address: number): string => judge(place, storeAt(address), { ranges: RANGES }).code;
    expect([0, 0xfffc, 0xf000_0000, 0xffff_fffc].map(code)).toEqual(['', '', '', '']);
    expect([0x1_0000, 0xefff_fffc].map(code)).toEqual(['address', 'address']);
  });
  it('a batch begins with the last page, and none with the page behind it', () => {
    const last = 0x1_0000_0000 - PAGE;
    expect(run('privileged', { [last]: [NOOP, END] }, { address: last, ranges: RANGES }).ok).toBe(true);
    for (const address of [0x1_0000_0000, 0x1_0000_0004, 0x1_0000_1000]) {
      const memory = { [address]: [END], 0: [END, END] };
      expect(run('privileged', memory, { address, ranges: RANGES })).toMatchObject({
        code: 'batch-unmapped',
        gmadr: address,
      });
    }
    const above = last + PAGE;
    const over = { [last]: new Array<number>(1024).fill(NOOP), 0: [END], [above]: [END] };
    expect(run('privileged', over, { address: last, ranges: RANGES })).toMatchObject({ gmadr: above });
  });
  it.each([0, PAGE])('a batch within its last page is read to the end of that, %i bytes on', (more) => {
    const [start, end] = [BATCH + more, BATCH + more + PAGE];
    const ranges = { ...RANGES, lowStart: start, lowEnd: end };
    expect(run('privileged', { [start]: [NOOP, NOOP, NOOP, END] }, { address: start + 8, ranges }).ok).toBe(true);
    const over = { [start]: new Array<number>(1024).fill(NOOP), [end]: [END] };
    expect(run('privileged', over, { address: start + 8, ranges })).toMatchObject({
      gmadr: end,
      code: 'batch-unmapped',
    });
    expect(run('privileged', { [end]: [END] }, { address: end, ranges })).toMatchObject({ code: 'batch-unmapped' });
  });
  it('what lies above is named by all of its bits', () => {
    const store = (lo: number, hi: number) => judge('ring', [CMD.MI_STORE_DATA_IMM | GLOBAL | len(4), lo, hi, 1]);
    expect(store(0xffff_fff0, 0)).toMatchObject({ code: 'address', gmadr: 0xffff_fff0 });
    expect(store(0x8000_0000, 0xffff_ffff)).toMatchObject({
      code: 'address',
      gmadr: 0x8000_0000 + 0xffff_ffff * 2 ** 32,
    });
    expect(store(0, 1)).toMatchObject({ code: 'address', gmadr: 2 ** 32 });
  });
});

describe('a refusal that is about no address', () => {
  it('names none, and no register', () => {
    const none = { gmadr: -1, register: -1 };
    expect(judge('ring', [0xffffffff])).toMatchObject({ code: 'unknown-command', ...none });
    expect(judge('ring', [...FORBIDDEN])).toMatchObject({ code: 'refused-command', ...none });
    expect(judge('ring', [CMD.PIPE_CONTROL | len(3), 0, 0])).toMatchObject({ code: 'length', ...none });
    expect(ring('privileged', [NOOP], {}, { end: 2 })).toMatchObject({ code: 'truncated', ...none });
    expect(ring('privileged', [CMD.PIPE_CONTROL | len(6), 0], {})).toMatchObject({ code: 'truncated', ...none });
    expect(judge('ring', [END])).toMatchObject({ code: 'end-outside-batch', ...none });
  });
  it('names the register alone, or the address alone', () => {
    const closed = 0x2234;
    const load = [CMD.MI_LOAD_REGISTER_IMM | len(3), closed, 0];
    expect(judge('ring', load)).toMatchObject({ code: 'register-write', register: closed, gmadr: -1 });
    expect(judge('ring', [CMD.MI_LOAD_REGISTER_MEM | GLOBAL | len(4), gpr, 0x1000, 0])).toMatchObject({
      code: 'address',
      gmadr: 0x1000,
      register: -1,
    });
    const missing = run('ppgtt', {});
    expect(missing.register).toBe(-1);
    expect(ring('privileged', jump('privileged', BATCH), {})).toMatchObject({ gmadr: BATCH, register: -1 });
  });
});

describe('where a refusal is', () => {
  it('is said of second levels: in the ring, or in another of them', () => {
    const second = jump('privileged', BATCH, SECOND);
    expect(ring('privileged', second, {}).message).toContain('[batch-level]: it is in the ring;');
    const nested = { [BATCH]: [...jump('privileged', BATCH + PAGE, SECOND), END], [BATCH + PAGE]: second };
    const said = ring('privileged', jump('privileged', BATCH), nested).message;
    expect(said).toContain('[batch-level]: it is nested in a second-level batch;');
  });
  it('is said of rings, of workaround buffers and of batches', () => {
    const bad = [NOOP, ...FORBIDDEN];
    expect(ring('privileged', bad, {}).message).toMatch(/^RCS ring dword 1: MI_CLFLUSH/);
    expect(ring('privileged', bad, {}, { trust: 'wa' }).message).toMatch(/^RCS workaround buffer dword 1: MI_CLFLUSH/);
    const inBatch = ring('privileged', jump('privileged', BATCH), { [BATCH]: bad });
    expect(inBatch.message).toMatch(new RegExp(`^RCS batch 0x${BATCH.toString(16)} dword 1: MI_CLFLUSH`));
  });
});

describe('what a command would do beyond the own ranges', () => {
  const out = 0x1000;
  it.each([
    ['writes 4 bytes', storeAt(out)],
    ['writes 4 bytes', [CMD.MI_COPY_MEM_MEM | (1 << 21) | len(5), out, 0, 0, 0]],
    ['reads 4 bytes', [CMD.MI_COPY_MEM_MEM | (1 << 22) | len(5), 0, 0, out, 0]],
    ['modifies 8 bytes', [CMD.MI_ATOMIC | GLOBAL | (1 << 19) | len(3), out, 0]],
    ['polls 4 bytes', [CMD.MI_SEMAPHORE_WAIT | GLOBAL | len(4), 0, out, 0]],
    ['writes 256 bytes', [CMD.MI_REPORT_PERF_COUNT | len(4), out | 1, 0, 0]],
    ['writes 8 bytes', [CMD.MI_FLUSH_DW | (1 << 14) | len(4), out | 4, 0, 0]],
    ['writes 8 bytes', [CMD.PIPE_CONTROL | len(6), (1 << 14) | (1 << 24), out, 0, 0, 0]],
    ['writes 4 bytes', [CMD.MI_STORE_REGISTER_MEM | GLOBAL | len(4), gpr, out, 0]],
    ['reads 4 bytes', [CMD.MI_LOAD_REGISTER_MEM | GLOBAL | len(4), gpr, out, 0]],
    ['shows 4096 bytes', [CMD.MI_DISPLAY_FLIP | len(3), 0x40, out]],
  ])('is said: it %s', (does, dwords) => {
    expect(judge('ring', dwords).message).toContain(`[address]: it ${does} at GMADR 0x1000, outside the own ranges;`);
  });
  it('is said of a conditional end', () => {
    const end = [(CMD.MI_CONDITIONAL_BATCH_BUFFER_END | GLOBAL | len(4)) >>> 0, 0, out, 0];
    expect(judge('privileged', end).message).toContain('it reads 8 bytes at GMADR 0x1000,');
  });
});
