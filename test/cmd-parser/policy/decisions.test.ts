/** What becomes of every command at every trust: the decisions themselves, and what each of them leaves to be run. */
import { describe, expect, it } from 'vitest';
import { type Decision, decisionOf, TRUSTS, type Trust, VerdictCache } from '../../../src/cmd-parser/index.js';
import { BCS, CMD, COMMANDS, type CommandRow, P } from '../../../src/hw/index.js';
import { BDW, HWSP, LOW_END, LOW_START, SKL } from '../harness.js';
import { HSW, judge, len, PLACES, type Place } from './judge.js';

const LETTERS: Readonly<Record<string, Decision>> = {
  '.': 'allow',
  a: 'audit',
  n: 'neutralise',
  d: 'defer',
  x: 'reject',
};

/** Ring, workaround buffer, process, Haswell. What is not listed is allowed everywhere. */
const DECISIONS: Readonly<Record<string, string>> = {
  MI_SET_PREDICATE: 'aaaa',
  MI_USER_INTERRUPT: 'dddd',
  MI_ARB_ON_OFF: 'a...',
  MI_WAIT_FOR_EVENT: 'nn.n',
  MI_BATCH_BUFFER_END: 'aaaa',
  MI_LOAD_SCAN_LINES_INCL: 'nn.n',
  MI_LOAD_SCAN_LINES_EXCL: 'nn.n',
  MI_DISPLAY_FLIP: 'nnxx',
  MI_SEMAPHORE_MBOX: 'xxxx',
  MI_SET_CONTEXT: 'xxxx',
  MI_SEMAPHORE_WAIT: 'aaaa',
  MI_FORCE_WAKEUP: 'xxxx',
  MI_STORE_DATA_IMM: 'aaaa',
  MI_STORE_DATA_INDEX: 'xxxx',
  MI_LOAD_REGISTER_IMM: 'aaaa',
  MI_UPDATE_GTT: 'xxxx',
  MI_STORE_REGISTER_MEM: 'aaaa',
  MI_FLUSH_DW: 'aaaa',
  MI_CLFLUSH: 'aaaa',
  MI_REPORT_PERF_COUNT: 'aaaa',
  MI_LOAD_REGISTER_MEM: 'aaaa',
  MI_LOAD_REGISTER_REG: 'aaaa',
  MI_RS_STORE_DATA_IMM: 'xx.x',
  MI_LOAD_URB_MEM: 'xx..',
  MI_STORE_URB_MEM: 'xx..',
  MI_COPY_MEM_MEM: 'aaaa',
  MI_ATOMIC: 'aaaa',
  MI_BATCH_BUFFER_START: 'axaa',
  MI_CONDITIONAL_BATCH_BUFFER_END: 'aaaa',
  PIPE_CONTROL: 'aaaa',
  '3DSTATE_VF_STATISTICS_780B': 'xxxx',
};

/** Rows of Haswell alone that are decided otherwise: what its drivers need in rings. */
const HASWELL_DECISIONS: Readonly<Record<string, string>> = {
  MI_SET_CONTEXT: 'axxx',
  MI_STORE_DATA_INDEX: 'axxx',
};
const decisionsOf = ({ name, platforms }: CommandRow): string =>
  (platforms === P.HSW ? HASWELL_DECISIONS[name] : undefined) ?? DECISIONS[name] ?? '....';

describe('the decision on a command', () => {
  it('is stated for each of them', () => {
    const names = new Set(COMMANDS.map(({ name }) => name));
    expect(Object.keys(DECISIONS).filter((name) => !names.has(name))).toEqual([]);
    expect(TRUSTS).toEqual(['ring', 'wa', 'ppgtt', 'haswell']);
  });
  it.each(TRUSTS.map((trust, i) => [trust, i] as const))('is what the policy says: %s', (trust, column) => {
    const wrong = COMMANDS.filter((row) => decisionOf(row, trust) !== LETTERS[decisionsOf(row)[column]!]).map(
      ({ name }) => name,
    );
    expect(wrong).toEqual([]);
  });
  it('on one that names no handler is that on a plain one', () => {
    const row: CommandRow = { ...COMMANDS[0]!, name: 'MADE_UP' };
    expect(TRUSTS.map((trust) => decisionOf(row, trust))).toEqual(['allow', 'allow', 'allow', 'allow']);
  });
});

