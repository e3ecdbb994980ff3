/** Every command that can reach memory through the global GTT, in every form: the whole of what it touches is the guest's own. */
import { describe, expect, it } from 'vitest';
import type { AddressRanges } from '../../../src/cmd-parser/index.js';
import { CMD, type Platform } from '../../../src/hw/index.js';
import { BDW, HIGH_END, HIGH_START, HWSP, LOW_END, LOW_START, SKL } from '../harness.js';
import { HSW, judge, type Place } from '../policy/judge.js';
import { GLOBAL, len, noops, RANGES } from './walker.js';

interface Form {
  readonly name: string;
  /** Touched from the address on. */
  readonly bytes: number;
  /** The address has so many zeros at its end; what a command has there is something else. */
  readonly align: number;
  readonly build: (lo: number, hi: number) => number[];
  /** The same without the select of global memory. */
  readonly local: (lo: number) => number[];
  /** Has no place outside of a batch. */
  readonly batchOnly?: boolean;
}

type Header = readonly [bits: number, flags?: number];
const u32 = (value: number): number => value >>> 0;

/** Commands whose select is in their header: `bits` and so many dwords, the address at `at`. */
function inHeader(
  name: string,
  opcode: number,
  [bits, select = GLOBAL]: Header,
  dwords: number,
  at: number,
  bytes: number,
  { align = 4, wide = true, operand = 0, batchOnly = false, mark = 0 } = {},
): Form {
  const build = (header: number, lo: number, hi: number): number[] => {
    const words = [u32(header | opcode | bits | len(dwords)), ...noops(dwords - 1)];
    if (operand !== 0) words[1] = operand;
    words[at] = u32(lo + mark);
    if (wide) words[at + 1] = hi;
    return words;
  };
  return { name, bytes, align, batchOnly, build: (lo, hi) => build(select, lo, hi), local: (lo) => build(0, lo, 0) };
}

const QWORD = 1 << 21;
const flush = (name: string, dwords: number, operation: number): Form => {
  const build = (mark: number, lo: number, hi: number): number[] => [
    CMD.MI_FLUSH_DW | (operation << 14) | len(dwords),
    u32(lo + mark),
    ...(dwords === 3 ? [7] : [hi, ...noops(dwords - 3)]),
  ];
  return { name, bytes: 8, align: 8, build: (lo, hi) => build(4, lo, hi), local: (lo) => build(0, lo, 0) };
};
const pipe = (name: string, dwords: number, operation: number): Form => {
  const build = (select: number, lo: number, hi: number): number[] => [
    CMD.PIPE_CONTROL | len(dwords),
    (operation << 14) | select,
    lo,
    hi,
    ...noops(dwords - 4),
  ];
  return { name, bytes: 8, align: 4, build: (lo, hi) => build(1 << 24, lo, hi), local: (lo) => build(0, lo, 0) };
};
const report = (dwords: number): Form => {
  const build = (select: number, lo: number, hi: number): number[] => [
    CMD.MI_REPORT_PERF_COUNT | len(dwords),
    u32(lo + select),
    dwords === 3 ? 0 : hi,
    ...noops(dwords - 3),
  ];
  return {
    name: 'a report',
    bytes: 256,
    align: 64,
    build: (lo, hi) => build(1, lo, hi),
    local: (lo) => build(0, lo, 0),
  };
};

