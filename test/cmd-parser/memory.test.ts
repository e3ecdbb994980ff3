import { describe, expect, it } from 'vitest';
import { BCS, CMD, RCS, VCS, VECS } from '../../src/hw/index.js';
import { HIGH_END, HIGH_START, HWSP, LOW_END, LOW_START, scan } from './harness.js';

const GGTT = 1 << 22;
const len = (dwords: number): number => dwords - 2;
const sdi = (gmadr: number, data: number[] = [1], bits = 0): number[] => [
  CMD.MI_STORE_DATA_IMM | GGTT | bits | len(3 + data.length),
  gmadr,
  0,
  ...data,
];
const outside = { ok: false, code: 'address' };

describe('MI_STORE_DATA_IMM to the global GTT', () => {
  it('may write every dword of the own ranges and none beside them', () => {
    for (const good of [LOW_START, LOW_END - 4, HIGH_START, HIGH_END - 4]) expect(scan(sdi(good)).ok).toBe(true);
    for (const bad of [LOW_START - 4, LOW_END, HIGH_START - 4, HIGH_END, 0, 0xfffffffc]) {
      expect(scan(sdi(bad))).toMatchObject({ ...outside, gmadr: bad });
    }
  });
  it('is refused when only its last dword leaves the range', () => {
    expect(scan(sdi(LOW_END - 4, [1, 2])).code).toBe('address');
    expect(scan(sdi(LOW_END - 8, [1, 2])).ok).toBe(true);
    expect(scan(sdi(LOW_END - 4, [1, 2], 1 << 21)).code).toBe('address');
    expect(scan(sdi(LOW_END - 32, [1, 2, 3, 4, 5, 6, 7, 8])).ok).toBe(true);
    expect(scan(sdi(LOW_END - 28, [1, 2, 3, 4, 5, 6, 7, 8])).code).toBe('address');
  });
  it('is refused when the core number could push it out', () => {
    expect(scan(sdi(LOW_END - 4 + 1)).code).toBe('address');
    expect(scan(sdi(LOW_END - 8 + 1)).ok).toBe(true);
  });
  it('is refused above 4 GiB', () => {
    expect(scan([CMD.MI_STORE_DATA_IMM | GGTT | len(4), LOW_START, 1, 0])).toMatchObject({
      ...outside,
      gmadr: 0x100000000 + LOW_START,
    });
  });
  it('is refused with no data, or with half a quadword', () => {
    expect(scan([CMD.MI_STORE_DATA_IMM | GGTT | len(3), LOW_START, 0]).code).toBe('length');
    expect(scan(sdi(LOW_START, [1], 1 << 21)).code).toBe('length');
    expect(scan(sdi(LOW_START, [1, 2, 3], 1 << 21)).code).toBe('length');
  });
  it('goes anywhere in per-process memory', () => {
    expect(scan([CMD.MI_STORE_DATA_IMM | len(4), 0, 0x1234, 0]).ok).toBe(true);
  });
});

