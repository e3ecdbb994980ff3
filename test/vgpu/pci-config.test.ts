import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { platformByName, VGPU_PLATFORMS } from '../../src/hw/index.js';
import { PciConfig } from '../../src/vgpu/pci-config.js';

const SKL = platformByName('SKL')!;
const APERTURE = 256 * 2 ** 20;

let told: unknown[][];
let pci: PciConfig;

beforeEach(() => {
  told = [];
  pci = make();
});

function make(apertureBytes = APERTURE): PciConfig {
  return new PciConfig(
    { platform: SKL, apertureBytes },
    {
      onMemoryDecode: (enabled) => told.push(['decode', enabled]),
      onBarMoved: (bar, address) => told.push(['bar', bar, address]),
      onMsi: (enabled, address, data) => told.push(['msi', enabled, address, data]),
      onAsls: (gpa) => told.push(['asls', gpa]),
      onSwsci: () => told.push(['swsci']),
      onPower: (state) => told.push(['power', state]),
    },
  );
}

test.each(VGPU_PLATFORMS)('a guest on $name finds an Intel display controller of its generation', (platform) => {
  const config = new PciConfig({ platform, apertureBytes: APERTURE });
  expect(config.read(0x00, 4)).toBe(((platform.deviceId << 16) | 0x8086) >>> 0);
  expect(config.read(0x08, 4)).toBe(0x03000000 | platform.revision);
  expect(config.read(0x0e, 1), 'header type').toBe(0);
  expect(config.read(0x2c, 4)).toBe(0x20158086);
  expect(config.read(0x3c, 2), 'INTA').toBe(0x0100);
});

test('8 MiB of GGTT entries and no stolen memory', () => {
  expect(pci.read(0x50, 2)).toBe(0xc0);
  expect(pci.read(0x5c, 4)).toBe(0);
});

test('the capability list is MSI, then power management', () => {
  expect(pci.read(0x06, 2) & 0x10).toBe(0x10);
  expect(pci.read(0x34, 1)).toBe(0xac);
  expect(pci.read(0xac, 2)).toBe(0xd005);
  expect(pci.read(0xae, 2)).toBe(0);
  expect(pci.read(0xd0, 2)).toBe(0x0001);
});

describe('BARs', () => {
  // Value to expect after all ones were written.
  test.each([
    [0x10, 0xff000004],
    [0x14, 0xffffffff],
    [0x18, 0xf000000c],
    [0x1c, 0xffffffff],
    [0x20, 0],
    [0x24, 0],
    [0x30, 0],
  ])('sizing the dword at 0x%s', (offset, size) => {
    const before = pci.read(offset, 4);
    pci.write(offset, 4, 0xffffffff);
    expect(pci.read(offset, 4)).toBe(size);
    pci.write(offset, 4, before);
    expect(pci.read(offset, 4)).toBe(before);
    expect(told).toEqual([]);
  });

  test.each([128, 256, 512, 1024, 4096])('an aperture of %i MiB shows in BAR2', (megabytes) => {
    const config = make(megabytes * 2 ** 20);
    config.write(0x18, 4, 0xffffffff);
    config.write(0x1c, 4, 0xffffffff);
    const hi = BigInt(config.read(0x1c, 4));
    const lo = BigInt(config.read(0x18, 4) & ~0xf) & 0xffffffffn;
    expect(-BigInt.asIntN(64, (hi << 32n) | lo)).toBe(BigInt(megabytes) << 20n);
  });

  test('addresses are told when decoding begins, and moves while it lasts', () => {
    pci.write(0x10, 4, 0xfd000000);
    pci.write(0x18, 4, 0xe0000000);
    pci.write(0x1c, 4, 0x38);
    expect(told).toEqual([]);
    pci.write(0x04, 2, 0x0103);
    expect(told).toEqual([
      ['bar', 0, 0xfd000000],
      ['bar', 2, 0x38_e0000000],
      ['decode', true],
    ]);
    told.length = 0;
    pci.write(0x04, 2, 0x0503);
    expect(told).toEqual([]);
    pci.write(0x18, 8, 0xc0000000, 0x40);
    expect(told).toEqual([['bar', 2, 0x40_c0000000]]);
    told.length = 0;
    pci.write(0x04, 2, 0x0100);
    expect(told).toEqual([['decode', false]]);
    expect(pci.barAddress(0)).toBe(0xfd000000);
  });

  test('a disabled, resized and enabled BAR, as Linux does it, ends where it was', () => {
    pci.write(0x10, 4, 0xfd000000);
    pci.write(0x04, 2, 0x0103);
    told.length = 0;
    pci.write(0x04, 2, 0x0100);
    pci.write(0x10, 4, 0xffffffff);
    pci.write(0x10, 4, 0xfd000004);
    pci.write(0x04, 2, 0x0103);
    expect(told).toEqual([
      ['decode', false],
      ['bar', 0, 0xfd000000],
      ['bar', 2, 0],
      ['decode', true],
    ]);
  });

  test.each([0, 1.5 * 2 ** 20, 3 * 2 ** 20, 2 ** 33])('an aperture of %i bytes is refused', (bytes) => {
    expect(() => make(bytes)).toThrow(/not a power of two/);
  });
});

