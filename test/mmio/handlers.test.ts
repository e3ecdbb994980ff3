import { describe, expect, it } from 'vitest';
import { ENGINES, FORCE_NONPRIV_ALLOWED, VGPU_PLATFORMS } from '../../src/hw/index.js';
import { platformOf, SKL, type TestVgpu, vgpuOf } from './harness.js';

const BDW = platformOf('BDW');

describe('forcewake', () => {
  it.each([
    ['render', 0xa278, 0xd84],
    ['media', 0xa270, 0xd88],
    ['blitter', 0xa188, 0x130044],
  ])('of %s is acknowledged at once, bit by bit', (_name, request, ack) => {
    const { regs, refusals } = vgpuOf(SKL);
    regs.write(request, 4, 0x00010001);
    expect(regs.read(ack, 4)).toBe(1);
    regs.write(request, 4, 0x80008000);
    expect([regs.read(request, 4), regs.read(ack, 4)]).toEqual([0x8001, 0x8001]);
    regs.write(request, 4, 0x00010000);
    expect(regs.read(ack, 4)).toBe(0x8000);
    regs.write(ack, 4, 0);
    expect(regs.read(ack, 4)).toBe(0x8000);
    expect(refusals).toEqual(['mmio-read-only']);
  });
});

describe('the power mailbox', () => {
  const ask = ({ regs }: TestVgpu, command: number, data: number): number => {
    regs.write(0x138128, 4, data);
    regs.write(0x13812c, 4, 0);
    regs.write(0x138124, 4, 0x80000000 + command);
    expect(regs.read(0x138124, 4)).toBe(0);
    return regs.read(0x138128, 4);
  };
  it.each([
    ['memory latency, low half', 6, 0, 0x1e1a1100],
    ['memory latency, high half', 6, 1, 0x61514b3d],
    ['display clock', 7, 3, 1],
    ['SAGV', 0x21, 0, 1],
    ['RC6 voltages', 5, 0x40, 0x41],
    ['anything else', 0x1a, 0x77, 0x77],
  ])('answers %s at once on Gen9', (_what, command, data, answer) => {
    expect(ask(vgpuOf(SKL), command, data)).toBe(answer);
  });
  it('does not answer Gen9 commands on Gen8', () => {
    expect(ask(vgpuOf(BDW), 7, 3)).toBe(3);
    expect(ask(vgpuOf(BDW), 5, 0)).toBe(1);
  });
  it('does nothing until it is started', () => {
    const { regs } = vgpuOf(SKL);
    regs.write(0x138128, 4, 9);
    regs.write(0x138124, 4, 7);
    expect([regs.read(0x138124, 4), regs.read(0x138128, 4)]).toEqual([7, 9]);
  });
});

describe('request and state', () => {
  it('an engine asked to reset is ready, and is not when the request goes', () => {
    for (const { mmioBase } of ENGINES) {
      const { regs } = vgpuOf(SKL);
      regs.write(mmioBase + 0xd0, 4, 0x00010001);
      expect(regs.read(mmioBase + 0xd0, 4)).toBe(3);
      regs.write(mmioBase + 0xd0, 4, 0x00020000);
      expect(regs.read(mmioBase + 0xd0, 4)).toBe(3);
      regs.write(mmioBase + 0xd0, 4, 0x00010000);
      expect(regs.read(mmioBase + 0xd0, 4)).toBe(0);
    }
  });
  it('an engine told to stop is idle', () => {
    const { regs } = vgpuOf(SKL);
    regs.write(0x209c, 4, 0x01000100);
    expect(regs.read(0x209c, 4)).toBe(0x300);
    regs.write(0x209c, 4, 0x01000000);
    expect(regs.read(0x209c, 4)).toBe(0);
  });
  it('each power well of Gen9 follows its request; Gen8 has one', () => {
    const skl = vgpuOf(SKL).regs;
    skl.write(0x45404, 4, 0xa00002aa);
    expect(skl.read(0x45404, 4)).toBe(0xf00003ff);
    skl.write(0x45404, 4, 0x20000005);
    expect(skl.read(0x45404, 4)).toBe(0x30000000);
    const bdw = vgpuOf(BDW).regs;
    bdw.write(0x45404, 4, 0x80000000);
    expect(bdw.read(0x45404, 4)).toBe(0xc0000000);
  });
  it('the display buffer and the PLLs follow their enable', () => {
    const { regs } = vgpuOf(SKL);
    regs.write(0x45008, 4, 0x80000000);
    expect(regs.read(0x45008, 4)).toBe(0xc0000000);
    regs.write(0x46010, 4, 0x40000000);
    regs.write(0x46014, 4, 0x80000001);
    expect([regs.read(0x46010, 4), regs.read(0x46014, 4)]).toEqual([0, 0xc0000000]);
    regs.write(0x46060, 4, 0x80000000);
    expect(regs.read(0x6c060, 4)).toBe(0x01000100);
  });
  it('the display clock of Gen8 locks and switches its source', () => {
    const { regs } = vgpuOf(BDW);
    regs.write(0x130040, 4, 0x00200000);
    expect(regs.read(0x130040, 4)).toBe(0x40280000);
    regs.write(0x130040, 4, 0x80000000);
    expect(regs.read(0x130040, 4)).toBe(0x80000000);
  });
});

