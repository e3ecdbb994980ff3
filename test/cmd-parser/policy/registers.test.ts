/**
 * Which registers commands reach. What is open is stated here once more, by address, for a process's batches and for
 * privileged streams; every register of the window is compared, and at the edges of what is open every command that
 * reaches registers is tried.
 */
import { describe, expect, it } from 'vitest';
import type { Trust } from '../../../src/cmd-parser/index.js';
import {
  CMD_ACCESS,
  CMD_PATCH,
  compileRegisterPolicy,
  KIND,
  REG_KIND_SHIFT,
  REG_PATCH,
  REG_READ,
  REG_WRITE,
  WINDOW_DWORDS,
} from '../../../src/cmd-parser/register-policy.js';
import { UNPRIVILEGED_REGISTERS } from '../../../src/cmd-parser/unprivileged-registers.js';
import { BCS, CMD, type EngineId, type Platform, RCS, VCS, VCS2, VECS } from '../../../src/hw/index.js';
import { BDW, LOW_START, platformNamed, SKL } from '../harness.js';
import { HSW, judge, len, type Place } from './judge.js';

/** First and last register; r: read, w: read and written with any value, a number: bits that an immediate value may have. */
type Open = readonly [first: number, last: number, how: 'r' | 'w' | number];

/** What every command streamer of Gen8+ has for itself: noop id, batch state, time, predicate, general-purpose registers. */
const streamer = (base: number): Open[] => [
  [base + 0x94, base + 0x94, 'w'],
  [base + 0x110, base + 0x16c, 'r'],
  [base + 0x358, base + 0x35c, 'r'],
  [base + 0x3a8, base + 0x3a8, 'r'],
  [base + 0x400, base + 0x41c, 'w'],
  [base + 0x600, base + 0x67c, 'w'],
];
/** On Haswell it only tells. */
const haswellStreamer = (base: number): Open[] => [
  [base + 0x94, base + 0x94, 'r'],
  [base + 0x110, base + 0x16c, 'r'],
  [base + 0x358, base + 0x35c, 'r'],
  [base + 0x3a8, base + 0x3a8, 'r'],
];
const TIME: Open = [0x2358, 0x235c, 'r'];