const trustOf = (place: Place): Trust => (place === 'privileged' ? 'ring' : place === 'copied' ? 'ppgtt' : place);
const decided = (name: string, place: Place): Decision => LETTERS[DECISIONS[name]![TRUSTS.indexOf(trustOf(place))]!]!;

describe.each(PLACES)('in %s', (place) => {
  const narrow = place === 'haswell';
  it.each([
    ['MI_SEMAPHORE_MBOX', [0x0b000001, 0, 0]],
    ['MI_SET_CONTEXT', [CMD.MI_SET_CONTEXT, 0]],
    ['MI_STORE_DATA_INDEX', [CMD.MI_STORE_DATA_INDEX | 1, 0, 0]],
    ['MI_UPDATE_GTT', [CMD.MI_UPDATE_GTT | 1, 0, 0]],
    ['MI_RS_STORE_DATA_IMM', [CMD.MI_RS_STORE_DATA_IMM | 2, 0, 0, 0]],
    ['MI_LOAD_URB_MEM', narrow ? [CMD.MI_LOAD_URB_MEM | 1, 0, 0] : [CMD.MI_LOAD_URB_MEM | 2, 0, 0, 0]],
    ['MI_STORE_URB_MEM', narrow ? [CMD.MI_STORE_URB_MEM | 1, 0, 0] : [CMD.MI_STORE_URB_MEM | 2, 0, 0, 0]],
  ])('%s runs or does not, as decided', (command, dwords) => {
    const result = judge(place, dwords);
    if (decided(command, place) === 'allow') expect(result).toMatchObject({ ok: true, patches: 0 });
    else expect(result).toMatchObject({ ok: false, code: 'refused-command', command, engine: 'RCS' });
    expect(result.words).toEqual(dwords);
  });
  it('arbitration stays on where the device breaks work off, whatever a ring says', () => {
    const commands = [CMD.MI_ARB_ON_OFF, CMD.MI_ARB_CHECK, CMD.MI_ARB_ON_OFF | 1];
    for (const platform of narrow ? [HSW] : [SKL, BDW]) {
      const result = judge(place, commands, { platform });
      const kept = platform === SKL && trustOf(place) === 'ring';
      expect(result).toMatchObject({ ok: true, patches: kept ? 1 : 0 });
      expect(result.words).toEqual(kept ? [commands[2], commands[1], commands[2]] : commands);
    }
  });
  it.each([
    ['MI_WAIT_FOR_EVENT', [CMD.MI_WAIT_FOR_EVENT | 8]],
    ['MI_LOAD_SCAN_LINES_INCL', [CMD.MI_LOAD_SCAN_LINES_INCL, 0x00100020]],
    ['MI_LOAD_SCAN_LINES_EXCL', [CMD.MI_LOAD_SCAN_LINES_EXCL, 0x00100020]],
  ])('%s is taken out, and nothing around it', (command, dwords) => {
    const around = [CMD.MI_ARB_CHECK, ...dwords, CMD.MI_ARB_CHECK];
    for (const engine of [0, BCS] as const) {
      const result = judge(place, around, { engine });
      const out = decided(command, place) === 'neutralise';
      expect(result).toMatchObject({ ok: true, patches: out ? dwords.length : 0, flips: [] });
      expect(result.words).toEqual(out ? [CMD.MI_ARB_CHECK, ...dwords.map(() => 0), CMD.MI_ARB_CHECK] : around);
    }
  });
  it('MI_USER_INTERRUPT stays and is counted', () => {
    const result = judge(place, [CMD.MI_USER_INTERRUPT, CMD.MI_NOOP, CMD.MI_USER_INTERRUPT]);
    expect(result).toMatchObject({
      ok: true,
      patches: 0,
      userInterrupts: 2,
      commands: place === 'ring' || place === 'wa' ? 3 : place === 'privileged' ? 5 : 4,
    });
    expect(result.words).toEqual([CMD.MI_USER_INTERRUPT, 0, CMD.MI_USER_INTERRUPT]);
  });
  it('MI_DISPLAY_FLIP is carried out for a ring and refused from a process', () => {
    const flip = [CMD.MI_DISPLAY_FLIP | 1, 0x40, LOW_START];
    const result = judge(place, flip);
    if (decided('MI_DISPLAY_FLIP', place) === 'neutralise') {
      expect(result).toMatchObject({ ok: true, patches: 3 });
      expect(result.flips).toEqual([{ pipe: 0, plane: 0, surface: LOW_START, stride: 1, tiling: 0, async: false }]);
      expect(result.words).toEqual([0, 0, 0]);
    } else {
      expect(result).toMatchObject({ ok: false, code: 'refused-command', command: 'MI_DISPLAY_FLIP', flips: [] });
      expect(result.words).toEqual(flip);
    }
  });
  it('an index into the status page is rewritten wherever what is judged is what runs', () => {
    const before = [CMD.MI_FLUSH_DW | (1 << 21) | (1 << 14) | len(4), 0x40, 0, 7];
    const flush = judge(place, before);
    const kept = place === 'ppgtt';
    expect(flush).toMatchObject({ ok: true, patches: kept ? 0 : 2 });
    expect(flush.words).toEqual(kept ? before : [CMD.MI_FLUSH_DW | (1 << 14) | len(4), HWSP + 0x44, 0, 7]);
    const indexed = [CMD.PIPE_CONTROL | len(5), (1 << 21) | (1 << 14), 0x40, 0, 7];
    const pipe = judge(place, indexed);
    expect(pipe).toMatchObject({ ok: true, patches: kept ? 0 : 2 });
    expect(pipe.words).toEqual(kept ? indexed : [CMD.PIPE_CONTROL | len(5), (1 << 24) | (1 << 14), HWSP + 0x40, 0, 7]);
  });
  it('MI_CLFLUSH stays with the own memory of the process', () => {
    const own = [CMD.MI_CLFLUSH | len(3), 0, 0];
    expect(judge(place, own)).toMatchObject({ ok: true, patches: 0 });
    expect(judge(place, [CMD.MI_CLFLUSH | (1 << 22) | len(3), 0, 0])).toMatchObject({
      code: 'refused-command',
      command: 'MI_CLFLUSH',
    });
  });
});