const storeData = CMD.MI_STORE_DATA_IMM;
const operations = [1, 2, 3];
/** Of Gen8 and Gen9. */
const FORMS: readonly Form[] = [
  inHeader('a stored dword', storeData, [0], 4, 1, 4),
  inHeader('two stored dwords', storeData, [0], 5, 1, 8),
  inHeader('seven stored dwords', storeData, [0], 10, 1, 28),
  inHeader('the most dwords that a store has', storeData, [0], 1025, 1, 1022 * 4),
  inHeader('a stored quadword', storeData, [QWORD], 5, 1, 8),
  inHeader('three stored quadwords', storeData, [QWORD], 9, 1, 24),
  inHeader('a dword stored by each core', storeData, [0], 4, 1, 8, { mark: 1 }),
  inHeader('three dwords stored by each core', storeData, [0], 6, 1, 16, { mark: 1 }),
  inHeader('a quadword stored by each core', storeData, [QWORD], 5, 1, 16, { mark: 1 }),
  ...operations.flatMap((operation) => [
    flush(`what a flush of 4 dwords writes, operation ${operation}`, 4, operation),
    flush(`what a flush of 5 dwords writes, operation ${operation}`, 5, operation),
    pipe(`what a PIPE_CONTROL of 5 dwords writes, operation ${operation}`, 5, operation),
    pipe(`what a PIPE_CONTROL of 6 dwords writes, operation ${operation}`, 6, operation),
  ]),
  inHeader('a dword that MI_ATOMIC modifies', CMD.MI_ATOMIC, [0], 3, 1, 4),
  inHeader('a quadword that MI_ATOMIC modifies', CMD.MI_ATOMIC, [1 << 19], 3, 1, 8),
  inHeader('an octword that MI_ATOMIC modifies', CMD.MI_ATOMIC, [2 << 19], 3, 1, 16),
  inHeader('a dword that MI_ATOMIC modifies by its own data', CMD.MI_ATOMIC, [1 << 18], 11, 1, 4),
  inHeader('a quadword that MI_ATOMIC modifies by its own data', CMD.MI_ATOMIC, [(1 << 18) | (1 << 19)], 11, 1, 8),
  inHeader('an octword that MI_ATOMIC modifies by its own data', CMD.MI_ATOMIC, [(1 << 18) | (2 << 19)], 11, 1, 16),
  inHeader('a dword that is copied to', CMD.MI_COPY_MEM_MEM, [0, 1 << 21], 5, 1, 4),
  inHeader('a dword that is copied from', CMD.MI_COPY_MEM_MEM, [0, 1 << 22], 5, 3, 4),
  inHeader('a semaphore that is polled', CMD.MI_SEMAPHORE_WAIT, [0], 4, 2, 4),
  inHeader('a register that is stored', CMD.MI_STORE_REGISTER_MEM, [0], 4, 2, 4, { operand: 0x2358 }),
  inHeader('a register that is loaded', CMD.MI_LOAD_REGISTER_MEM, [0], 4, 2, 4, { operand: 0x2600 }),
  inHeader('the condition of an end', CMD.MI_CONDITIONAL_BATCH_BUFFER_END, [0], 4, 2, 8, { align: 8, batchOnly: true }),
  report(4),
];
/** Of Haswell, whose addresses have 32 bits. */
const HSW_FORMS: readonly Form[] = [
  inHeader('a stored dword', storeData, [0], 4, 2, 4, { wide: false }),
  inHeader('two stored dwords', storeData, [0], 5, 2, 8, { wide: false }),
  inHeader('a stored quadword', storeData, [QWORD], 5, 2, 8, { wide: false }),
  inHeader('a dword stored by each core', storeData, [0], 4, 2, 8, { wide: false, mark: 1 }),
  ...operations.flatMap((operation) => [
    flush(`what a flush of 3 dwords writes, operation ${operation}`, 3, operation),
    flush(`what a flush of 4 dwords writes, operation ${operation}`, 4, operation),
    pipe(`what a PIPE_CONTROL of 4 dwords writes, operation ${operation}`, 4, operation),
    pipe(`what a PIPE_CONTROL of 5 dwords writes, operation ${operation}`, 5, operation),
  ]),
  inHeader('a register that is stored', CMD.MI_STORE_REGISTER_MEM, [0], 3, 2, 4, { wide: false, operand: 0x2358 }),
  inHeader('a register that is loaded', CMD.MI_LOAD_REGISTER_MEM, [0], 3, 2, 4, { wide: false, operand: 0x2600 }),
  inHeader('the condition of an end', CMD.MI_CONDITIONAL_BATCH_BUFFER_END, [0], 3, 2, 8, {
    align: 8,
    wide: false,
    batchOnly: true,
  }),
  report(3),
];

