import { describe, expect, it } from 'vitest';
import { XengtError } from '../../src/base/index.js';
import { R, type RegisterRow } from '../../src/hw/index.js';
import { compilePolicy, type Handlers, MMIO_DWORDS } from '../../src/mmio/index.js';
import { platformOf, SKL, TestVgpu, vgpuOf } from './harness.js';

const ROWS: readonly RegisterRow[] = [
  { name: 'PLAIN', offset: 0x100, reset: 0x11223344 },
  { name: 'PAIR', offset: 0x108, size: 8, read: 'gmbus', write: 'gmbus' },
  { name: 'STATUS', offset: 0x110, reset: 0xff, w1c: 0xff, writeMask: 0xff00 },
  { name: 'FIXED', offset: 0x114, reset: 7, flags: R.RO },
  { name: 'MODE', offset: 0x118, flags: R.MODE_MASK },
  { name: 'BYTES', offset: 0x200, size: 16, flags: R.UNALIGNED },
  { name: 'DISPLAY', offset: 0x50000, reset: 3 },
];
const HANDLERS: Handlers<TestVgpu> = {
  read: {
    gmbus: (vgpu, offset) => {
      vgpu.log.push(`read ${offset.toString(16)}`);
      return offset - 0x110;
    },
  },
  write: {
    gmbus: (vgpu, offset, value, mask) => {
      vgpu.log.push(`write ${offset.toString(16)} ${value.toString(16)} ${mask.toString(16)}`);
    },
  },
};
const vgpu = (): TestVgpu => new TestVgpu(SKL, compilePolicy(SKL, ROWS, HANDLERS));

describe('a guest', () => {
  it('reads and writes parts of a register', () => {
    const { regs } = vgpu();
    expect([regs.read(0x100, 1), regs.read(0x103, 1), regs.read(0x102, 2)]).toEqual([0x44, 0x11, 0x1122]);
    regs.write(0x101, 1, 0xabcd);
    regs.write(0x102, 2, 0x5566);
    expect(regs.read(0x100, 4)).toBe(0x5566cd44);
  });

  it('clears only the status bits of the byte that it writes', () => {
    const { regs } = vgpu();
    regs.write(0x111, 1, 0x5a);
    expect(regs.read(0x110, 4)).toBe(0x5aff);
    regs.write(0x110, 1, 0x0f);
    expect(regs.read(0x110, 4)).toBe(0x5af0);
    regs.write(0x110, 4, 0xff);
    expect(regs.read(0x110, 4)).toBe(0);
  });

  it('changes a mode register only where it also writes the mask', () => {
    const { regs } = vgpu();
    regs.write(0x118, 4, 0x00030001);
    regs.write(0x118, 2, 0xffff);
    regs.write(0x11a, 2, 0xffff);
    expect(regs.read(0x118, 4)).toBe(1);
    regs.write(0x118, 4, 0x00010000);
    expect(regs.read(0x118, 4)).toBe(0);
  });

  it('reads 8 bytes as two registers, low half first, and numbers above 2^31 stay positive', () => {
    const guest = vgpu();
    expect(guest.regs.read(0x108, 8)).toBe(0xfffffff8);
    expect(guest.regs.readHi).toBe(0xfffffffc);
    expect(guest.log).toEqual(['read 108', 'read 10c']);
  });

  it('writes 8 bytes as two registers, low half first', () => {
    const guest = vgpu();
    guest.regs.write(0x108, 8, 0x80000001, 0xfedcba98);
    expect(guest.log).toEqual(['write 108 80000001 ffffffff', 'write 10c fedcba98 ffffffff']);
  });

  it('reaches a handler with the bytes it wrote and a mask that says which', () => {
    const guest = vgpu();
    guest.regs.write(0x10a, 2, 0x1234);
    guest.regs.write(0x10f, 1, 0x1ff);
    expect(guest.log).toEqual(['write 108 12340000 ffff0000', 'write 10c ff000000 ff000000']);
  });

  it('may access unaligned where the register allows it', () => {
    const { regs, refusals } = vgpu();
    regs.write(0x203, 4, 0x44332211);
    expect([regs.read(0x200, 4), regs.read(0x204, 4)]).toEqual([0x11000000, 0x00443322]);
    expect([regs.read(0x203, 4), regs.read(0x203, 2), regs.read(0x205, 1)]).toEqual([0x44332211, 0x2211, 0x33]);
    regs.write(0x202, 8, 0x04030201, 0x08070605);
    expect(regs.read(0x202, 8)).toBe(0x04030201);
    expect(regs.readHi).toBe(0x08070605);
    expect([regs.read(0x200, 4), regs.read(0x204, 4), regs.read(0x208, 4)]).toEqual([
      0x02010000, 0x06050403, 0x00000807,
    ]);
    expect(refusals).toEqual([]);
  });

  it.each([
    ['3 bytes', 0x100, 3, 0xffffffff, 'mmio-width'],
    ['16 bytes', 0x100, 16, 0xffffffff, 'mmio-width'],
    ['a misaligned word', 0x101, 2, 0xffff, 'mmio-misaligned'],
    ['a misaligned dword', 0x102, 4, 0xffffffff, 'mmio-misaligned'],
    ['a dword beyond the window', 0x200000, 4, 0xffffffff, 'mmio-outside'],
    ['8 bytes at the end of the window', 0x1ffffc, 8, 0xffffffff, 'mmio-outside'],
    ['a negative offset', -4, 4, 0xffffffff, 'mmio-outside'],
  ])('reads ones and changes nothing with %s', (_what, offset, bytes, answer, rule) => {
    const { regs, refusals } = vgpu();
    const before = regs.save();
    expect(regs.read(offset, bytes)).toBe(answer);
    regs.write(offset, bytes, 0x55, 0x55);
    expect(regs.save()).toEqual(before);
    expect(refusals).toEqual([rule, rule]);
  });

  it('cannot write a read-only register, and the attempt is counted', () => {
    const { regs, refusals } = vgpu();
    regs.write(0x114, 4, 0);
    expect(regs.read(0x114, 4)).toBe(7);
    expect(refusals).toEqual(['mmio-read-only']);
  });
});

