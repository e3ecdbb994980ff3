/** How commands name registers and memory: reserved bits, bytes left alone, low bits of addresses, halves of a root. */
import { describe, expect, it } from 'vitest';
import { CMD } from '../../../src/hw/index.js';
import { LOW_END, LOW_START } from '../harness.js';
import { HSW, judge, len } from './judge.js';

const GLOBAL = 1 << 22;
const GPR = 0x2600;
const codeOf = (...dwords: number[]): string =>
  judge(
    'ring',
    dwords.map((dword) => dword >>> 0),
  ).code;
const lri = (...pairs: number[]): number[] => [CMD.MI_LOAD_REGISTER_IMM | len(1 + pairs.length), ...pairs];

describe('a register dword', () => {
  const wrong = [0x200000, 0x7ffffc, 0x800000 | GPR, 0x80000000 | GPR, 0xffffffff];
  it.each(wrong)('with reserved bits or beyond the window is no register: 0x%x', (register) => {
    expect(codeOf(...lri(register, 0))).toBe('register-write');
    expect(codeOf(CMD.MI_LOAD_REGISTER_IMM | 0x100 | 1, register, 0)).toBe('register-write');
    expect(codeOf(CMD.MI_STORE_REGISTER_MEM | 2, register, 0, 0)).toBe('register-read');
    expect(codeOf(CMD.MI_LOAD_REGISTER_MEM | 2, register, 0, 0)).toBe('register-write');
    expect(codeOf(CMD.MI_LOAD_REGISTER_REG | 1, register, GPR)).toBe('register-read');
    expect(codeOf(CMD.MI_LOAD_REGISTER_REG | 1, GPR, register)).toBe('register-write');
  });
  it.each([1, 2, 3])('names the same register with bits 1:0 set: %i', (low) => {
    const both = (register: number): void => {
      for (const commands of [
        (named: number) => lri(named, 0),
        (named: number) => [CMD.MI_STORE_REGISTER_MEM | 2, named, 0, 0],
        (named: number) => [CMD.MI_LOAD_REGISTER_MEM | 2, named, 0, 0],
        (named: number) => [CMD.MI_LOAD_REGISTER_REG | 1, named, GPR],
        (named: number) => [CMD.MI_LOAD_REGISTER_REG | 1, GPR, named],
      ]) {
        const { ok, code } = judge('ring', commands(register | low));
        expect({ ok, code }).toEqual((({ ok, code }) => ({ ok, code }))(judge('ring', commands(register))));
      }
    };
    both(GPR);
    both(0x2030);
    expect(codeOf(...lri(0x4df4 | low, 1))).toBe('register-value');
    expect(judge('ring', lri(0x44050 | low, 3)).words[1]).toBe(0x78000);
    expect(judge('ring', lri(0x2270 | low, 1, 0x2274, 1)).message).toContain('register 0x2270 loads a page-table root');
    const asked: number[] = [];
    const onRegisterWrite = (offset: number, value: number): number => {
      asked.push(offset);
      return value;
    };
    judge('ring', lri(0x229c | low, 9), { onRegisterWrite });
    expect(asked).toEqual([0x229c]);
  });
  it('is named in the refusal, by number', () => {
    const message = (...dwords: number[]): string => judge('ring', dwords).message;
    expect(message(...lri(0x2030, 0))).toContain('register 0x2030 is not open to commands; rule');
    expect(message(CMD.MI_STORE_REGISTER_MEM | 2, 0x2030, 0, 0)).toContain('register 0x2030 may not be read; rule');
    expect(message(CMD.MI_LOAD_REGISTER_MEM | 2, 0x2030, 0, 0)).toContain(
      'register 0x2030 may not be written with a value from memory or another register; rule',
    );
    expect(message(...lri(0x229c, 0))).toContain('register 0x229c has no owner to ask; rule');
    expect(message(CMD.MI_LOAD_REGISTER_IMM | 0x100 | 1, 0x229c, 0)).toContain(
      'register 0x229c would keep some bytes of a value that was not judged; rule',
    );
    expect(message(...lri(0x4df4, 1))).toContain('register 0x4df4 would walk physical tables; rule');
    expect(message(...lri(0x2270, 1))).toContain('register 0x2270 loads half of a page-table root; rule');
    expect(message(...lri(0x2270, 1, 0x2274, 1))).toContain(
      'register 0x2270 loads a page-table root that has no shadow; rule',
    );
  });
});