describe('TLB invalidation', () => {
  it('is over when the guest looks, and is owed to the engine', () => {
    const guest = vgpuOf(SKL);
    for (const { tlbRegister } of ENGINES) guest.regs.write(tlbRegister, 4, 1);
    guest.regs.write(0x4260, 4, 0);
    expect(ENGINES.map(({ tlbRegister }) => guest.regs.read(tlbRegister, 4))).toEqual([0, 0, 0, 0, 0]);
    expect(guest.invalidations).toEqual(ENGINES.map(({ tlbRegister }) => tlbRegister));
  });
});

describe('a slot for unprivileged batches', () => {
  it.each(VGPU_PLATFORMS.map((platform) => platform.name))('opens allowed registers on every engine of %s', (name) => {
    for (const { mmioBase } of ENGINES) {
      const { regs, refusals } = vgpuOf(platformOf(name));
      FORCE_NONPRIV_ALLOWED.forEach((register, index) => {
        const slot = mmioBase + 0x4d0 + 4 * (index % 12);
        regs.write(slot, 4, register);
        expect(regs.read(slot, 4)).toBe(register);
      });
      regs.write(mmioBase + 0x4d0, 4, mmioBase + 0x94);
      expect(refusals).toEqual([]);
    }
  });
  it.each([
    ['the submission port', 0x2230],
    ['the status page', 0x2080],
    ["another engine's NOPID", 0x22094],
    ['beyond the registers', 0x2000000],
    ['zero', 0],
  ])('does not open %s', (_what, register) => {
    const { regs, refusals } = vgpuOf(SKL);
    regs.write(0x24d0, 4, 0x2248);
    regs.write(0x24d0, 4, register);
    expect(regs.read(0x24d0, 4)).toBe(0x2248);
    expect(refusals).toEqual(['force-nonpriv']);
  });
  it('compares the address, not the range bits beside it, and takes whole dwords only', () => {
    const { regs, refusals } = vgpuOf(SKL);
    regs.write(0x24d0, 4, 0x10002349);
    expect(regs.read(0x24d0, 4)).toBe(0x10002349);
    regs.write(0x24d4, 2, 0x2248);
    expect(regs.read(0x24d4, 4)).toBe(0);
    expect(refusals).toEqual(['force-nonpriv']);
  });
});

describe('what a vGPU cannot have', () => {
  it('preemption chickens end in failsafe and do not stick', () => {
    const guest = vgpuOf(SKL);
    guest.regs.write(0x20d4, 4, 0x00040004);
    guest.regs.write(0x20d4, 4, 0x00180000);
    expect(guest.failsafes).toEqual([]);
    guest.regs.write(0x20d4, 4, 0x00190019);
    expect(guest.regs.read(0x20d4, 4)).toBe(0x5);
    expect(guest.failsafes.length).toBe(1);
  });
  it('64K pages on some engines only', () => {
    const { regs, refusals } = vgpuOf(SKL);
    regs.write(0x4080, 4, 0x8f);
    regs.write(0x4080, 4, 0x83);
    expect(regs.read(0x4080, 4)).toBe(0x8f);
    regs.write(0x4080, 4, 0x80);
    expect(regs.read(0x4080, 4)).toBe(0x80);
    expect(refusals).toEqual(['gamw-partial-64k']);
  });
  it('tiled resources by physical tables', () => {
    const { regs, refusals } = vgpuOf(SKL);
    regs.write(0x4df4, 4, 3);
    regs.write(0x4df4, 4, 1);
    expect(regs.read(0x4df4, 4)).toBe(3);
    expect(refusals).toEqual(['trtt-physical']);
  });
  it('a GuC: a firmware load does not happen and the GuC stays in reset', () => {
    const { regs, refusals } = vgpuOf(SKL);
    regs.write(0xc314, 4, 0x11);
    expect([regs.read(0xc314, 4), regs.read(0xc000, 4)]).toEqual([0x10, 1]);
    expect(refusals).toEqual(['guc-firmware']);
  });
});

describe('the sideband port', () => {
  const READ = 0x600;
  const WRITE = 0x700;
  const BUSY = 1;
  it('remembers what was written behind it, by address and destination, also over save and restore', () => {
    const { regs } = vgpuOf(BDW);
    const run = (address: number, control: number, data = 0): number => {
      regs.write(0xc6000, 4, address << 16);
      regs.write(0xc6004, 4, data);
      regs.write(0xc6008, 4, control | BUSY);
      expect(regs.read(0xc6008, 4) & 7).toBe(0);
      return regs.read(0xc6004, 4);
    };
    run(0x600, WRITE, 0x1234);
    run(0x600, WRITE | 0x10000, 0x5678);
    run(0, WRITE, 0x9abc);
    const saved = regs.save();
    expect([run(0x600, READ), run(0x600, READ | 0x10000), run(0, READ), run(0x610, READ)]).toEqual([
      0x1234, 0x5678, 0x9abc, 0,
    ]);
    run(0x600, WRITE, 0x4321);
    expect(run(0x600, READ)).toBe(0x4321);
    regs.restore(saved);
    expect(run(0x600, READ)).toBe(0x1234);
    regs.reset('device');
    expect(run(0x600, READ)).toBe(0);
  });
  it('is of limited size', () => {
    const { regs, refusals } = vgpuOf(BDW);
    for (let register = 0; register < 65; register++) {
      regs.write(0xc6000, 4, register << 16);
      regs.write(0xc6008, 4, WRITE | BUSY);
    }
    expect(refusals).toEqual(['sideband-full']);
  });
});