describe('commands that reach memory, global or per process', () => {
  const GLOBAL = 1 << 22;
  type Form = readonly [name: string, bytes: number, step: number, narrow: boolean, make: Make];
  type Make = (address: number, global: boolean, narrow: boolean) => number[];
  const at = (address: number, narrow: boolean): number[] => (narrow ? [address] : [address, 0]);
  const selected = (global: boolean): number => (global ? GLOBAL : 0);
  const forms: readonly Form[] = [
    [
      'MI_STORE_DATA_IMM',
      4,
      4,
      true,
      (a, g, n) => [CMD.MI_STORE_DATA_IMM | selected(g) | 2, ...(n ? [0, a] : [a, 0]), 1],
    ],
    [
      'MI_STORE_REGISTER_MEM',
      4,
      4,
      true,
      (a, g, n) => [CMD.MI_STORE_REGISTER_MEM | selected(g) | (n ? 1 : 2), 0x2358, ...at(a, n)],
    ],
    [
      'MI_LOAD_REGISTER_MEM',
      4,
      4,
      true,
      (a, g, n) => [CMD.MI_LOAD_REGISTER_MEM | selected(g) | (n ? 1 : 2), 0x2600, ...at(a, n)],
    ],
    ['MI_FLUSH_DW', 8, 8, true, (a, g) => [CMD.MI_FLUSH_DW | (1 << 14) | 2, a | (g ? 4 : 0), 0, 1]],
    [
      'MI_REPORT_PERF_COUNT',
      256,
      64,
      true,
      (a, g, n) => [CMD.MI_REPORT_PERF_COUNT | (n ? 1 : 2), ...at(a | (g ? 1 : 0), n), 0],
    ],
    ['MI_COPY_MEM_MEM', 4, 4, false, (a, g) => [CMD.MI_COPY_MEM_MEM | (g ? 1 << 21 : 0) | 3, a, 0, 0x5000, 0]],
    ['MI_COPY_MEM_MEM', 4, 4, false, (a, g) => [CMD.MI_COPY_MEM_MEM | (g ? 1 << 22 : 0) | 3, 0x5000, 0, a, 0]],
    ['MI_ATOMIC', 4, 4, false, (a, g) => [CMD.MI_ATOMIC | selected(g) | 1, a, 0]],
    ['MI_ATOMIC', 8, 4, false, (a, g) => [CMD.MI_ATOMIC | selected(g) | (1 << 19) | 1, a, 0]],
    ['MI_ATOMIC', 16, 4, false, (a, g) => [CMD.MI_ATOMIC | selected(g) | (2 << 19) | 1, a, 0]],
    ['MI_SEMAPHORE_WAIT', 4, 4, false, (a, g) => [CMD.MI_SEMAPHORE_WAIT | selected(g) | 2, 0, a, 0]],
    ['PIPE_CONTROL', 8, 4, true, (a, g) => [CMD.PIPE_CONTROL | 3, (1 << 14) | (g ? 1 << 24 : 0), a, 0, 1]],
    [
      'MI_CONDITIONAL_BATCH_BUFFER_END',
      8,
      8,
      true,
      (a, g, n) => [CMD.MI_CONDITIONAL_BATCH_BUFFER_END | selected(g) | (n ? 1 : 2), 0, ...at(a, n)],
    ],
  ];
  const inBatches = forms.filter(([name]) => name === 'MI_CONDITIONAL_BATCH_BUFFER_END');
  const inRings = forms.filter(([name]) => name !== 'MI_CONDITIONAL_BATCH_BUFFER_END');

  for (const place of PLACES) {
    const narrow = place === 'haswell';
    const here = (place === 'ring' || place === 'wa' ? inRings : [...inRings, ...inBatches]).filter(
      ([, , , haswellToo]) => haswellToo || !narrow,
    );
    it.each(here)(
      `${place}: %s of %i bytes keeps within the own ranges, all of it`,
      (command, bytes, step, _, make) => {
        const where = (address: number, global = true) => judge(place, make(address >>> 0, global, narrow));
        expect(where(LOW_END, false)).toMatchObject({ ok: true, patches: 0 });
        if (place === 'ppgtt' || place === 'copied') {
          expect(where(LOW_START)).toMatchObject({ code: 'global-select', command, gmadr: LOW_START });
          return;
        }
        for (const good of [LOW_START, LOW_END - bytes]) expect(where(good)).toMatchObject({ ok: true, patches: 0 });
        for (const bad of [LOW_START - step, LOW_END - bytes + step, LOW_END]) {
          expect(where(bad)).toMatchObject({ code: 'address', command, gmadr: bad });
        }
      },
    );
  }
});