const SETUPS: readonly [string, Platform, Place, readonly Form[]][] = [
  ['SKL ring', SKL, 'ring', FORMS],
  ['SKL privileged batch', SKL, 'privileged', FORMS],
  ['SKL workaround buffer', SKL, 'wa', FORMS],
  ['BDW ring', BDW, 'ring', FORMS],
  ['HSW batch', HSW, 'haswell', HSW_FORMS],
  ['HSW ring', HSW, 'ring', HSW_FORMS],
];
/** Which of the forms can stand there at all. */
const standing = (place: Place, forms: readonly Form[]): readonly Form[] =>
  place === 'ring' || place === 'wa' ? forms.filter(({ batchOnly }) => batchOnly !== true) : forms;

const CASES = SETUPS.flatMap(([where, platform, place, forms]) =>
  standing(place, forms).map((form) => ({ where, platform, place, form, what: form.name })),
);

describe.each(CASES)('$where: $what', ({ platform, place, form }) => {
  const { bytes, align, build, local } = form;
  const at = (lo: number, hi = 0, ranges: AddressRanges = RANGES) =>
    judge(place, build(u32(lo), hi), { platform, ranges });
  const outside = { ok: false, code: 'address' };
  it('may be all of the own ranges', () => {
    for (const lo of [LOW_START, LOW_END - bytes, HIGH_START, HIGH_END - bytes]) {
      if (lo % align === 0) expect([lo, at(lo).ok]).toEqual([lo, true]);
    }
    // whatever it has in the bits below its address, or beyond
    const last = LOW_END - Math.ceil(bytes / align) * align;
    expect(at(last).ok).toBe(true);
    expect(at(last + align)).toMatchObject({ ...outside, gmadr: last + align });
  });
  it('is none of what lies around them, not by its first byte and not by its last', () => {
    for (const lo of [
      LOW_START - align,
      LOW_END - bytes + align,
      LOW_END,
      HIGH_START - align,
      HIGH_END,
      HIGH_END - bytes + align,
    ]) {
      const down = lo - (lo % align);
      expect(at(down)).toMatchObject({ ...outside, gmadr: down });
    }
    for (const lo of [0, HWSP, u32(-align), 0x8000_0000, u32(LOW_START + 0x8000_0000)]) {
      expect(at(lo)).toMatchObject({ ...outside, gmadr: lo });
    }
  });
  it('does not begin in one range and end beyond it, nor in the other', () => {
    if (bytes <= align) return;
    const half = LOW_END - align;
    expect(at(half)).toMatchObject(outside);
    // where both ranges meet, an access across is still none of either
    const touching = { lowStart: LOW_START, lowEnd: LOW_END, highStart: LOW_END, highEnd: HIGH_END };
    expect(at(half, 0, touching)).toMatchObject(outside);
    expect(at(LOW_END, 0, touching).ok).toBe(true);
  });
  it('may end with the address space and does not wrap', () => {
    const top = { ...RANGES, highStart: 0xf000_0000, highEnd: 0x1_0000_0000 };
    const last = 0x1_0000_0000 - Math.ceil(bytes / align) * align;
    expect(at(last, 0, top).ok).toBe(true);
    if (last + align < 0x1_0000_0000)
      expect(at(last + align, 0, top)).toMatchObject({ ...outside, gmadr: last + align });
    const all = { lowStart: 0, lowEnd: LOW_END, highStart: 0xf000_0000, highEnd: 0x1_0000_0000 };
    expect(at(0, 0, all).ok).toBe(true);
    if (bytes > align) expect(at(u32(-align), 0, all)).toMatchObject(outside);
  });
  it('is nowhere above 4 GiB', () => {
    if (platform === HSW) return;
    for (const hi of [1, 0x8000, 0xffff, 0x10000, 0xffff_ffff]) {
      expect(at(LOW_START, hi)).toMatchObject({ ...outside, gmadr: LOW_START + hi * 2 ** 32 });
    }
  });
  it('is nowhere where a guest has no ranges', () => {
    const none = { lowStart: 0, lowEnd: 0, highStart: 0, highEnd: 0 };
    expect(judge(place === 'privileged' ? 'ring' : place, build(0, 0), { platform, ranges: none }).ok).toBe(false);
  });
  it("is anybody's own affair in per-process memory", () => {
    for (const lo of [0, LOW_END, HIGH_END, u32(-4096)]) expect(judge(place, local(lo), { platform }).ok).toBe(true);
  });
});