describe('MSI', () => {
  test('a guest that programs and then enables its message gets exactly that message', () => {
    pci.write(0xb0, 4, 0xfee00000);
    pci.write(0xb4, 2, 0x25);
    expect(told).toEqual([]);
    pci.write(0xae, 2, 1);
    expect(told).toEqual([['msi', true, 0xfee00000, 0x25]]);
    expect(pci.msi).toEqual({ enabled: true, address: 0xfee00000, data: 0x25 });
    pci.write(0xae, 2, 1);
    pci.write(0xb0, 4, 0xfee01000);
    pci.write(0xb4, 2, 0x26);
    pci.write(0xae, 2, 0);
    expect(told.slice(1)).toEqual([
      ['msi', true, 0xfee01000, 0x25],
      ['msi', true, 0xfee01000, 0x26],
      ['msi', false, 0xfee01000, 0x26],
    ]);
  });

  test('nothing but the enable bit of the control word can be written', () => {
    pci.write(0xae, 2, 0xffff);
    expect(pci.read(0xae, 2)).toBe(1);
  });
});

test('an OpRegion call is a rise of the trigger with SCI selected', () => {
  pci.write(0xe8, 2, 0x0001);
  expect(told, 'not selected').toEqual([]);
  pci.write(0xe8, 2, 0x8001);
  expect(told, 'no rise').toEqual([]);
  pci.write(0xe8, 2, 0x8000);
  pci.write(0xe8, 2, 0x8001);
  expect(told).toEqual([['swsci']]);
  pci.write(0xe8, 2, 0x8001);
  expect(told).toHaveLength(1);
});

test('ASLS is told when firmware writes it', () => {
  pci.write(0xfc, 4, 0x7ffe0000);
  pci.write(0xfc, 4, 0x7ffe0000);
  expect(told).toEqual([['asls', 0x7ffe0000]]);
  expect(pci.read(0xfc, 4)).toBe(0x7ffe0000);
});

test('going to D3hot is remembered over the reset that follows', () => {
  pci.write(0xd4, 2, 0x0003);
  expect(told).toEqual([['power', 3]]);
  expect(pci.d3Entered).toBe(true);
  pci.reset();
  expect(told.at(-1)).toEqual(['power', 0]);
  expect(pci.d3Entered).toBe(true);
});

test('STATUS error bits clear when 1 is written, the rest of it stays', () => {
  pci.restore({ space: pci.save().space.fill(0xf9, 7, 8), d3Entered: false });
  pci.write(0x04, 4, 0x0900_0000);
  expect(pci.read(0x06, 2)).toBe(0xf010);
  pci.setInterruptStatus(true);
  expect(pci.read(0x06, 2)).toBe(0xf018);
  pci.write(0x06, 2, 0xffff);
  expect(pci.read(0x06, 2)).toBe(0x0018);
  pci.setInterruptStatus(false);
  expect(pci.read(0x06, 2)).toBe(0x0010);
});