describe('MI_LOAD_REGISTER_IMM of several pairs', () => {
  it('is judged pair by pair, to the last', () => {
    const good = [GPR, 1, 0x4180, LOW_START, 0x44050, 3, 0x4df4, 2, 0x229c, 9];
    const run = (...pairs: number[]) =>
      judge('ring', lri(...pairs), { onRegisterWrite: (_offset, value) => value + 1 });
    const result = run(...good, GPR, 2);
    expect(result).toMatchObject({ ok: true, patches: 2 });
    expect(result.words).toEqual(lri(GPR, 1, 0x4180, LOW_START, 0x78000, 3, 0x4df4, 2, 0x229c, 10, GPR, 2));
    for (let i = 0; i <= good.length; i += 2) {
      const bad = [...good.slice(0, i), 0x2030, 0, ...good.slice(i)];
      expect(run(...bad)).toMatchObject({ code: 'register-write', register: 0x2030 });
    }
  });
  it('whose other registers are guarded does not hide a closed one behind them', () => {
    for (const guarded of [0x44050, 0x4180, 0x4df4]) {
      expect(codeOf(...lri(guarded, 0, 0x2030, 0))).toBe('register-write');
    }
  });
  it('puts a page into an address register whatever its low bits are, and 0 with any', () => {
    for (let low = 0; low < 8; low++) {
      expect(codeOf(...lri(0x4180, LOW_START | low))).toBe('');
      expect(codeOf(...lri(0x4180, (LOW_END - 0x1000) | low))).toBe('');
      expect(codeOf(...lri(0x4180, low))).toBe('');
      expect(codeOf(...lri(0x4180, LOW_END | low))).toBe('register-value');
    }
    expect(codeOf(...lri(0x4180, 0xfff))).toBe('');
    expect(codeOf(...lri(0x4180, 0x1000))).toBe('register-value');
    expect(codeOf(...lri(0x4180, (LOW_END - 0x1000) | 0xfff))).toBe('');
  });
  it('puts no page there of which a byte belongs to someone else', () => {
    const ranges = { lowStart: LOW_START, lowEnd: LOW_END - 1, highStart: 0, highEnd: 0 };
    const last = LOW_END - 0x1000;
    expect(judge('ring', lri(0x4180, last - 0x1000), { ranges }).ok).toBe(true);
    expect(judge('ring', lri(0x4180, last), { ranges }).code).toBe('register-value');
    expect(judge('ring', [CMD.MI_DISPLAY_FLIP | 1, 0, last - 0x1000], { ranges }).ok).toBe(true);
    expect(judge('ring', [CMD.MI_DISPLAY_FLIP | 1, 0, last], { ranges })).toMatchObject({
      code: 'address',
      gmadr: last,
    });
  });
  it('does not ask for what it keeps closed anyhow', () => {
    expect(codeOf(CMD.MI_LOAD_REGISTER_IMM | 0x100 | 1, 0x2030, 0)).toBe('register-write');
    expect(codeOf(CMD.MI_LOAD_REGISTER_IMM | 0x100 | 1, GPR, 0)).toBe('');
  });
});