describe.each(FORMS)('a process on Gen8 and later: $name', ({ build, local }) => {
  it.each(['ppgtt', 'copied'] as const)('%s: is not in global memory, own or not', (place) => {
    for (const lo of [LOW_START, HIGH_START, HWSP, 0]) {
      expect(judge(place, build(lo, 0))).toMatchObject({ code: 'global-select', gmadr: lo });
      expect(judge(place, local(lo)).ok).toBe(true);
    }
    expect(judge(place, build(LOW_START, 1))).toMatchObject({ code: 'global-select', gmadr: LOW_START + 2 ** 32 });
  });
});

describe('a copy from memory to memory', () => {
  const both = (to: number, from: number, toHi = 0, fromHi = 0) =>
    judge('ring', [CMD.MI_COPY_MEM_MEM | (3 << 21) | len(5), to, toHi, from, fromHi]);
  it('has both of its ends audited, each by its own select', () => {
    expect(both(LOW_START, HIGH_START).ok).toBe(true);
    expect(both(LOW_END, LOW_START)).toMatchObject({ code: 'address', gmadr: LOW_END });
    expect(both(LOW_START, LOW_END)).toMatchObject({ code: 'address', gmadr: LOW_END });
    expect(both(LOW_START, LOW_START, 1)).toMatchObject({ code: 'address', gmadr: LOW_START + 2 ** 32 });
    expect(both(LOW_START, LOW_START, 0, 1)).toMatchObject({ code: 'address', gmadr: LOW_START + 2 ** 32 });
    expect(both(LOW_START + 3, HIGH_END - 4 + 3).ok).toBe(true);
  });
});

describe('bits below an address', () => {
  it.each([
    ['MI_STORE_DATA_IMM', [u32(storeData | GLOBAL | len(4)), LOW_END - 4 + 2, 0, 0], 0],
    ['MI_ATOMIC', [CMD.MI_ATOMIC | GLOBAL | len(3), LOW_END - 4 + 3, 0], 0],
    ['MI_SEMAPHORE_WAIT', [u32(CMD.MI_SEMAPHORE_WAIT | GLOBAL | len(4)), 0, LOW_END - 4 + 3, 0], 0],
    ['MI_STORE_REGISTER_MEM', [u32(CMD.MI_STORE_REGISTER_MEM | GLOBAL | len(4)), 0x2358, LOW_END - 4 + 3, 0], 0],
    ['MI_LOAD_REGISTER_MEM', [u32(CMD.MI_LOAD_REGISTER_MEM | GLOBAL | len(4)), 0x2600, LOW_END - 4 + 3, 0], 0],
    ['MI_REPORT_PERF_COUNT', [CMD.MI_REPORT_PERF_COUNT | len(4), LOW_END - 256 + 63, 0, 0], 0],
    ['PIPE_CONTROL', [CMD.PIPE_CONTROL | len(6), (1 << 24) | (1 << 14), LOW_END - 8 + 3, 0, 0, 0], 0],
    ['MI_FLUSH_DW', [CMD.MI_FLUSH_DW | (1 << 14) | len(4), LOW_END - 8 + 7, 0, 0], 0],
    [
      'MI_CONDITIONAL_BATCH_BUFFER_END',
      [u32(CMD.MI_CONDITIONAL_BATCH_BUFFER_END | GLOBAL | len(4)), 0, LOW_END - 8 + 7, 0],
      1,
    ],
  ])('of %s are none of it', (_name, dwords, inBatch) => {
    expect(judge(inBatch === 1 ? 'privileged' : 'ring', dwords)).toMatchObject({ ok: true });
  });
});