const pipeline: Open[] = [
  [0x2420, 0x2420, 'w'], // 3DPRIM_END_OFFSET
  [0x2430, 0x2440, 'w'], // 3DPRIM_START_VERTEX, VERTEX_COUNT, INSTANCE_COUNT, START_INSTANCE, BASE_VERTEX
  [0x2500, 0x2508, 'w'], // GPGPU_DISPATCHDIMX, Y, Z
  [0x2290, 0x2294, 'w'], // GPGPU_THREADS_DISPATCHED
  [0x2300, 0x2354, 'w'], // HS, DS, IA, VS, GS, CL invocations and primitives; PS invocations and depth count
  [0x2298, 0x22fc, 'r'],
  [0x2800, 0x28fc, 'r'], // OA
  [0x5200, 0x521c, 'w'], // SO_NUM_PRIMS_WRITTEN0..3
  [0x5220, 0x523c, 'r'],
  [0x5240, 0x525c, 'w'], // SO_PRIM_STORAGE_NEEDED0..3
  [0x5260, 0x527c, 'r'],
  [0x5280, 0x528c, 'w'], // SO_WRITE_OFFSET0..3
  [0x5290, 0x52fc, 'r'],
  [0x9120, 0x913c, 'r'], // fuses
];
const gen8Modes: Open[] = [
  [0x20c0, 0x20c0, 'w'], // INSTPM
  [0x20d8, 0x20d8, 'w'], // CS_DEBUG_MODE2
  [0x2580, 0x2580, 'w'], // CS_CHICKEN1
  [0x7000, 0x7008, 'w'], // CACHE_MODE_0, CACHE_MODE_1, GT_MODE
  [0x7010, 0x7014, 'w'], // COMMON_SLICE_CHICKEN1 and 2
  [0x7034, 0x7034, 'w'], // L3CNTLREG
  [0x7300, 0x7304, 'w'], // HDC_CHICKEN0, COMMON_SLICE_CHICKEN3
];
const gen9Modes: Open[] = [
  [0x20ec, 0x20ec, 'w'], // CS_DEBUG_MODE1
  [0x2248, 0x2248, 'w'], // CTX_PREEMPT
  [0x4de0, 0x4df0, 'w'], // TRTT: tables and invalid tiles, not the switch behind them
  [0x731c, 0x731c, 'w'], // COMMON_SLICE_CHICKEN4
  [0xb118, 0xb118, 'w'], // L3SQCREG4
  [0xe180, 0xe18c, 'w'], // ROW_CHICKEN, SAMPLER_MODE
  [0xe194, 0xe194, 'w'], // HALF_SLICE_CHICKEN3
];
const haswellModes: Open[] = [
  [0x2400, 0x241c, 'w'], // predicate
  [0x2600, 0x267c, 'w'], // general purpose
  [0x7000, 0x7004, 'w'], // CACHE_MODE_0, CACHE_MODE_1
  [0xb010, 0xb010, 'w'], // L3SQCREG1
  [0xb020, 0xb024, 'w'], // L3CNTLREG2, L3CNTLREG3
  [0xb038, 0xb038, 1 << 27], // SCRATCH1: L3 atomics
  [0xe49c, 0xe49c, 0x00400040], // ROW_CHICKEN3: the same, with its mask bit
];
const hevc: Open[] = [
  [0xd000, 0xd3fc, 'r'], // HuC
  [0x1e900, 0x1ebfc, 'r'], // HCP
];
/** Where a video engine's streamer has no register of its own, its codec's results are. */
const codec = (base: number): Open[] => [
  [base + 0x420, base + 0x5fc, 'r'],
  [base + 0x680, base + 0xcbc, 'r'],
];
const enhancer = (base: number): Open[] => [
  [base + 0x420, base + 0x5fc, 'r'],
  [base + 0x680, base + 0x7fc, 'r'],
];

const PROCESS_OPEN: readonly (readonly [Platform, EngineId, string, number, readonly Open[]])[] = [
  [HSW, RCS, 'RCS', 0x2000, [...haswellStreamer(0x2000), ...pipeline, ...haswellModes]],
  [HSW, BCS, 'BCS', 0x22000, [TIME, ...haswellStreamer(0x22000)]],
  [HSW, VCS, 'VCS', 0x12000, [TIME, ...haswellStreamer(0x12000), [0x12400, 0x12cbc, 'r']]],
  [HSW, VECS, 'VECS', 0x1a000, [TIME, ...haswellStreamer(0x1a000), [0x1a400, 0x1a7fc, 'r']]],
  [BDW, RCS, 'RCS', 0x2000, [...streamer(0x2000), ...pipeline, ...gen8Modes]],
  [SKL, RCS, 'RCS', 0x2000, [...streamer(0x2000), ...pipeline, ...gen8Modes, ...gen9Modes]],
  [BDW, VCS, 'VCS', 0x12000, [TIME, ...streamer(0x12000), ...codec(0x12000)]],
  [BDW, VCS2, 'VCS2', 0x1c000, [TIME, ...streamer(0x1c000), ...codec(0x1c000)]],
  [SKL, VCS, 'VCS', 0x12000, [TIME, ...streamer(0x12000), ...codec(0x12000), ...hevc]],
  [SKL, VCS2, 'VCS2', 0x1c000, [TIME, ...streamer(0x1c000), ...codec(0x1c000), ...hevc]],
  ...[BDW, SKL].flatMap((platform) => [
    [platform, BCS, 'BCS', 0x22000, [TIME, ...streamer(0x22000), [0x22200, 0x22200, 'w']]] as const,
    [platform, VECS, 'VECS', 0x1a000, [TIME, ...streamer(0x1a000), ...enhancer(0x1a000)]] as const,
  ]),
];

