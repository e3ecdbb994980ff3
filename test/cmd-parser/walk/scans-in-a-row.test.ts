/** One scanner and one result for many scans: whatever the one before was, the next says the same as a first one. */
import { describe, expect, it } from 'vitest';
import {
  createScanResult,
  type ScanInput,
  Scanner,
  type ScanResult,
  type Segment,
} from '../../../src/cmd-parser/index.js';
import { CMD, ENGINES, RCS, RING } from '../../../src/hw/index.js';
import { BATCH, commandAccess, framesOf, HWSP, SKL } from '../harness.js';
import { PROCESS } from '../policy/judge.js';
import {
  END,
  FORBIDDEN,
  HOMES,
  type Home,
  JUNK,
  jump,
  len,
  NOOP,
  noops,
  PAGE,
  PREDICATED,
  RANGES,
  ring,
  run,
  SECOND,
  store,
} from './walker.js';

const { mmioBase } = ENGINES[RCS]!;
const PDP = mmioBase + RING.PDP0_LDW;
const loadRoot = [CMD.MI_LOAD_REGISTER_IMM | len(5), PDP + 4, 0, PDP, 0x1000];
const loadAsked = [CMD.MI_LOAD_REGISTER_IMM | len(3), mmioBase + RING.MODE, 1];

type Plain = Omit<ScanResult, 'segments'> & { segments: Segment[] };
const plain = ({ segments, ...rest }: ScanResult): Plain => ({
  ...rest,
  segments: [...segments].map((segment) => ({ ...segment })),
});

/** What a result is before anything was scanned into it. */
const NOTHING: Plain = {
  ok: false,
  code: '',
  rule: '',
  message: '',
  command: '',
  engine: '',
  batch: -1,
  dword: -1,
  gmadr: -1,
  register: -1,
  commands: 0,
  dwords: 0,
  unknown: 0,
  patches: 0,
  userInterrupts: 0,
  notifies: 0,
  unprivilegedBatches: 0,
  loop: false,
  batches: [],
  flips: [],
  segments: [],
};

/** Scans of one scanner. */
function onScanner() {
  const scanner = new Scanner(SKL, commandAccess());
  const common = { engine: RCS, ranges: RANGES, hwspPage: HWSP } as const;
  return {
    ring(dwords: readonly number[], out: ScanResult, more: Partial<ScanInput> = {}): ScanResult {
      const words = Uint32Array.from(dwords);
      const input: ScanInput = { ...common, trust: 'ring', words, start: 0, end: words.length, ggtt: framesOf({}) };
      scanner.scan({ ...input, ...more }, out);
      return out;
    },
    batch(trust: 'ring' | 'ppgtt', dwords: readonly number[], out: ScanResult): ScanResult {
      const address = trust === 'ring' ? BATCH : PROCESS;
      scanner.scanBatch({ ...common, trust, address, memory: framesOf({ [address]: dwords }) }, out);
      return out;
    },
  };
}

describe('a result', () => {
  it('says nothing before a scan', () => {
    expect(plain(createScanResult())).toEqual(NOTHING);
  });
  it('of many things is that of the next scan alone', () => {
    const scans = onScanner();
    const used = createScanResult();
    const flip = [CMD.MI_DISPLAY_FLIP | len(3), 0x40, RANGES.lowStart];
    const flush = [CMD.MI_FLUSH_DW | (1 << 14) | (1 << 21) | (1 << 8) | len(4), 0x100, 0, 0];
    const body = { [BATCH]: [...flush, CMD.MI_USER_INTERRUPT, ...jump('ppgtt', PROCESS, SECOND), END] };
    scans.ring([...flip, ...jump('privileged', BATCH), NOOP], used, { ggtt: framesOf(body) });
    expect(used).toMatchObject({ ok: true, notifies: 1, userInterrupts: 1, unprivilegedBatches: 1 });
    expect([used.patches > 0, used.flips.length, used.batches.length]).toEqual([true, 1, 1]);
    expect(plain(scans.ring([], used))).toEqual({ ...NOTHING, ok: true });

    scans.batch('ppgtt', [NOOP, ...jump('ppgtt', PROCESS), JUNK], used);
    expect(used).toMatchObject({ ok: true, loop: true, commands: 4 });
    expect(plain(scans.ring([], used))).toEqual({ ...NOTHING, ok: true });

    scans.batch('ppgtt', [NOOP, CMD.MI_LOAD_REGISTER_IMM | len(3), 0x2234, 0], used);
    expect(used).toMatchObject({ code: 'register-write', register: 0x2234, dword: 1 });
    expect(plain(scans.ring([], used))).toEqual({ ...NOTHING, ok: true });

    scans.ring([JUNK], used);
    expect(used).toMatchObject({ code: 'unknown-command', unknown: 1, engine: 'RCS', command: 'unknown' });
    expect(plain(scans.ring([], used))).toEqual({ ...NOTHING, ok: true });

    scans.batch('ring', [NOOP, ...jump('privileged', BATCH)], used);
    expect(used).toMatchObject({ code: 'batch-loop', batch: 0, gmadr: BATCH });
    expect(plain(scans.ring([], used))).toEqual({ ...NOTHING, ok: true });
  });
});