describe('MI_FLUSH_DW', () => {
  const flush = (dwords: number, lo: number, header: number, hi = 0): number[] => [
    CMD.MI_FLUSH_DW | header | len(dwords),
    lo,
    hi,
    ...new Array<number>(dwords - 3).fill(7),
  ];
  const POST = 1 << 14;
  it.each([4, 5])('of %i dwords has its whole post-sync write audited', (dwords) => {
    expect(scan(flush(dwords, (LOW_END - 8) | 4, POST)).ok).toBe(true);
    expect(scan(flush(dwords, LOW_END | 4, POST))).toMatchObject({ ...outside, gmadr: LOW_END });
    expect(scan(flush(dwords, (LOW_START - 8) | 4, POST))).toMatchObject(outside);
    expect(scan(flush(dwords, LOW_START | 4, POST, 1))).toMatchObject(outside);
  });
  it.each([4, 5])('of %i dwords with an index writes to the status page that it was given', (dwords) => {
    const result = scan(flush(dwords, 0xd0 | 4, POST | (1 << 21)));
    expect(result.ok).toBe(true);
    expect(result.words[0]).toBe(CMD.MI_FLUSH_DW | POST | len(dwords));
    expect(result.words[1]).toBe(HWSP + 0xd0 + 4);
    expect(result.words[2]).toBe(0);
  });
  it('with an index goes to the status page also when it does not select the global GTT', () => {
    expect(scan(flush(4, 0xd0, POST | (1 << 21))).words[1]).toBe(HWSP + 0xd0 + 4);
  });
  it('may not name the status page itself, which is not the own', () => {
    expect(scan(flush(4, (HWSP + 0xd0) | 4, POST)).code).toBe('address');
  });
  it('with an index beyond the page is refused', () => {
    expect(scan(flush(4, 0xff8 | 4, POST | (1 << 21))).ok).toBe(true);
    expect(scan(flush(4, 0x1000 | 4, POST | (1 << 21))).code).toBe('index');
    expect(scan(flush(4, 0xd0 | 4, POST | (1 << 21), 1)).code).toBe('index');
  });
  it('writes nothing without a post-sync operation', () => {
    expect(scan(flush(4, LOW_END | 4, 0)).ok).toBe(true);
  });
  it('audits the timestamp form like the others', () => {
    expect(scan(flush(4, LOW_END | 4, 3 << 14)).code).toBe('address');
  });
  it('of other lengths is refused', () => {
    for (const dwords of [3, 6]) expect(scan(flush(dwords, LOW_START | 4, POST)).code).toBe('length');
  });
  it('with notify enabled is counted', () => {
    expect(scan(flush(4, LOW_START | 4, POST | (1 << 8))).notifies).toBe(1);
  });
  it('is known to every engine', () => {
    for (const engine of [RCS, BCS, VCS, VECS] as const) expect(scan(flush(4, 4, 0), { engine }).ok).toBe(true);
  });
});

describe('PIPE_CONTROL', () => {
  const pipe = (flags: number, lo: number, hi = 0, dwords = 6): number[] => [
    CMD.PIPE_CONTROL | len(dwords),
    flags,
    lo,
    hi,
    ...new Array<number>(dwords - 4).fill(0),
  ];
  const GLOBAL = 1 << 24;
  it.each([
    ['immediate', 1],
    ['depth count', 2],
    ['timestamp', 3],
  ])('has the whole post-sync write of its %s audited', (_name, operation) => {
    expect(scan(pipe(GLOBAL | (operation << 14), LOW_END - 8)).ok).toBe(true);
    expect(scan(pipe(GLOBAL | (operation << 14), LOW_END - 4))).toMatchObject(outside);
    expect(scan(pipe(GLOBAL | (operation << 14), LOW_START - 4))).toMatchObject(outside);
    expect(scan(pipe(GLOBAL | (operation << 14), LOW_START, 1))).toMatchObject(outside);
  });
  it('one dword short is audited just the same', () => {
    expect(scan(pipe(GLOBAL | (1 << 14), LOW_START, 0, 5)).ok).toBe(true);
    expect(scan(pipe(GLOBAL | (1 << 14), LOW_END, 0, 5)).code).toBe('address');
  });
  it('of other lengths is refused', () => {
    expect(scan(pipe(0, 0, 0, 4)).code).toBe('length');
    expect(scan(pipe(0, 0, 0, 7)).code).toBe('length');
  });
  it('with an index writes to the status page that it was given', () => {
    const result = scan(pipe((1 << 21) | (1 << 14), 0x110));
    expect(result.ok).toBe(true);
    expect([...result.words.subarray(1, 4)]).toEqual([GLOBAL | (1 << 14), HWSP + 0x110, 0]);
    expect(scan(pipe((1 << 21) | (1 << 14), 0xffc)).code).toBe('index');
    expect(scan(pipe((1 << 21) | (1 << 14), 0x110, 1)).code).toBe('index');
  });
  it('may write a register that is open to commands, and no other', () => {
    expect(scan(pipe(1 << 23, 0xb118)).ok).toBe(true);
    expect(scan(pipe(1 << 23, 0x2030))).toMatchObject({ code: 'register-write', register: 0x2030 });
    expect(scan(pipe(1 << 23, 0x229c)).code).toBe('register-write');
  });
  it('with notify enabled is counted', () => {
    expect(scan(pipe(1 << 8, 0)).notifies).toBe(1);
  });
});