describe('a page-table root', () => {
  const asked: number[][] = [];
  const root = {
    lo: 0,
    hi: 0,
    translate(pdp: number, lo: number, hi: number): boolean {
      asked.push([pdp, lo, hi]);
      this.lo = -1;
      this.hi = -2;
      return true;
    },
  };
  const load = (...pairs: number[]) => judge('ring', lri(...pairs), { root });
  it.each([0, 1, 2, 3])('%i is translated by its number, and both halves replaced', (pdp) => {
    asked.length = 0;
    const low = 0x2270 + 8 * pdp;
    const lowFirst = load(low, 0x11, low + 4, 0x22);
    expect(lowFirst).toMatchObject({ ok: true, patches: 2 });
    expect(lowFirst.words).toEqual(lri(low, 0xffffffff, low + 4, 0xfffffffe));
    expect(load(low + 4, 0x22, low, 0x11).words).toEqual(lri(low + 4, 0xfffffffe, low, 0xffffffff));
    expect(asked).toEqual([
      [pdp, 0x11, 0x22],
      [pdp, 0x11, 0x22],
    ]);
  });
  it('is not put together from halves of two, or from one half twice', () => {
    for (const pairs of [
      [0x2270, 0, 0x227c, 0],
      [0x2270, 0, 0x2270, 0],
      [0x2274, 0, 0x2274, 0],
      [GPR, 0, 0x2270, 0],
      [0x2270, 0, 0x2274, 0, 0x2278, 0],
    ]) {
      expect(load(...pairs).code).toBe('register-value');
    }
  });
  it('is followed by more of the same command', () => {
    expect(load(0x2270, 0, 0x2274, 0, GPR, 1).ok).toBe(true);
    expect(load(0x2270, 0, 0x2274, 0, 0x2030, 1)).toMatchObject({ code: 'register-write', register: 0x2030 });
    expect(load(0x2270, 0, 0x2274, 0, 0x4180, LOW_END).code).toBe('register-value');
  });
});

describe('memory that a register is stored to or loaded from', () => {
  it.each([
    [
      'MI_STORE_REGISTER_MEM',
      CMD.MI_STORE_REGISTER_MEM,
      'it writes 4 bytes at GMADR 0x8000000, outside the own ranges',
    ],
    ['MI_LOAD_REGISTER_MEM', CMD.MI_LOAD_REGISTER_MEM, 'it reads 4 bytes at GMADR 0x8000000, outside the own ranges'],
  ])('%s: a whole dword, whatever its two low bits are', (_name, header, message) => {
    for (let low = 0; low < 4; low++) {
      expect(codeOf(header | GLOBAL | 2, GPR, (LOW_END - 4) | low, 0)).toBe('');
      expect(codeOf(header | GLOBAL | 2, GPR, LOW_START | low, 0)).toBe('');
      const refused = judge('ring', [header | GLOBAL | 2, GPR, LOW_END | low, 0]);
      expect(refused).toMatchObject({ code: 'address', gmadr: LOW_END });
      expect(refused.message).toContain(message);
      expect(codeOf(header | GLOBAL | 2, GPR, (LOW_START - 4) | low, 0)).toBe('address');
    }
    expect(codeOf(header | GLOBAL | 2, GPR, LOW_START, 1)).toBe('address');
    expect(codeOf(header | 2, GPR, LOW_START, 1)).toBe('');
  });
  it('has 32 bits on Haswell', () => {
    const there = (gmadr: number): string =>
      judge('ring', [CMD.MI_STORE_REGISTER_MEM | GLOBAL | 1, GPR, gmadr, 1], { platform: HSW }).code;
    // the dword behind it is another command: half of an address would be taken for one
    expect([there(LOW_END - 4), there(LOW_END)]).toEqual(['', 'address']);
  });
  it('is looked at after the register, which a refusal names', () => {
    expect(judge('ring', [CMD.MI_STORE_REGISTER_MEM | GLOBAL | 2, 0x2030, LOW_END, 0])).toMatchObject({
      code: 'register-read',
      register: 0x2030,
      gmadr: -1,
    });
  });
});