describe('forms that have no sense', () => {
  const store = (bits: number, dwords: number) =>
    judge('ring', [u32(storeData | bits | len(dwords)), LOW_START, 0, ...noops(dwords - 3)]);
  it('a store without data, or with half a quadword', () => {
    expect(store(GLOBAL, 3)).toMatchObject({ code: 'length' });
    expect(store(0, 3)).toMatchObject({ code: 'length' });
    for (const dwords of [4, 6, 8]) {
      expect(store(GLOBAL | QWORD, dwords)).toMatchObject({ code: 'length' });
      expect(store(GLOBAL | QWORD, dwords + 1).ok).toBe(true);
      expect(store(GLOBAL, dwords).ok).toBe(true);
    }
    expect(judge('ring', [u32(storeData | QWORD | len(4)), 0, LOW_START, 0], { platform: HSW }).code).toBe('length');
  });
  it('an atomic operation whose length is that of the other form', () => {
    const atomic = (bits: number, dwords: number, place: Place = 'ring') =>
      judge(place, [CMD.MI_ATOMIC | bits | len(dwords), LOW_START, 0, ...noops(dwords - 3)]);
    for (const bits of [0, GLOBAL]) {
      expect(atomic(bits, 3).ok).toBe(true);
      expect(atomic(bits, 11)).toMatchObject({ code: 'length' });
      expect(atomic(bits | (1 << 18), 11).ok).toBe(true);
      expect(atomic(bits | (1 << 18), 3)).toMatchObject({ code: 'length' });
    }
    expect(atomic(GLOBAL | (3 << 19), 3)).toMatchObject({ code: 'address' });
    expect(atomic(3 << 19, 3).ok).toBe(true);
    // the opcode beside the size is none of it
    expect(atomic(GLOBAL | (0x7f << 8), 3).ok).toBe(true);
  });
  it('a flush that writes and has no room for the address', () => {
    const short = (bits: number) => judge('ring', [CMD.MI_FLUSH_DW | bits | len(2), LOW_START]);
    expect(short(0).ok).toBe(true);
    for (const operation of operations) expect(short(operation << 14)).toMatchObject({ code: 'length' });
  });
  it('a flush of global cache lines', () => {
    const lines = (bits: number, place: Place = 'ring') =>
      judge(place, [CMD.MI_CLFLUSH | bits | len(4), LOW_START, 0, 0]);
    for (const place of ['ring', 'privileged', 'wa', 'ppgtt', 'copied', 'haswell'] as const) {
      expect(lines(GLOBAL, place)).toMatchObject({ code: 'refused-command' });
      expect(lines(0, place).ok).toBe(true);
    }
  });
});