describe('own ranges up to the end of the address space', () => {
  const ranges = { lowStart: LOW_START, lowEnd: LOW_END, highStart: 0xf0000000, highEnd: 0x100000000 };
  it('hold what ends there, and nothing wraps around behind it', () => {
    const report = (gmadr: number) =>
      judge('ring', [CMD.MI_REPORT_PERF_COUNT | 2, (gmadr | 1) >>> 0, 0, 0], { ranges });
    for (const good of [0xf0000000, 0xffffff00]) expect(report(good)).toMatchObject({ ok: true });
    for (const bad of [0xefffffc0, 0xffffff40, 0xffffffc0]) {
      expect(report(bad)).toMatchObject({ code: 'address', gmadr: bad });
    }
  });
  it('hold surfaces, which are reported by their address', () => {
    const [flip] = judge('ring', [CMD.MI_DISPLAY_FLIP | 1, 0, 0xfffff001], { ranges }).flips;
    expect(flip).toMatchObject({ surface: 0xfffff000, async: true });
  });
  it('hold pages for registers', () => {
    const load = (page: number) => judge('ring', [CMD.MI_LOAD_REGISTER_IMM | 1, 0x4180, page], { ranges }).code;
    expect([load(0xfffff000), load(0xf0000fff), load(0xeffff000)]).toEqual(['', '', 'register-value']);
  });
});