const KINDS = Object.entries(KIND);
function textOf(bits: number): string {
  const kind = bits >>> REG_KIND_SHIFT;
  const letters = (bits & REG_READ ? 'r' : '') + (bits & REG_WRITE ? 'w' : '') + (bits & REG_PATCH ? 'p' : '');
  return kind === 0 ? letters : `${letters}${KINDS.find(([, value]) => value === kind)?.[0] ?? 'unknown kind'}`;
}

const lineOf = (first: number, last: number, how: string): string =>
  `${first.toString(16)}-${last.toString(16)} ${how}`;

/** Neighbours with the same access as one, to compare and to read. */
function listed(access: Uint8Array): string[] {
  const found: string[] = [];
  let from = 0;
  for (let dword = 1; dword <= access.length; dword++) {
    const bits = access[from]!;
    if (access[dword] === bits) continue;
    if (bits !== 0) found.push(lineOf(from * 4, dword * 4 - 4, textOf(bits)));
    from = dword;
  }
  return found;
}

function expected(opens: readonly Open[]): string[] {
  const lines = [...opens]
    .sort(([a], [b]) => a - b)
    .map(([first, last, how]) => lineOf(first, last, how === 'w' ? 'rw' : how === 'r' ? 'r' : 'VALUE'));
  return mergedWith(mergedWith(lines, 'r'), 'rw');
}

const NOTHING_OPEN = new Uint8Array(WINDOW_DWORDS);

describe.each(PROCESS_OPEN)("a process's batch on %j", (platform, engine, name, base, opens) => {
  const trust: Trust & Place = platform === HSW ? 'haswell' : 'ppgtt';
  it(`reaches these registers on ${platform.name} ${name} and no others`, () => {
    const { access, mustBeZero } = compileRegisterPolicy(platform, engine, trust, NOTHING_OPEN);
    expect(listed(access)).toEqual(expected(opens));
    expect(access).toHaveLength(WINDOW_DWORDS);
    for (const [first, , how] of opens) {
      expect(mustBeZero(first)).toBe(typeof how === 'number' ? ~how : 0);
    }
  });

  const wide = platform !== HSW;
  const codeOf = (...dwords: number[]): string => judge(trust, dwords, { platform, engine }).code;
  const lri = (register: number, value = 0): string => codeOf(CMD.MI_LOAD_REGISTER_IMM | len(3), register, value);
  const memory = (header: number, register: number): string =>
    wide ? codeOf(header | len(4), register, 0x1000, 0) : codeOf(header | len(3), register, 0x1000);
  const howOf = (register: number): Open[2] | undefined =>
    opens.find(([first, last]) => register >= first && register <= last)?.[2];
  const edges = [...new Set(opens.flatMap(([first, last]) => [first - 4, first, last, last + 4]))];
  const isRead = (register: number): boolean => ['r', 'w'].includes(String(howOf(register)));
  const isWritten = (register: number): boolean => howOf(register) === 'w';
  const gpr = base + 0x600;

  it(`is refused one register further on ${platform.name} ${name}, whichever command reaches for it`, () => {
    for (const register of edges) {
      const read = isRead(register) ? '' : 'register-read';
      const write = isWritten(register) ? '' : 'register-write';
      const got = {
        lri: lri(register, 0),
        lrm: memory(CMD.MI_LOAD_REGISTER_MEM, register),
        srm: memory(CMD.MI_STORE_REGISTER_MEM, register),
        lrrFrom: codeOf(CMD.MI_LOAD_REGISTER_REG | len(3), register, gpr),
        lrrTo: codeOf(CMD.MI_LOAD_REGISTER_REG | len(3), 0x2358, register),
      };
      expect({ register: register.toString(16), ...got }).toEqual({
        register: register.toString(16),
        lri: typeof howOf(register) === 'number' ? '' : write,
        lrm: write,
        srm: read,
        lrrFrom: read === '' && !isWritten(gpr) ? 'register-write' : read,
        lrrTo: write,
      });
    }
  });
  if (engine === RCS) {
    it(`of ${platform.name} writes no more by the post-sync operation of PIPE_CONTROL`, () => {
      for (const register of edges) {
        const code = codeOf(CMD.PIPE_CONTROL | len(5), 1 << 23, register, 0, 0);
        expect([register.toString(16), code]).toEqual([
          register.toString(16),
          isWritten(register) ? '' : 'register-write',
        ]);
      }
    });
  }
});

