import { describe, expect, it } from 'vitest';
import { DISCARD_REGISTER, type RootTranslator } from '../../src/cmd-parser/index.js';
import { BCS, CMD, RCS, VCS, VECS } from '../../src/hw/index.js';
import { BDW, LOW_END, LOW_START, scan } from './harness.js';

const len = (dwords: number): number => dwords - 2;
const lri = (...pairs: number[]): number[] => [CMD.MI_LOAD_REGISTER_IMM | len(1 + pairs.length), ...pairs];
const srm = (register: number, gmadr: number, bits = 1 << 22): number[] => [
  CMD.MI_STORE_REGISTER_MEM | bits | len(4),
  register,
  gmadr,
  0,
];
const lrm = (register: number, gmadr: number, bits = 1 << 22): number[] => [
  CMD.MI_LOAD_REGISTER_MEM | bits | len(4),
  register,
  gmadr,
  0,
];
const lrr = (from: number, to: number): number[] => [CMD.MI_LOAD_REGISTER_REG | len(3), from, to];

describe('MI_LOAD_REGISTER_IMM', () => {
  it('writes registers that are open to commands, as many as it lists', () => {
    const result = scan(lri(0x7004, 0x00080008, 0xb020, 0x30, 0x20c0, 1));
    expect(result).toMatchObject({ ok: true, patches: 0, commands: 1, dwords: 7 });
  });
  it('is refused at the first register that is not open, by number', () => {
    expect(scan(lri(0x7004, 0, 0x2030, 0))).toMatchObject({ code: 'register-write', register: 0x2030, dword: 0 });
    for (const register of [0x2030, 0x2080, 0x2230, 0x42000, 0x44200, 0x78010, 0x141000, 0x1ffffc]) {
      expect(scan(lri(register, 0)).code).toBe('register-write');
    }
  });
  it('is refused outside the register window and with reserved bits', () => {
    for (const register of [0x200000, 0x7004 | 0x00800000, 0xfffffffc]) {
      expect(scan(lri(register >>> 0, 0)).code).toBe('register-write');
    }
  });
  it('with half a pair, or none, is refused', () => {
    expect(scan([CMD.MI_LOAD_REGISTER_IMM | len(4), 0x7004, 0, 0x7004]).code).toBe('length');
    expect(scan([CMD.MI_LOAD_REGISTER_IMM | len(2), 0]).code).toBe('length');
  });
  it('never reaches another engine', () => {
    expect(scan(lri(0x2209c, 0), { engine: BCS }).ok).toBe(true);
    expect(scan(lri(0x2209c, 0), { engine: RCS }).code).toBe('register-write');
    expect(scan(lri(0x209c, 0), { engine: BCS }).code).toBe('register-write');
    expect(scan(lri(0x22600, 0), { engine: VCS }).code).toBe('register-write');
  });
  it('reaches shared 3D state from the render engine only, memory object control from all', () => {
    expect(scan(lri(0x120000, 0)).ok).toBe(true);
    for (const register of [0x7004, 0x4180, 0x4df4, 0x120000]) {
      expect(scan(lri(register, 0), { engine: BCS }).code).toBe('register-write');
    }
    for (const engine of [RCS, BCS, VCS, VECS] as const) expect(scan(lri(0xc800, 0), { engine }).ok).toBe(true);
  });
  it('has display masks and forcewake redirected to where hardware ignores them', () => {
    for (const register of [0x44050, 0xa188, 0xa270, 0xa278]) {
      const result = scan(lri(0x7004, 5, register, 6));
      expect(result).toMatchObject({ ok: true, patches: 1 });
      expect([...result.words]).toEqual([...lri(0x7004, 5, DISCARD_REGISTER, 6)]);
    }
    expect(scan(lri(0x44050, 0), { engine: BCS, platform: BDW }).words[1]).toBe(DISCARD_REGISTER);
    expect(scan(lri(0xa278, 0), { platform: BDW }).code).toBe('register-write');
  });
  it('has what sets up performance counters redirected as well: a vGPU has none, and its driver may still ask for them', () => {
    for (const register of [
      0xd00, 0x20c8, 0x20cc, 0x2360, 0x2710, 0x27ac, 0x91cc, 0x9840, 0x9888, 0xe458, 0xe65c, 0xe758,
    ]) {
      expect([...scan(lri(0x7004, 5, register, 6)).words]).toEqual([...lri(0x7004, 5, DISCARD_REGISTER, 6)]);
    }
    expect(scan(lri(0x241c, 1)).ok).toBe(true);
    expect(scan(lri(0x27b0, 0)).code).toBe('register-write');
    expect(scan(lri(0x9888, 0), { engine: BCS }).code).toBe('register-write');
  });
  it('has the value of a guarded register replaced by what its owner answers', () => {
    const asked: number[][] = [];
    const result = scan(lri(0x229c, 0x00010001, 0x24d0, 0x7014), {
      onRegisterWrite: (offset, value) => {
        asked.push([offset, value]);
        return offset === 0x229c ? 0 : value;
      },
    });
    expect(asked).toEqual([
      [0x229c, 0x00010001],
      [0x24d0, 0x7014],
    ]);
    expect(result).toMatchObject({ ok: true, patches: 1 });
    expect([...result.words]).toEqual([...lri(0x229c, 0, 0x24d0, 0x7014)]);
    expect(scan(lri(0x229c, 1)).code).toBe('register-write');
  });
  it('may leave bytes of a register alone, but not of one whose value is guarded', () => {
    const partly = (register: number) =>
      scan([CMD.MI_LOAD_REGISTER_IMM | 0x100 | len(3), register, 0], { onRegisterWrite: (_offset, value) => value });
    expect(partly(0x7004).ok).toBe(true);
    for (const register of [0x229c, 0x24d0, 0x2270, 0x4180]) expect(partly(register).code).toBe('register-value');
  });
  it('may not set the time, which all guests share', () => {
    expect(scan(lri(0x2358, 0)).code).toBe('register-write');
    expect(scan(lri(0x23a8, 0)).code).toBe('register-write');
  });
  it('may not load a context or a status page address', () => {
    expect(scan(lri(0x2180, LOW_START)).code).toBe('register-write');
    expect(scan(lri(0x2080, LOW_START)).code).toBe('register-write');
  });
  it('puts only own pages into registers that hold a graphics address', () => {
    expect(scan(lri(0x4180, LOW_START)).ok).toBe(true);
    expect(scan(lri(0x4180, 0)).ok).toBe(true);
    expect(scan(lri(0x4180, LOW_END))).toMatchObject({ code: 'register-value', register: 0x4180 });
  });
  it('may not make tiled resources walk physical tables', () => {
    expect(scan(lri(0x4df4, 0)).ok).toBe(true);
    expect(scan(lri(0x4df4, 3)).ok).toBe(true);
    expect(scan(lri(0x4df4, 1)).code).toBe('register-value');
  });
});