describe('a page flip', () => {
  const flip = (bits: number, layout: number, target: number): number[] => [
    CMD.MI_DISPLAY_FLIP | bits | len(3),
    layout,
    target >>> 0,
  ];
  const planeOf = (bits: number, platform?: typeof BDW): unknown => {
    const result = judge('ring', flip(bits, 0, LOW_START), platform === undefined ? {} : { platform });
    const [shown] = result.flips;
    return result.ok ? [shown?.pipe, shown?.plane] : result.code;
  };
  const gen8 = [[0, 0], [1, 0], [0, 1], [1, 1], [2, 0], [2, 1], 'refused-command', 'refused-command'];
  it('names one of twelve planes on Gen9, in bits 12:8', () => {
    const named = Array.from({ length: 32 }, (_, i) => planeOf(i << 8));
    const more = [
      [0, 2],
      [1, 2],
      [2, 2],
      [0, 3],
      [1, 3],
      [2, 3],
    ];
    expect(named.slice(0, 12)).toEqual([...gen8.slice(0, 6), ...more]);
    expect(new Set(named.slice(12))).toEqual(new Set(['refused-command']));
    // bits around the field name nothing
    expect(planeOf((1 << 13) | (1 << 8))).toEqual([1, 0]);
    expect(planeOf(7 << 19)).toEqual([0, 0]);
  });
  it.each([
    ['Gen8', BDW],
    ['Haswell', HSW],
  ])('names one of six planes on %s, in bits 21:19', (_name, platform) => {
    expect(Array.from({ length: 8 }, (_, i) => planeOf(i << 19, platform))).toEqual(gen8);
    expect(planeOf((1 << 22) | (1 << 18) | (1 << 19), platform)).toEqual([1, 0]);
    expect(planeOf(1 << 8, platform)).toEqual([0, 0]);
  });
  it('says why it is refused where it names none', () => {
    expect(judge('ring', flip(12 << 8, 0, LOW_START)).message).toContain('it names no plane');
  });
  const shown = (layout: number, target: number, platform?: typeof BDW) =>
    judge('ring', flip(0, layout, target), platform === undefined ? {} : { platform }).flips[0];
  it('tells stride and tiling', () => {
    expect(shown(0x3ff << 6, LOW_START)).toMatchObject({ stride: 0x3ff, tiling: 0 });
    expect(shown(0xffff0000 | (1 << 6), LOW_START)).toMatchObject({ stride: 1, tiling: 0 });
    expect(shown(0x3f, LOW_START)).toMatchObject({ stride: 0, tiling: 7 });
    expect(shown(0x3f, LOW_START, BDW)).toMatchObject({ stride: 0, tiling: 1 });
    expect(shown(0x3e, LOW_START, BDW)).toMatchObject({ tiling: 0 });
  });
  it.each([
    [0, false],
    [1, true],
    [2, false],
    [3, false],
    [5, true],
  ])('of type %i is asynchronous: %s', (type, async) => {
    expect(shown(0, LOW_START | type)).toMatchObject({ surface: LOW_START, async });
  });
  it('shows own pages only, wherever they are', () => {
    const place = (surface: number) => judge('ring', flip(0, 0, surface));
    for (const good of [LOW_START, LOW_END - 0x1000, 0x20000000, 0x2ffff000]) {
      expect(place(good)).toMatchObject({ ok: true, flips: [{ surface: good }] });
      expect(place(good | 0xffc)).toMatchObject({ ok: true, flips: [{ surface: good }] });
    }
    for (const bad of [0, LOW_START - 0x1000, LOW_END, 0x1ffff000, 0x30000000, 0xfffff000]) {
      expect(place(bad)).toMatchObject({ code: 'address', gmadr: bad, patches: 0, flips: [] });
    }
    expect(place(0xfffff000).message).toContain('it shows 4096 bytes at GMADR 0xfffff000, outside the own ranges');
  });
  it('of four dwords is taken out whole', () => {
    const result = judge('ring', [CMD.MI_DISPLAY_FLIP | len(4), 0, LOW_START, LOW_END, CMD.MI_ARB_CHECK]);
    expect(result).toMatchObject({ ok: true, patches: 4 });
    expect(result.words).toEqual([0, 0, 0, 0, CMD.MI_ARB_CHECK]);
  });
});