describe('a register with a guarded value on Haswell', () => {
  const lri = (register: number, value: number, bits = 0) =>
    judge('haswell', [CMD.MI_LOAD_REGISTER_IMM | bits | len(3), register, value]);
  it.each([
    ['SCRATCH1', 0xb038, [27]],
    ['ROW_CHICKEN3', 0xe49c, [6, 22]],
  ] as const)('%s takes each of its bits and none beside them', (_name, register, bits) => {
    for (let bit = 0; bit < 32; bit++) {
      const { code } = lri(register, (1 << bit) >>> 0);
      expect([bit, code]).toEqual([bit, (bits as readonly number[]).includes(bit) ? '' : 'register-value']);
    }
    expect(lri(register, 0).ok).toBe(true);
    expect(lri(register, 0xffffffff)).toMatchObject({ code: 'register-value', register });
  });
  it('says which bits are too many', () => {
    expect(lri(0xb038, 0x88000001).message).toContain('register 0xb038 would have bits 0x80000001 set');
  });
  it('is not written in part', () => {
    for (const bits of [0x100, 0x200, 0x400, 0x800]) {
      expect(lri(0xb038, 0, bits)).toMatchObject({ code: 'register-value', register: 0xb038 });
      expect(lri(0xb010, 0, bits).ok).toBe(true);
    }
  });
  it('is judged with others of the same command, each by its own bits', () => {
    const both = (first: number, second: number): string =>
      judge('haswell', [CMD.MI_LOAD_REGISTER_IMM | len(5), 0xb038, first, 0xe49c, second]).code;
    expect(both(1 << 27, 0x00400040)).toBe('');
    expect(both(1 << 27, 1 << 27)).toBe('register-value');
    expect(both(0x00400040, 0)).toBe('register-value');
  });
});

/** By its name, where the render engine has it. */
const NAMED: Readonly<Record<string, number>> = {
  NOPID: 0x2094,
  INSTPM: 0x20c0,
  CS_DEBUG_MODE2: 0x20d8,
  CS_DEBUG_MODE1: 0x20ec,
  BCS_SWCTRL: 0x2200,
  CTX_PREEMPT: 0x2248,
  GPGPU_THREADS_DISPATCHED: 0x2290,
  TIMESTAMP: 0x2358,
  RCS_TIMESTAMP: 0x2358,
  CTX_TIMESTAMP: 0x23a8,
  'MI_PREDICATE_SRC0..RESULT_1': 0x2400,
  '3DPRIM_END_OFFSET': 0x2420,
  '3DPRIM_START_VERTEX..BASE_VERTEX': 0x2430,
  GPGPU_DISPATCHDIM: 0x2500,
  CS_CHICKEN1: 0x2580,
  CS_GPR: 0x2600,
  SO_NUM_PRIMS_WRITTEN: 0x5200,
  SO_PRIM_STORAGE_NEEDED: 0x5240,
  SO_WRITE_OFFSET: 0x5280,
  COMMON_SLICE_CHICKEN1: 0x7010,
  L3CNTLREG: 0x7034,
  HDC_CHICKEN0: 0x7300,
  COMMON_SLICE_CHICKEN4: 0x731c,
  L3SQCREG1: 0xb010,
  SCRATCH1: 0xb038,
  L3SQCREG4: 0xb118,
  HALF_SLICE_CHICKEN: 0xe194,
  ROW_CHICKEN3: 0xe49c,
};

