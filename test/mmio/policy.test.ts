import { describe, expect, it } from 'vitest';
import { XengtError } from '../../src/base/index.js';
import { P, PLATFORMS, R, REGISTER_ROWS, type RegisterRow } from '../../src/hw/index.js';
import { compilePolicy, type Handlers } from '../../src/mmio/index.js';
import { HANDLERS, type TestVgpu } from './harness.js';

const SKL = { name: 'SKL', bit: P.SKL };

function refusal(rows: readonly RegisterRow[], handlers: Handlers<TestVgpu> = HANDLERS): string {
  try {
    compilePolicy(SKL, rows, handlers);
  } catch (error) {
    expect(error).toBeInstanceOf(XengtError);
    expect((error as XengtError).code).toBe('XENGT_E_TABLE');
    return (error as XengtError).message;
  }
  return 'compiles';
}

const A: RegisterRow = { name: 'A', offset: 0x100 };

describe('a table of registers', () => {
  it.each(PLATFORMS.map(({ name, bit }) => ({ name, bit })))('compiles for $name', (platform) => {
    const policy = compilePolicy(platform, REGISTER_ROWS, HANDLERS);
    const own = REGISTER_ROWS.filter((row) => ((row.platforms ?? 127) & platform.bit) !== 0);
    expect(policy.rows.length).toBe(own.length + 1);
    expect(new Set(policy.rowOf).size).toBe(own.length + 1);
  });

  it.each<[string, readonly RegisterRow[], string]>([
    ['two registers at one offset', [A, { name: 'B', offset: 0x100 }], 'Register B at 0x100 overlaps A on SKL.'],
    [
      'a block that reaches into another',
      [A, { name: 'B', offset: 0xf8, size: 12 }],
      'Register B at 0xf8 overlaps A on SKL.',
    ],
    [
      'one name for two registers',
      [A, { name: 'A', offset: 0x104 }],
      'Register A at 0x104 has the name of another register.',
    ],
    ['a misaligned register', [{ name: 'B', offset: 0x102 }], 'Register B at 0x102 is misaligned.'],
    [
      'a size of 6 bytes',
      [{ name: 'B', offset: 0x100, size: 6 }],
      'Register B at 0x100 has an impossible size of 6 bytes.',
    ],
    [
      'a register beyond the window',
      [{ name: 'B', offset: 0x1ffffc, size: 8 }],
      'Register B at 0x1ffffc lies outside the register window.',
    ],
    [
      'a write mask of 33 bits',
      [{ ...A, writeMask: 0x1ffffffff }],
      'Register A at 0x100 has a write mask wider than the register.',
    ],
    ['a negative reset value', [{ ...A, reset: -1 }], 'Register A at 0x100 has a reset value wider than the register.'],
    [
      'a w1c mask of 33 bits',
      [{ ...A, w1c: 2 ** 32 }],
      'Register A at 0x100 has a write-1-to-clear mask wider than the register.',
    ],
    [
      'a mirror of another pattern',
      [{ ...A, mirror: [0x80000001, 0x40000000] }],
      'Register A at 0x100 mirrors bits that do not have the pattern of their request.',
    ],
    ['a mirror onto itself', [{ ...A, mirror: [6, 3] }], 'Register A at 0x100 mirrors bits onto themselves.'],
    [
      'a read-only register with a handler',
      [{ ...A, flags: R.RO, write: 'pcode' }],
      'Register A at 0x100 is read-only but says how to write it.',
    ],
    [
      'a mode mask over a wide register',
      [{ ...A, flags: R.MODE_MASK, reset: 0x10000 }],
      'Register A at 0x100 uses its upper half, which is the mode mask.',
    ],
    ['no register at all', [], '0 register rows apply to SKL; 1 to 65534 can.'],
  ])('is refused with %s', (_what, rows, why) => {
    expect(refusal(rows)).toBe(why);
  });

  it('is refused when nobody implements a behaviour that it names', () => {
    const none = { read: {}, write: {} };
    expect(refusal([{ ...A, write: 'pcode' }], none)).toBe(
      'Register A at 0x100 names a write behaviour without handler: pcode.',
    );
    expect(refusal([{ ...A, read: 'gmbus' }], none)).toBe(
      'Register A at 0x100 names a read behaviour without handler: gmbus.',
    );
  });

  it('may have different registers at one offset on different platforms', () => {
    const rows = [
      { ...A, platforms: P.BDW },
      { ...A, name: 'B', platforms: P.SKL },
    ];
    expect(compilePolicy(SKL, rows, HANDLERS).rows[1]!.name).toBe('B');
  });
});
