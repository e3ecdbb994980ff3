import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { XengtError } from '../../src/base/index.js';
import { platformByName } from '../../src/hw/index.js';
import { Partition, type PartitionSlice } from '../../src/vgpu/partition.js';
import { resolveType, vgpuTypes } from '../../src/vgpu/types.js';

const MIB = 2 ** 20;
const GGTT = 4096 * MIB;
const SKL = platformByName('SKL')!;
const BDW = platformByName('BDW')!;

const device = (apertureMiB: number) => new Partition({ apertureBytes: apertureMiB * MIB, ggttBytes: GGTT });

function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof XengtError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'nothing was refused';
}

describe('types', () => {
  test.each(['V5_8', 'GVTg_V5_8', 'i915-GVTg_V5_8'])('%s is the smallest type on Gen9', (name) => {
    expect(resolveType(name, SKL)).toMatchObject({ name: 'V5_8', lowMiB: 64, highMiB: 384, fences: 4, weight: 2 });
  });

  test('Gen8 has the same types under V4 names', () => {
    expect(vgpuTypes(BDW).map((type) => type.name)).toEqual(['V4_1', 'V4_2', 'V4_4', 'V4_8']);
    expect(resolveType('i915-GVTg_V4_1', BDW)).toMatchObject({ lowMiB: 512, highMiB: 2048, weight: 16 });
  });

  test.each(['V4_8', 'V5_3', 'v5_8', '', 'i915-V5_8'])('"%s" is refused with the names that exist', (name) => {
    expect(refusal(() => resolveType(name, SKL))).toBe(
      `XENGT_E_CONFIG: type: "${name}" is not a type of SKL; allowed are V5_1, V5_2, V5_4, V5_8`,
    );
  });
});

// Capacities as published for GVT-g: aperture MiB, then how many of V5_8, V5_4, V5_2, V5_1.
test.each([
  [256, { V5_8: 2, V5_4: 1, V5_2: 0, V5_1: 0 }],
  [512, { V5_8: 6, V5_4: 3, V5_2: 1, V5_1: 0 }],
  [1024, { V5_8: 7, V5_4: 5, V5_2: 2, V5_1: 1 }],
])('an aperture of %i MiB takes as many vGPUs of each type as it promises', (aperture, promised) => {
  for (const type of vgpuTypes(SKL)) {
    const partition = device(aperture);
    const count = promised[type.name as keyof typeof promised];
    expect(partition.availableInstances(type), type.name).toBe(count);
    for (let i = 0; i < count; i++) {
      partition.allocate({ ...type, holder: `vm${i}` });
      expect(partition.availableInstances(type)).toBe(count - i - 1);
    }
    expect(refusal(() => partition.allocate({ ...type, holder: 'one too many' }))).toMatch(
      /^XENGT_E_(NO_SPACE|CONFIG)/,
    );
  }
});

test('the host keeps the start of the aperture, of hidden memory and of the fences', () => {
  const partition = device(256);
  expect(partition.host).toEqual({
    holder: 'host',
    lowStart: 0,
    lowBytes: 128 * MIB,
    highStart: 256 * MIB,
    highBytes: 384 * MIB,
    fenceStart: 0,
    fenceCount: 4,
  });
  const slice = partition.allocate({ holder: 'a', lowMiB: 64, highMiB: 384, fences: 4 });
  expect(slice).toMatchObject({ lowStart: 128 * MIB, highStart: 640 * MIB, fenceStart: 4 });
});

test('a refusal names every resource that is short, how much is missing and who holds it', () => {
  const partition = device(256);
  partition.allocate({ holder: 'a', lowMiB: 96, highMiB: 3000, fences: 27 });
  expect(refusal(() => partition.allocate({ holder: 'b', lowMiB: 64, highMiB: 512, fences: 4 }))).toBe(
    'XENGT_E_NO_SPACE: no room for "b": ' +
      'low graphics memory (aperture): 64 MiB asked, 32 MiB free, 32 MiB missing; held by host 128 MiB, a 96 MiB. ' +
      'high graphics memory: 512 MiB asked, 456 MiB free, 56 MiB missing; held by host 384 MiB, a 3000 MiB. ' +
      'fences: 4 fences asked, 1 fences free, 3 fences missing; held by host 4 fences, a 27 fences',
  );
  expect(partition.slices, 'nothing was taken').toHaveLength(1);
});

test('free memory in pieces is called that', () => {
  const partition = device(512);
  const slices = ['a', 'b', 'c'].map((holder) => partition.allocate({ holder, lowMiB: 128, highMiB: 16, fences: 0 }));
  partition.free(slices[0]!);
  partition.free(slices[2]!);
  expect(refusal(() => partition.allocate({ holder: 'd', lowMiB: 200, highMiB: 16, fences: 0 }))).toMatch(
    /200 MiB asked, 128 MiB free \(256 MiB in all, in pieces\), 72 MiB missing; held by host 128 MiB, b 128 MiB/,
  );
  expect(partition.availableInstances({ lowMiB: 128, highMiB: 16, fences: 0 })).toBe(2);
});