describe('the rows of what processes reach', () => {
  it('are whole registers', () => {
    for (const { name, offset, bytes } of UNPRIVILEGED_REGISTERS) {
      expect([name, offset % 4, bytes % 4]).toEqual([name, 0, 0]);
      expect(bytes).toBeGreaterThan(0);
    }
  });
  it('are found where their place says, and read or written', () => {
    for (const { name, at, access } of UNPRIVILEGED_REGISTERS) {
      expect([name, ['engine', 'shared'].includes(at), ['read', 'write'].includes(access)]).toEqual([name, true, true]);
    }
  });
  it('have the names that public register lists give them', () => {
    const offsets = new Map<string, Set<number>>();
    for (const { name, at, offset } of UNPRIVILEGED_REGISTERS) {
      const here = offsets.get(name) ?? new Set();
      offsets.set(name, here.add(at === 'engine' ? 0x2000 + offset : offset));
    }
    for (const [name, offset] of Object.entries(NAMED)) {
      expect([name, [...(offsets.get(name) ?? [])]]).toEqual([name, [offset]]);
    }
    const oneWord = [...offsets.keys()].filter((name) => /^[\w.]+$/.test(name));
    expect(oneWord.filter((name) => NAMED[name] === undefined)).toEqual([]);
  });
  it('open what several of them say only as far as they agree: a write opens reading too', () => {
    expect(judge('ppgtt', [CMD.MI_STORE_REGISTER_MEM | len(4), 0x2290, 0, 0]).ok).toBe(true);
    expect(judge('ppgtt', [CMD.MI_LOAD_REGISTER_IMM | len(3), 0x2290, 0]).ok).toBe(true);
  });
});