describe('registers that nobody described', () => {
  it('are memory, and the operator sees which were touched', () => {
    const { regs } = vgpu();
    regs.write(0x1000, 4, 0xdeadbeef);
    regs.write(0x1002, 1, 0);
    expect(regs.read(0x1000, 4)).toBe(0xde00beef);
    regs.read(0x900, 4);
    expect(regs.unknown()).toEqual([
      { offset: 0x900, reads: 1, writes: 0 },
      { offset: 0x1000, reads: 1, writes: 2 },
    ]);
    expect(regs.unknownCount).toBe(2);
  });

  it('are told apart up to a bound, beyond which accesses are still done and counted together', () => {
    const { regs } = vgpu();
    for (let at = 0; at < 5000; at++) regs.write(0x100000 + 4 * at, 4, at);
    regs.write(0x100000, 4, 77);
    expect(regs.unknownCount).toBe(3072);
    expect(regs.unknown().length).toBe(3072);
    expect(regs.unknown()[0]).toEqual({ offset: 0x100000, reads: 0, writes: 2 });
    expect(regs.unknownOverflow).toBe(5000 - 3072);
    expect(regs.read(0x100000 + 4 * 4999, 4)).toBe(4999);
  });
});

describe('a reset', () => {
  it('of the engines restores only the registers below the interrupt tree; of the device, all', () => {
    const { regs } = vgpu();
    for (const at of [0x100, 0x441fc, 0x44200, 0x50000]) regs.write(at, 4, 0x99);
    regs.reset('gt');
    expect([0x100, 0x441fc, 0x44200, 0x50000].map((at) => regs.read(at, 4))).toEqual([0x11223344, 0, 0x99, 0x99]);
    regs.reset('device');
    expect([0x44200, 0x50000].map((at) => regs.read(at, 4))).toEqual([0, 3]);
  });

  it('leaves a vGPU with the values that drivers expect of a fresh device', () => {
    const skl = vgpuOf(SKL).regs;
    expect(skl.read(0x9120, 4)).toBe(0x02800000);
    expect(skl.read(0x42000, 4)).toBe(0x8e000000);
    expect(skl.read(0x46010, 4)).toBe(0xc0000000);
    expect(skl.read(0x6c060, 4)).toBe(0x1);
    expect(skl.read(0x44304, 4)).toBe(0xffffffff);
    const bdw = vgpuOf(platformOf('BDW')).regs;
    expect(bdw.read(0x9120, 4)).toBe(0x02000000);
    expect(bdw.read(0x42000, 4)).toBe(0);
    expect(bdw.read(0x130040, 4)).toBe(0x40000000);
  });
});

describe('saved registers', () => {
  const saved = (): Uint8Array => {
    const { regs } = vgpu();
    regs.write(0x3000, 4, 0x1234);
    return regs.save();
  };
  const edit = (at: number, value: number): Uint8Array => {
    const bytes = saved();
    new DataView(bytes.buffer).setUint32(at, value, true);
    return bytes;
  };

  it.each([
    ['not a snapshot', () => edit(0, 0), 'The saved registers are not a register snapshot.'],
    ['nothing', () => new Uint8Array(0), 'The saved registers are not a register snapshot.'],
    ['of a later version', () => edit(4, 9), 'The saved registers are of version 9, this is version 1.'],
    ['of another platform', () => edit(8, 2), 'The saved registers are of another platform.'],
    ['cut short', () => saved().subarray(0, -4), 'The saved registers are cut short.'],
    ['of a false count', () => edit(12, 0xffffffff), 'The saved registers are cut short.'],
    ['out of the window', () => edit(528, MMIO_DWORDS), 'The saved registers name a register outside the window.'],
  ])('are refused when they are %s, and the vGPU stays as it is', (_what, bytes, why) => {
    const { regs } = vgpu();
    const before = regs.save();
    let message = 'accepted';
    try {
      regs.restore(bytes());
    } catch (error) {
      message = error instanceof XengtError ? error.message : String(error);
    }
    expect(message).toBe(why);
    expect(regs.save()).toEqual(before);
  });
});

it('a bank of the wrong size is refused', () => {
  const policy = compilePolicy(SKL, ROWS, HANDLERS);
  expect(() => new TestVgpu(SKL, policy, new Uint32Array(16))).toThrow(RangeError);
});