test('the smallest gap that fits is used', () => {
  const partition = device(1024);
  const sizes = [64, 32, 128, 16];
  const slices = sizes.map((lowMiB, i) => partition.allocate({ holder: `${i}`, lowMiB, highMiB: 16, fences: 1 }));
  partition.free(slices[0]!);
  partition.free(slices[2]!);
  const small = partition.allocate({ holder: 's', lowMiB: 48, highMiB: 16, fences: 1 });
  expect(small.lowStart).toBe(slices[0]!.lowStart);
});

test.each([
  [{ lowMiB: 8 }, 'lowMiB: 8 is not allowed; a whole number from 16 to 128 is'],
  [{ lowMiB: 64.5 }, 'lowMiB: 64.5 is not allowed; a whole number from 16 to 128 is'],
  [{ lowMiB: 256 }, 'lowMiB: 256 is not allowed; a whole number from 16 to 128 is'],
  [{ highMiB: Number.NaN }, 'highMiB: NaN is not allowed; a whole number from 16 to 3456 is'],
  [{ fences: -1 }, 'fences: -1 is not allowed; a whole number from 0 to 28 is'],
  [{ fences: 29 }, 'fences: 29 is not allowed; a whole number from 0 to 28 is'],
])('a size that the device could never give is refused with what it could: %j', (change, message) => {
  const request = { holder: 'x', lowMiB: 64, highMiB: 384, fences: 4, ...change };
  expect(refusal(() => device(256).allocate(request))).toBe(`XENGT_E_CONFIG: ${message}`);
});

test('a slice given back twice is refused', () => {
  const partition = device(256);
  const slice = partition.allocate({ holder: 'a', lowMiB: 16, highMiB: 16, fences: 1 });
  partition.free(slice);
  expect(refusal(() => partition.free(slice))).toMatch(/^XENGT_E_NOT_FOUND: "a" holds no such part/);
});

test('a device that is too small for the host is refused', () => {
  expect(refusal(() => device(64))).toMatch(/aperture of 64 MiB cannot hold the host's 128 MiB/);
  expect(refusal(() => new Partition({ apertureBytes: 256 * MIB, ggttBytes: 512 * MIB }))).toMatch(/GGTT of 512 MiB/);
});

test('slices never overlap each other or the host, whatever comes and goes, and all comes back', () => {
  const request = fc.record({
    lowMiB: fc.integer({ min: 16, max: 200 }),
    highMiB: fc.integer({ min: 16, max: 900 }),
    fences: fc.integer({ min: 0, max: 9 }),
  });
  const actions = fc.array(fc.oneof(request, fc.nat({ max: 20 })), { maxLength: 40 });
  const apart = (a: number, an: number, b: number, bn: number) => an === 0 || bn === 0 || a + an <= b || b + bn <= a;
  fc.assert(
    fc.property(actions, (list) => {
      const partition = device(1024);
      const held: PartitionSlice[] = [];
      for (const action of list) {
        if (typeof action === 'number') {
          const [gone] = held.splice(action, 1);
          if (gone !== undefined) partition.free(gone);
          continue;
        }
        const possible = partition.availableInstances(action) > 0;
        const answer = refusal(() => held.push(partition.allocate({ ...action, holder: 'x' })));
        expect(answer.startsWith('XENGT_E_NO_SPACE')).toBe(!possible);
      }
      const all = [partition.host, ...held];
      for (const a of all) {
        expect(a.lowStart + a.lowBytes).toBeLessThanOrEqual(1024 * MIB);
        expect(a.highStart).toBeGreaterThanOrEqual(1024 * MIB);
        expect(a.highStart + a.highBytes).toBeLessThanOrEqual(GGTT);
        expect(a.fenceStart + a.fenceCount).toBeLessThanOrEqual(32);
        for (const b of all) {
          if (a === b) continue;
          expect(apart(a.lowStart, a.lowBytes, b.lowStart, b.lowBytes)).toBe(true);
          expect(apart(a.highStart, a.highBytes, b.highStart, b.highBytes)).toBe(true);
          expect(apart(a.fenceStart, a.fenceCount, b.fenceStart, b.fenceCount)).toBe(true);
        }
      }
      for (const one of held) partition.free(one);
      expect(partition.availableInstances({ lowMiB: 896, highMiB: 2688, fences: 28 })).toBe(1);
    }),
    { numRuns: 100 },
  );
});