describe('a privileged stream', () => {
  const allOpen = new Uint8Array(WINDOW_DWORDS).fill(CMD_ACCESS);
  const allGuarded = new Uint8Array(WINDOW_DWORDS).fill(CMD_PATCH);
  const policy = (platform: Platform, engine: EngineId, open: Uint8Array, trust: Trust = 'ring'): string[] => {
    const { access } = compileRegisterPolicy(platform, engine, trust, open);
    return listed(access);
  };
  /** The own streamer in a window where everything else is plain: what deviates, from the first register on. */
  const streamerOf = (base: number, plain: string): string[] => {
    const at = (offset: number): string => (base + offset).toString(16);
    return [
      `${at(0x84)}-${at(0x130)} ${plain}`, // behind the status page address
      `${at(0x138)}-${at(0x26c)} ${plain}`, // behind UHPTR
      `${at(0x270)}-${at(0x28c)} ROOT`,
      `${at(0x290)}-${at(0x354)} ${plain}`,
      `${at(0x358)}-${at(0x35c)} r`,
      `${at(0x360)}-${at(0x3a4)} ${plain}`,
      `${at(0x3a8)}-${at(0x3a8)} r`,
      `${at(0x3ac)}-${at(0x5fc)} ${plain}`,
      `${at(0x600)}-${at(0x67c)} rw`,
      `${at(0x680)}-${at(0xffc)} ${plain}`,
    ];
  };
  const forcewakeGen9 = ['a270-a270 DISCARD', 'a278-a278 DISCARD'];
  const others = [
    ['BCS', BCS, 0x22000],
    ['VCS', VCS, 0x12000],
    ['VECS', VECS, 0x1a000],
    ['VCS2', VCS2, 0x1c000],
  ] as const;
  const platforms: readonly (readonly [string, Platform, readonly string[]])[] = [
    ['SKL', SKL, forcewakeGen9],
    ['BXT', platformNamed('BXT'), forcewakeGen9],
    ['BDW', BDW, []],
    ['HSW', HSW, []],
  ];
  const blocks = platforms.flatMap(([on, platform, forcewake]) =>
    others.map(([name, engine, base]) => [`${on} ${name}`, platform, forcewake, engine, base] as const),
  );
  it.each(blocks)('of %s reaches the own block of its engine only', (_name, on, forcewake, engine, base) => {
    const own = [lineOf(base, base + 0x7c, 'rw'), ...streamerOf(base, 'rw')];
    expect(policy(on, engine, allOpen)).toEqual([
      'a188-a188 DISCARD',
      ...forcewake,
      'c800-cffc rw',
      ...mergedWith(own, 'rw'),
      '44050-44050 DISCARD',
      '78000-78000 DISCARD',
    ]);
  });
  it('asks the owner of a guarded register, in the memory object control tables too', () => {
    expect(policy(SKL, BCS, allGuarded)).toEqual([
      'a188-a188 DISCARD',
      ...forcewakeGen9,
      'c800-cffc rp',
      '22000-2207c rp',
      ...streamerOf(0x22000, 'rp'),
      '44050-44050 DISCARD',
      '78000-78000 DISCARD',
    ]);
  });
  it('of any engine reaches the memory object control tables as far as the vGPU opens them', () => {
    const some = new Uint8Array(WINDOW_DWORDS);
    for (const register of [0xc7fc, 0xc800, 0xc808, 0xcffc, 0xd000]) some[register / 4] = CMD_ACCESS;
    some[0xc810 / 4] = CMD_PATCH;
    some[0xc818 / 4] = CMD_ACCESS | CMD_PATCH;
    some[0xc820 / 4] = 0x80;
    const own = [
      '22270-2228c ROOT',
      '22358-2235c r',
      '223a8-223a8 r',
      '22600-2267c rw',
      '44050-44050 DISCARD',
      '78000-78000 DISCARD',
    ];
    expect(policy(BDW, BCS, some)).toEqual([
      'a188-a188 DISCARD',
      'c800-c800 rw',
      'c808-c808 rw',
      'c810-c810 rp',
      'c818-c818 rp',
      'cffc-cffc rw',
      ...own,
    ]);
  });
  it('has nothing but its own rules where the vGPU opens nothing', () => {
    expect(policy(BDW, BCS, NOTHING_OPEN)).toEqual([
      'a188-a188 DISCARD',
      '22270-2228c ROOT',
      '22358-2235c r',
      '223a8-223a8 r',
      '22600-2267c rw',
      '44050-44050 DISCARD',
      '78000-78000 DISCARD',
    ]);
    expect(policy(SKL, RCS, NOTHING_OPEN)).toEqual([
      'd00-d2c DISCARD',
      '20c8-20cc DISCARD',
      '2148-2148 rGMADR_PAGE',
      '2270-228c ROOT',
      '2358-235c r',
      '2360-2360 DISCARD',
      '23a8-23a8 r',
      '241c-241c rw',
      '2600-267c rw',
      '2710-27ac DISCARD',
      '4180-4180 GMADR_PAGE',
      '4280-4280 GMADR_PAGE',
      '4380-4380 GMADR_PAGE',
      '4df4-4df4 rTRTT_ENABLE',
      '91b8-91cc DISCARD',
      '9800-9888 DISCARD',
      'a188-a188 DISCARD',
      'a270-a270 DISCARD',
      'a278-a278 DISCARD',
      'e458-e45c DISCARD',
      'e558-e55c DISCARD',
      'e658-e65c DISCARD',
      'e758-e758 DISCARD',
      '44050-44050 DISCARD',
      '78000-78000 DISCARD',
    ]);
  });
  it('is judged by nothing but the bits for commands of the vGPU’s table', () => {
    const otherBits = new Uint8Array(WINDOW_DWORDS).fill(0xff & ~(CMD_ACCESS | CMD_PATCH));
    for (const engine of [RCS, BCS] as const) {
      expect(policy(SKL, engine, otherBits)).toEqual(policy(SKL, engine, NOTHING_OPEN));
    }
  });
  const asleep = (on: Platform, offset: number): string[] =>
    on === HSW ? [`${offset.toString(16)}-${offset.toString(16)} rDISCARD`] : [];
  const renderOpen = (plain: string, gen9: boolean, on: Platform): string[] => [
    `0-207c ${plain}`,
    `2084-2130 ${plain}`,
    `2138-2144 ${plain}`,
    '2148-2148 rGMADR_PAGE',
    `214c-217c ${plain}`,
    `2184-226c ${plain}`,
    '2270-228c ROOT',
    `2290-2354 ${plain}`,
    '2358-235c r',
    `2360-23a4 ${plain}`,
    '23a8-23a8 r',
    `23ac-25fc ${plain}`,
    '2600-267c rw',
    `2680-417c ${plain}`,
    '4180-4180 GMADR_PAGE',
    `4184-427c ${plain}`,
    '4280-4280 GMADR_PAGE',
    `4284-437c ${plain}`,
    '4380-4380 GMADR_PAGE',
    ...(gen9 ? [`4384-4df0 ${plain}`, '4df4-4df4 rTRTT_ENABLE', `4df8-a184 ${plain}`] : [`4384-a184 ${plain}`]),
    'a188-a188 DISCARD',
    ...(gen9
      ? [`a18c-a26c ${plain}`, 'a270-a270 DISCARD', `a274-a274 ${plain}`, 'a278-a278 DISCARD', `a27c-11ffc ${plain}`]
      : [`a18c-11ffc ${plain}`]),
    // between the blocks of the other engines
    ...asleep(on, 0x12050),
    `13000-19ffc ${plain}`,
    ...asleep(on, 0x1a050),
    `1b000-1bffc ${plain}`,
    ...asleep(on, 0x1c050),
    `1d000-21ffc ${plain}`,
    ...asleep(on, 0x22050),
    `23000-4404c ${plain}`,
    '44050-44050 DISCARD',
    `44054-77ffc ${plain}`,
    '78000-78000 DISCARD',
    `78004-1ffffc ${plain}`,
  ];
  it.each([
    ['SKL', SKL, true],
    ['BDW', BDW, false],
    ['HSW', HSW, false],
  ] as const)('of the render engine reaches all but other engines’ blocks (%s)', (_name, on, gen9) => {
    expect(policy(on, RCS, allGuarded)).toEqual(renderOpen('rp', gen9, on));
    expect(policy(on, RCS, allOpen)).toEqual(mergedWith(renderOpen('rw', gen9, on), 'rw'));
  });
  it('of Haswell’s render engine writes what processes may, as the kernel driver has their batches executed as its own', () => {
    const lines = policy(HSW, RCS, NOTHING_OPEN);
    for (const line of ['7000-7004 rw', 'b010-b010 rw', 'b020-b024 rw', '5280-528c rw']) expect(lines).toContain(line);
    // What other engines' streams have of it, they have as before.
    expect(policy(HSW, BCS, NOTHING_OPEN).join(' ')).not.toContain('b010');
    expect(policy(BDW, RCS, NOTHING_OPEN)).not.toContain('7000-7004 rw');
  });
  it('is judged alike in the ring and in a workaround buffer', () => {
    expect(policy(SKL, RCS, allOpen, 'wa')).toEqual(policy(SKL, RCS, allOpen));
    expect(compileRegisterPolicy(SKL, RCS, 'ring', allOpen).mustBeZero(0x2600)).toBe(0);
  });
});