describe('a page-table root that is loaded in the ring', () => {
  const asked: number[][] = [];
  const root: RootTranslator = {
    lo: 0,
    hi: 0,
    translate(pdp, lo, hi) {
      asked.push([pdp, lo, hi]);
      this.lo = 0x5000 + pdp;
      this.hi = 7;
      return hi !== 99;
    },
  };
  it('is replaced by the root of the shadow, in either order of its halves', () => {
    asked.length = 0;
    const result = scan(lri(0x2274, 1, 0x2270, 0x1000, 0x2278, 0x2000, 0x227c, 2), { root });
    expect(result.ok).toBe(true);
    expect(asked).toEqual([
      [0, 0x1000, 1],
      [1, 0x2000, 2],
    ]);
    expect([...result.words]).toEqual([...lri(0x2274, 7, 0x2270, 0x5000, 0x2278, 0x5001, 0x227c, 7)]);
  });
  it('is refused in halves, so that no part of the guest stays behind', () => {
    for (const pairs of [
      [0x2270, 1],
      [0x2274, 1],
      [0x2274, 1, 0x2278, 1],
      [0x2274, 1, 0x2270, 1, 0x2270, 1],
      [0x2270, 1, 0x7004, 0, 0x2274, 1],
    ]) {
      expect(scan(lri(...pairs), { root }).code).toBe('register-value');
    }
  });
  it('is not completed by what follows the command', () => {
    const noop = CMD.MI_NOOP | 0x2270;
    expect(scan([...lri(0x2274, 1), noop, 0x1000], { root }).code).toBe('register-value');
  });
  it('is refused when it has no shadow, or nobody can tell', () => {
    expect(scan(lri(0x2274, 99, 0x2270, 0), { root }).code).toBe('register-value');
    expect(scan(lri(0x2274, 1, 0x2270, 0)).code).toBe('register-value');
  });
  it('is neither read nor loaded from elsewhere', () => {
    expect(scan(srm(0x2270, LOW_START), { root }).code).toBe('register-read');
    expect(scan(lrm(0x2270, LOW_START), { root }).code).toBe('register-write');
    expect(scan(lrr(0x2600, 0x2270), { root }).code).toBe('register-write');
  });
});

describe('registers and memory', () => {
  it('MI_STORE_REGISTER_MEM stores open registers, own counters and timestamps, within the own ranges', () => {
    for (const register of [0xb118, 0x2358, 0x235c, 0x23a8, 0x2600, 0x267c, 0x2350, 0x229c]) {
      expect(scan(srm(register, LOW_END - 4)).ok).toBe(true);
    }
    expect(scan(srm(0xb118, LOW_END))).toMatchObject({ code: 'address', gmadr: LOW_END });
    expect(scan(srm(0xb118, LOW_END, 0)).ok).toBe(true);
  });
  it('MI_STORE_REGISTER_MEM is refused for what would tell about other guests', () => {
    for (const register of [0x2030, 0x2080, 0x2234, 0x22358, 0x12600]) {
      expect(scan(srm(register, LOW_START))).toMatchObject({ code: 'register-read', register });
    }
  });
  it('MI_LOAD_REGISTER_MEM writes only registers that may hold any value', () => {
    expect(scan(lrm(0xb118, LOW_END - 4)).ok).toBe(true);
    expect(scan(lrm(0x2600, LOW_START)).ok).toBe(true);
    expect(scan(lrm(0xb118, LOW_END)).code).toBe('address');
    expect(scan(lrm(0xb118, LOW_END, 0)).ok).toBe(true);
    for (const register of [0x229c, 0x24d0, 0x2358, 0x4df4, 0x4180, 0x44050]) {
      expect(scan(lrm(register, LOW_START))).toMatchObject({ code: 'register-write', register });
    }
  });
  it('MI_LOAD_REGISTER_REG obeys both rules', () => {
    expect(scan(lrr(0x2358, 0x2600)).ok).toBe(true);
    expect(scan(lrr(0x2234, 0x2600)).code).toBe('register-read');
    expect(scan(lrr(0x2600, 0x229c)).code).toBe('register-write');
  });
  it('the general-purpose registers are those of the own engine', () => {
    expect(scan(srm(0x22600, LOW_START), { engine: BCS }).ok).toBe(true);
    expect(scan(srm(0x2600, LOW_START), { engine: BCS }).code).toBe('register-read');
    expect(scan(srm(0x2680, LOW_START)).code).toBe('register-read');
  });
});