describe('what a verdict did or asked is done and asked every time', () => {
  /** The same privileged batch three times: the third start could take a kept verdict. */
  const thrice = (dwords: readonly number[], more = {}) => {
    const cache = new VerdictCache();
    const results = [0, 1, 2].map(() => judge('privileged', dwords, { cache, ...more }));
    expect(results.map(({ ok }) => ok)).toEqual([true, true, true]);
    return { results, hits: cache.hits };
  };
  it('a batch that only stores has its verdict used again', () => {
    expect(thrice([CMD.MI_STORE_DATA_IMM | (1 << 22) | 2, LOW_START, 0, 1]).hits).toBe(1);
  });
  it('a flip is shown every time', () => {
    const { results, hits } = thrice([CMD.MI_DISPLAY_FLIP | len(3), 0, LOW_START]);
    expect(results.map(({ flips }) => flips.length)).toEqual([1, 1, 1]);
    expect(hits).toBe(0);
  });
  it('the owner of a register is asked every time', () => {
    const asked: number[] = [];
    const onRegisterWrite = (offset: number, value: number): number => {
      asked.push(offset);
      return value;
    };
    expect(thrice([CMD.MI_LOAD_REGISTER_IMM | 1, 0x229c, 1], { onRegisterWrite }).hits).toBe(0);
    expect(asked).toEqual([0x229c, 0x229c, 0x229c]);
  });
  it('a page-table root is translated every time', () => {
    let lo = 0x1000;
    const root = {
      lo: 0,
      hi: 0,
      translate(): boolean {
        this.lo = lo;
        lo += 0x1000;
        return true;
      },
    };
    const { results, hits } = thrice([CMD.MI_LOAD_REGISTER_IMM | len(5), 0x2270, 1, 0x2274, 2], { root });
    expect(results.map(({ words }) => words[2])).toEqual([0x1000, 0x2000, 0x3000]);
    expect(hits).toBe(0);
  });
  it('a redirected write is the same every time, and used again', () => {
    const { results, hits } = thrice([CMD.MI_LOAD_REGISTER_IMM | 1, 0x44050, 5]);
    expect(results.map(({ words }) => words)).toEqual([0, 1, 2].map(() => [CMD.MI_LOAD_REGISTER_IMM | 1, 0x78000, 5]));
    expect(hits).toBe(1);
  });
});