/** Lines that follow each other without a gap, and say the same, as one. */
function mergedWith(lines: readonly string[], same: string): string[] {
  const merged: string[] = [];
  for (const line of lines) {
    const [range, how] = line.split(' ') as [string, string];
    const [first, last] = range.split('-') as [string, string];
    const before = merged.at(-1)?.split(' ') ?? [];
    const [start, end] = (before[0] ?? '').split('-');
    if (how === same && before[1] === same && Number.parseInt(end!, 16) + 4 === Number.parseInt(first, 16)) {
      merged[merged.length - 1] = `${start}-${last} ${same}`;
    } else merged.push(line);
  }
  return merged;
}

describe('a guarded register', () => {
  const PATCHED = 0x229c;
  const lri = (register: number, value: number, bits = 0): number[] => [
    CMD.MI_LOAD_REGISTER_IMM | bits | len(3),
    register,
    value,
  ];
  it.each(['ring', 'privileged', 'wa'] as const)('in %s gets what its owner answers, as 32 bits', (place) => {
    const asked: number[][] = [];
    const onRegisterWrite = (offset: number, value: number): number => {
      asked.push([offset, value]);
      return -1;
    };
    const result = judge(place, lri(PATCHED, 5), { onRegisterWrite });
    expect(result).toMatchObject({ ok: true });
    expect(result.words).toEqual(lri(PATCHED, 0xffffffff));
    expect(asked).toEqual([[PATCHED, 5]]);
    const same = judge(place, lri(PATCHED, 0xfffffff0), { onRegisterWrite: (_offset, value) => value | 0 });
    expect(same.ok).toBe(true);
    expect(same.words).toEqual(lri(PATCHED, 0xfffffff0));
    // a privileged batch has its start to be patched later, which is not counted
    expect([result.patches, same.patches]).toEqual([1, 0]);
  });
  it('does not make its owner answer for registers that are only read', () => {
    const onRegisterWrite = (): number => 0;
    for (const register of [0x2358, 0x23a8, 0x2030]) {
      expect(judge('ring', lri(register, 1), { onRegisterWrite })).toMatchObject({ code: 'register-write', register });
    }
  });
  it('is read, but not loaded from memory or another register', () => {
    const onRegisterWrite = (): number => 0;
    const codeOf = (...dwords: number[]) => judge('ring', dwords, { onRegisterWrite }).code;
    expect(codeOf(CMD.MI_STORE_REGISTER_MEM | len(4), PATCHED, 0, 0)).toBe('');
    expect(codeOf(CMD.MI_LOAD_REGISTER_MEM | len(4), PATCHED, 0, 0)).toBe('register-write');
    expect(codeOf(CMD.MI_LOAD_REGISTER_REG | len(3), 0x2600, PATCHED)).toBe('register-write');
    expect(codeOf(CMD.MI_LOAD_REGISTER_REG | len(3), PATCHED, 0x2600)).toBe('');
    expect(codeOf(CMD.PIPE_CONTROL | len(5), 1 << 23, PATCHED, 0, 0)).toBe('register-write');
  });
  it('is not written in part, whoever owns it', () => {
    for (const bits of [0x100, 0x200, 0x400, 0x800]) {
      const result = judge('ring', lri(PATCHED, 0, bits), { onRegisterWrite: () => 0 });
      expect(result).toMatchObject({ code: 'register-value', register: PATCHED });
    }
    // bits beside the byte disables say nothing
    for (const bits of [0x1000, 0x10000]) {
      expect(judge('ring', lri(PATCHED, 0, bits), { onRegisterWrite: () => 0 }).ok).toBe(true);
    }
  });
});