describe('an index into the status page', () => {
  const INDEX = 1 << 21;
  const page = 0x0765_4000;
  const flushed = (lo: number, place: Place, dwords = 4, hi = 0) =>
    judge(place, [CMD.MI_FLUSH_DW | INDEX | (1 << 14) | len(dwords), lo, hi, ...noops(dwords - 3)]);
  const piped = (lo: number, place: Place, hi = 0, dwords = 6) =>
    judge(place, [CMD.PIPE_CONTROL | len(dwords), INDEX | (1 << 14), lo, hi, ...noops(dwords - 4)]);
  it.each(['ring', 'privileged', 'wa', 'copied', 'haswell'] as const)(
    "%s: is rewritten to the guest's own page",
    (place) => {
      for (const dwords of place === 'haswell' ? [3, 4] : [4, 5]) {
        const result = judge(place, [CMD.MI_FLUSH_DW | INDEX | (1 << 14) | len(dwords), 0xff8, ...noops(dwords - 2)]);
        expect(result).toMatchObject({ ok: true, patches: 2 });
        expect(result.words.slice(0, 2)).toEqual([CMD.MI_FLUSH_DW | (1 << 14) | len(dwords), HWSP + 0xff8 + 4]);
      }
      const result = piped(0xff8, place, 0, 5);
      expect(result).toMatchObject({ ok: true, patches: 2 });
      expect(result.words.slice(1, 3)).toEqual([(1 << 24) | (1 << 14), HWSP + 0xff8]);
      expect(page).not.toBe(HWSP);
    },
  );
  it("in place is left alone: it is the process's own status page", () => {
    expect(flushed(0xff8, 'ppgtt')).toMatchObject({ ok: true, patches: 0 });
    expect(piped(0xff8, 'ppgtt')).toMatchObject({ ok: true, patches: 0 });
  });
  it.each(['ring', 'privileged', 'wa', 'ppgtt', 'copied'] as const)(
    '%s: stays within the page with all of its write',
    (place) => {
      expect(flushed(0xff8, place).ok).toBe(true);
      // bits below a quadword are not the offset's, among them the select
      expect(flushed(0xfff, place).ok).toBe(true);
      expect(flushed(0x1000, place)).toMatchObject({ code: 'index', gmadr: 0x1000 });
      expect(flushed(0x8000_0000, place)).toMatchObject({ code: 'index', gmadr: 0x8000_0000 });
      expect(flushed(0, place, 5, 1)).toMatchObject({ code: 'index', gmadr: 0 });
      expect(piped(0xff8, place).ok).toBe(true);
      expect(piped(0xffb, place).ok).toBe(true);
      expect(piped(0xffc, place)).toMatchObject({ code: 'index', gmadr: 0xffc });
      expect(piped(0x1000, place)).toMatchObject({ code: 'index' });
      expect(piped(0xffff_fffc, place)).toMatchObject({ code: 'index', gmadr: 0xffff_fffc });
      expect(piped(0, place, 1)).toMatchObject({ code: 'index' });
      expect(flushed(0x1000, place).message).toContain('status page offset 0x1000 is outside the page');
    },
  );
  it('counts for nothing without a post-sync operation', () => {
    expect(judge('ring', [CMD.MI_FLUSH_DW | INDEX | len(4), 0x1000, 0, 0])).toMatchObject({ ok: true, patches: 0 });
    expect(judge('ring', [CMD.PIPE_CONTROL | len(6), INDEX, 0x1000, 0, 0, 0])).toMatchObject({ ok: true, patches: 0 });
  });
});

describe('what is raised when a flush is done', () => {
  it('is counted, of flushes and of PIPE_CONTROL', () => {
    const dwords = [
      ...[CMD.MI_FLUSH_DW | (1 << 8) | len(4), 0, 0, 0],
      ...[CMD.PIPE_CONTROL | len(6), 1 << 8, 0, 0, 0, 0],
      ...[CMD.MI_FLUSH_DW | (1 << 8) | (1 << 14) | len(4), LOW_START | 4, 0, 0],
      ...[CMD.MI_FLUSH_DW | len(4), 0, 0, 0],
      ...[CMD.PIPE_CONTROL | len(6), 1 << 7, 0, 0, 0, 0],
    ];
    for (const place of ['ring', 'privileged', 'wa'] as const) {
      expect(judge(place, dwords)).toMatchObject({ ok: true, notifies: 3 });
    }
  });
});

describe('PIPE_CONTROL that writes a register when it is done', () => {
  const writes = (register: number, more = 0) =>
    judge('ring', [CMD.PIPE_CONTROL | len(6), (1 << 23) | more, register, 0, 0, 0]);
  it('writes one that is open to commands, whatever else it asks for', () => {
    expect(writes(0x2600).ok).toBe(true);
    expect(writes(0x2234)).toMatchObject({ code: 'register-write', register: 0x2234 });
    // bits around the register are none of it
    expect(writes(u32(0x2600 + 0xff80_0003)).ok).toBe(true);
    expect(writes(u32(0x2234 + 0xff80_0003))).toMatchObject({ code: 'register-write', register: 0x2234 });
    // with a post-sync write the address is both
    expect(writes(0x2600, 1 << 14).ok).toBe(true);
    expect(writes(0x2600, (1 << 14) | (1 << 24))).toMatchObject({ code: 'address', gmadr: 0x2600 });
  });
});