test('odd widths, misaligned accesses and those beyond 256 bytes read zero, change nothing and are counted', () => {
  const before = pci.save();
  const bad: [number, number][] = [
    [0, 3],
    [0, 0],
    [0, 16],
    [1, 2],
    [0x12, 4],
    [0xfc, 8],
    [0x100, 4],
    [-4, 4],
    [Number.NaN, 1],
  ];
  for (const [offset, bytes] of bad) {
    pci.write(offset, bytes, 0xffffffff, 0xffffffff);
    expect(pci.read(offset, bytes)).toBe(0);
  }
  expect(pci.refused['config-access']).toBe(2 * bad.length);
  expect(pci.save()).toEqual(before);
});

test('reset puts everything back and tells that nothing is decoded any more', () => {
  const fresh = pci.save();
  pci.write(0x04, 2, 0x0107);
  pci.write(0xb0, 4, 0xfee00000);
  pci.write(0xae, 2, 1);
  pci.write(0x3c, 1, 10);
  told.length = 0;
  pci.reset();
  expect(pci.save()).toEqual(fresh);
  expect(told).toEqual([
    ['decode', false],
    ['msi', false, 0, 0],
  ]);
});

test('a saved space comes back as it was, and is told', () => {
  pci.write(0x10, 4, 0xfd000000);
  pci.write(0x04, 2, 0x0103);
  pci.write(0xb0, 4, 0xfee00000);
  pci.write(0xae, 2, 1);
  pci.write(0xfc, 4, 0x1000);
  pci.write(0xe8, 2, 0x8001);
  const saved = structuredClone(pci.save());
  told.length = 0;
  const other = make();
  other.restore(saved);
  expect(other.save()).toEqual(saved);
  expect(told).toEqual([
    ['bar', 0, 0xfd000000],
    ['bar', 2, 0],
    ['decode', true],
    ['msi', true, 0xfee00000, 0],
  ]);
  expect(() => other.restore({ space: new Uint8Array(4), d3Entered: false })).toThrow(/4 bytes/);
});

test('whatever is written and how wide, bits outside of the writable ones never change', () => {
  // An independent list of writable bytes: offset, mask.
  const writable = new Map<number, number>([
    [0x04, 0xff],
    [0x05, 0x07],
    [0x0c, 0xff],
    [0x13, 0xff],
    [0x1b, 0xf0],
    [0x3c, 0xff],
    [0xae, 0x01],
    [0xb0, 0xfc],
    [0xd4, 0x03],
    ...[0x14, 0x15, 0x16, 0x17, 0x1c, 0x1d, 0x1e, 0x1f, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xe8, 0xe9].map(
      (offset): [number, number] => [offset, 0xff],
    ),
    ...[0xfc, 0xfd, 0xfe, 0xff].map((offset): [number, number] => [offset, 0xff]),
  ]);
  const access = fc.constantFrom(1, 2, 4, 8).chain((bytes) =>
    fc.record({
      bytes: fc.constant(bytes),
      offset: fc.nat({ max: 256 / bytes - 1 }).map((n) => n * bytes),
      lo: fc.nat({ max: 0xffffffff }),
      hi: fc.nat({ max: 0xffffffff }),
    }),
  );
  fc.assert(
    fc.property(fc.array(access, { maxLength: 60 }), (accesses) => {
      const config = make();
      const model = config.save().space;
      for (const { offset, bytes, lo, hi } of accesses) {
        config.write(offset, bytes, lo, hi);
        const value = (BigInt(hi) << 32n) | BigInt(lo);
        for (let i = 0; i < bytes; i++) {
          const byte = Number((value >> BigInt(8 * i)) & 0xffn);
          const mask = writable.get(offset + i) ?? 0;
          model[offset + i] = (model[offset + i]! & ~mask) | (byte & mask);
        }
        expect(BigInt(config.read(offset, bytes)) | (BigInt(config.readHi) << 32n)).toBe(
          model.slice(offset, offset + bytes).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n),
        );
      }
      expect(config.save().space).toEqual(model);
    }),
  );
});
