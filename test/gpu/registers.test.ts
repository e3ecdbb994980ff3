import { describe, expect, it } from 'vitest';
import { DEFAULT_COST, ModelGpu } from '../../src/gpu/index.js';
import { platformByName } from '../../src/hw/index.js';

const gpu = (): ModelGpu => new ModelGpu({ platform: platformByName('SKL')!, poolPages: 1024 });

describe('registers', () => {
  it.each([
    [0xa278, 0x0d84],
    [0xa270, 0x0d88],
    [0xa188, 0x130044],
  ])('forcewake %i is acknowledged at %i, bit by bit', (request, acknowledge) => {
    const device = gpu();
    device.write32(request, 0x0001_0001);
    device.write32(request, 0x0002_0002);
    expect(device.read32(acknowledge)).toBe(3);
    device.write32(request, 0x0001_0000);
    expect(device.read32(acknowledge)).toBe(2);
  });

  it('the power controller mailbox is ready at once, with an answer', () => {
    const device = gpu();
    device.write32(0x138124, 0x80000006);
    expect(device.read32(0x138124)).toBe(0);
    expect(device.read32(0x138128)).toBe(0x1e1a1100);
  });

  it('TLB invalidations clear themselves', () => {
    const device = gpu();
    for (const offset of [0x4260, 0x4264, 0x426c, 0x4270, 0x101008]) {
      device.write32(offset, 1);
      expect(device.read32(offset)).toBe(0);
    }
  });

  it('without behaviour are storage, and what is no register is counted', () => {
    const device = gpu();
    device.write32(0x45400, 0xffff_ffff);
    expect(device.read32(0x45400)).toBe(0xffff_ffff);
    expect(device.read32(0x200000)).toBe(0);
    expect(device.read32(0x45401)).toBe(0);
    device.write32(-4, 1);
    expect(device.strayAccesses).toBe(3);
  });

  it('are there for every fence, and GGTT entries for all of the graphics address space', () => {
    const device = gpu();
    device.write32(0x100000 + 31 * 8, 5);
    expect(device.read32(0x1000f8)).toBe(5);
    device.writeGgtt(0xfffff, 0xabc001, 0x3);
    expect([device.readGgttLo(0xfffff), device.readGgttHi(0xfffff)]).toEqual([0xabc001, 3]);
    expect(() => device.writeGgtt(0x100000, 1, 0)).toThrow(expect.objectContaining({ code: 'XENGT_E_GGTT' }));
  });
});

it('a cost model in which something is free is refused: a loop of it would never end', () => {
  const platform = platformByName('SKL')!;
  expect(() => new ModelGpu({ platform, cost: { ...DEFAULT_COST, jump: 0 } })).toThrow(/cost.jump is 0/);
});