describe('other commands that reach memory', () => {
  it('MI_ATOMIC has its operand size audited, whatever its length', () => {
    const atomic = (gmadr: number, size: number, dwords: number, bits = 0): number[] => [
      CMD.MI_ATOMIC | GGTT | (size << 19) | bits | len(dwords),
      gmadr,
      0,
      ...new Array<number>(dwords - 3).fill(0),
    ];
    expect(scan(atomic(LOW_END - 4, 0, 3)).ok).toBe(true);
    expect(scan(atomic(LOW_END - 4, 1, 3)).code).toBe('address');
    expect(scan(atomic(LOW_END - 16, 2, 11, 1 << 18)).ok).toBe(true);
    expect(scan(atomic(LOW_END - 12, 2, 11, 1 << 18)).code).toBe('address');
    expect(scan(atomic(LOW_START, 3, 3)).code).toBe('address');
    expect(scan(atomic(LOW_START, 0, 11)).code).toBe('length');
    expect(scan(atomic(LOW_START, 0, 3, 1 << 18)).code).toBe('length');
    expect(scan(atomic(LOW_START, 0, 5)).code).toBe('length');
    expect(scan([CMD.MI_ATOMIC | len(3), LOW_END, 0]).ok).toBe(true);
  });
  it('MI_COPY_MEM_MEM has both of its addresses audited', () => {
    const copy = (bits: number, to: number, from: number): number[] => [
      CMD.MI_COPY_MEM_MEM | bits | len(5),
      to,
      0,
      from,
      0,
    ];
    const TO = 1 << 21;
    const FROM = 1 << 22;
    expect(scan(copy(TO | FROM, LOW_START, HIGH_START)).ok).toBe(true);
    expect(scan(copy(TO, LOW_END, LOW_START))).toMatchObject({ code: 'address', gmadr: LOW_END });
    expect(scan(copy(FROM, LOW_START, HIGH_END))).toMatchObject({ code: 'address', gmadr: HIGH_END });
    expect(scan(copy(TO, LOW_START, HIGH_END)).ok).toBe(true);
    expect(scan(copy(0, LOW_END, HIGH_END)).ok).toBe(true);
  });
  it('MI_SEMAPHORE_WAIT polls per-process memory or the own ranges', () => {
    const wait = (bits: number, gmadr: number): number[] => [CMD.MI_SEMAPHORE_WAIT | bits | len(4), 0, gmadr, 0];
    expect(scan(wait(0, LOW_END)).ok).toBe(true);
    expect(scan(wait(GGTT, LOW_END - 4)).ok).toBe(true);
    expect(scan(wait(GGTT, LOW_END)).code).toBe('address');
  });
  it('MI_SEMAPHORE_SIGNAL is a wake-up without an address and passes', () => {
    expect(scan([CMD.MI_SEMAPHORE_SIGNAL | len(2), 0]).ok).toBe(true);
  });
  it('MI_REPORT_PERF_COUNT has its whole report audited', () => {
    const report = (lo: number): number[] => [CMD.MI_REPORT_PERF_COUNT | len(4), lo, 0, 0];
    expect(scan(report((LOW_END - 256) | 1)).ok).toBe(true);
    expect(scan(report((LOW_END - 192) | 1)).code).toBe('address');
    expect(scan(report(LOW_END)).ok).toBe(true);
  });
  it('MI_CLFLUSH passes in per-process memory only', () => {
    expect(scan([CMD.MI_CLFLUSH | len(3), 0, 0]).ok).toBe(true);
    expect(scan([CMD.MI_CLFLUSH | GGTT | len(3), LOW_START, 0]).code).toBe('refused-command');
  });
  it('stores that cannot be audited are refused', () => {
    for (const dwords of [
      [CMD.MI_UPDATE_GTT | len(4), 0, 0, 0],
      [CMD.MI_STORE_DATA_INDEX | len(3), 0, 0],
      [CMD.MI_RS_STORE_DATA_IMM | len(4), 0, 0, 0],
      [CMD.MI_LOAD_URB_MEM | len(4), 0, 0, 0],
      [CMD.MI_STORE_URB_MEM | len(4), 0, 0, 0],
      [CMD.MI_SET_CONTEXT | len(2), 0],
    ]) {
      expect(scan(dwords)).toMatchObject({ ok: false, code: 'refused-command' });
    }
  });
  it('blits in the ring go to per-process memory and pass', () => {
    expect(scan([CMD.XY_COLOR_BLT | len(7), 0, 0, 0, 0, 0, 0], { engine: BCS }).ok).toBe(true);
    expect(scan([CMD.XY_FAST_COPY_BLT | len(10), ...new Array<number>(9).fill(0)], { engine: BCS }).ok).toBe(true);
  });
});