describe('pieces of a result', () => {
  it('are those of the last scan, however many there were before', () => {
    const scans = onScanner();
    const used = createScanResult();
    const call = jump('ppgtt', PROCESS + 24, SECOND);
    // what is called is the last dword of all
    const bodies = [[NOOP, END], [...call, NOOP, END, JUNK, END], noops(3).concat(END), [...call, ...call, END], [END]];
    for (const body of bodies) {
      const fresh = plain(scans.batch('ppgtt', body, createScanResult()));
      expect(fresh).toMatchObject({ ok: true });
      expect(plain(scans.batch('ppgtt', body, used))).toEqual(fresh);
    }
  });
});

describe('after a scan that was refused', () => {
  it.each(HOMES)('%s: in the middle of calls and predicates, the next one ends where it ends', (home: Home) => {
    const base = home === 'privileged' ? BATCH : PROCESS;
    const called = {
      [base]: [...jump(home, base + PAGE, PREDICATED), ...jump(home, base + 2 * PAGE, SECOND), END],
      [base + PAGE]: [NOOP, END],
      [base + 2 * PAGE]: [...FORBIDDEN, END],
    };
    const fine = { [base]: [NOOP, NOOP, END, ...noops(6), END] };
    const first = run(home, fine);
    expect(first).toMatchObject({ ok: true, commands: 3, dwords: 3 });
    expect(run(home, called).code).toBe('refused-command');
    const next = run(home, fine);
    expect(plain(next)).toMatchObject({ ok: true, commands: 3, dwords: 3, segments: [...first.segments] });
    // and with one way back that was left over
    const once = { [base]: [...jump(home, base + PAGE, SECOND), END], [base + PAGE]: [...FORBIDDEN] };
    expect(run(home, once).code).toBe('refused-command');
    expect(plain(run(home, fine))).toMatchObject({ ok: true, commands: 3, dwords: 3, segments: [...first.segments] });
    const predicated = { [base]: [...jump(home, base + PAGE, PREDICATED), ...FORBIDDEN], [base + PAGE]: [END] };
    expect(run(home, predicated).code).toBe('refused-command');
    expect(plain(run(home, fine))).toMatchObject({ ok: true, commands: 3, dwords: 3, segments: [...first.segments] });
  });
  it('what it stored is not what the next one finds', () => {
    expect(run('ppgtt', { [PROCESS]: [...store('ppgtt', PROCESS + 32, JUNK), ...FORBIDDEN] }).ok).toBe(false);
    expect(run('ppgtt', { [PROCESS]: [...noops(9), END] }).ok).toBe(true);
    expect(run('copied', { [PROCESS]: [...store('copied', PROCESS + 32, JUNK), ...FORBIDDEN] }).ok).toBe(false);
    expect(run('copied', { [PROCESS]: [...noops(9), END] }).ok).toBe(true);
    expect(run('privileged', { [BATCH]: [...store('privileged', BATCH + 32, JUNK), ...FORBIDDEN] }).ok).toBe(false);
    expect(run('privileged', { [BATCH]: [...noops(9), END] }).ok).toBe(true);
  });
  it('jumps that it took are new to the next one', () => {
    const call = jump('ppgtt', PROCESS + PAGE, SECOND);
    expect(run('ppgtt', { [PROCESS]: [...call, END], [PROCESS + PAGE]: [...FORBIDDEN] }).ok).toBe(false);
    const fine = run('ppgtt', { [PROCESS]: [...call, END], [PROCESS + PAGE]: [END] });
    expect(fine).toMatchObject({ ok: true, loop: false });
  });
  it('a survey is over: the next one stops where it is refused', () => {
    const hostile = [...FORBIDDEN, NOOP, END];
    expect(run('ppgtt', { [PROCESS]: hostile }, { survey: true })).toMatchObject({ ok: false, commands: 3 });
    expect(run('ppgtt', { [PROCESS]: hostile })).toMatchObject({ ok: false, commands: 0 });
    expect(run('ppgtt', { [PROCESS]: hostile }, { survey: true })).toMatchObject({ ok: false, commands: 3 });
    expect(ring('privileged', [...FORBIDDEN, NOOP], {})).toMatchObject({ ok: false, commands: 0 });
  });
});

describe('what one scan was given is not there for the next', () => {
  it('the owner of registers', () => {
    const scans = onScanner();
    const asked: number[] = [];
    const onRegisterWrite = (offset: number, value: number): number => {
      asked.push(offset);
      return value;
    };
    expect(scans.ring(loadAsked, createScanResult(), { onRegisterWrite }).ok).toBe(true);
    expect(scans.batch('ring', [...loadAsked, END], createScanResult())).toMatchObject({ code: 'register-write' });
    expect(asked).toEqual([mmioBase + RING.MODE]);
  });
  it('the shadow of a page-table root', () => {
    const scans = onScanner();
    const root = { lo: 7, hi: 8, translate: () => true };
    expect(scans.ring(loadRoot, createScanResult(), { root }).ok).toBe(true);
    expect(scans.batch('ring', [...loadRoot, END], createScanResult())).toMatchObject({ code: 'register-value' });
  });
  it("a process's memory", () => {
    const scans = onScanner();
    const perProcess = { trust: 'ppgtt', memory: framesOf({ [PROCESS]: [END] }), space: 1, copy: false } as const;
    const toProcess = jump('ppgtt', PROCESS);
    expect(scans.ring(toProcess, createScanResult(), { perProcess }).unprivilegedBatches).toBe(0);
    expect(scans.batch('ring', [...toProcess, END], createScanResult()).unprivilegedBatches).toBe(1);
  });
});