describe('a register that holds a page of graphics address', () => {
  const lri = (value: number) => judge('ring', [CMD.MI_LOAD_REGISTER_IMM | len(3), 0x2148, value >>> 0]);
  it.each([
    ['the first own page', LOW_START, ''],
    ['the own page with other bits below it', LOW_START | 0xfff, ''],
    ['the last own page of the low range', 0x07fff000, ''],
    ['the first of the high range', 0x20000000, ''],
    ['the last of the high range', 0x2ffff000, ''],
    ['none, with bits below', 0x00000fff, ''],
    ['the page before the low range', LOW_START - 0x1000, 'register-value'],
    ['the page behind the low range', 0x08000000, 'register-value'],
    ['the page before the high range', 0x1ffff000, 'register-value'],
    ['the page behind the high range', 0x30000000, 'register-value'],
    ['the highest page', 0xfffff000, 'register-value'],
    ['the lowest page but none', 0x1000, 'register-value'],
  ])('%s: %i is "%s"', (_name, value, code) => {
    expect(lri(value).code).toBe(code);
  });
  it('names the page that it would hold', () => {
    expect(lri(0xfffff123).message).toContain('register 0x2148 would hold GMADR 0xfffff000, not an own page');
  });
});

describe('the switch of tiled resources', () => {
  it.each([
    [0, ''],
    [1, 'register-value'],
    [2, ''],
    [3, ''],
    [4, ''],
    [5, 'register-value'],
    [7, ''],
    [0x80000001, 'register-value'],
  ])('with 0x%x is "%s"', (value, code) => {
    expect(judge('ring', [CMD.MI_LOAD_REGISTER_IMM | len(3), 0x4df4, value]).code).toBe(code);
  });
  it('may be read, but not loaded', () => {
    expect(judge('ring', [CMD.MI_STORE_REGISTER_MEM | len(4), 0x4df4, 0, 0]).ok).toBe(true);
    expect(judge('ring', [CMD.MI_LOAD_REGISTER_MEM | len(4), 0x4df4, 0, 0]).code).toBe('register-write');
  });
});
