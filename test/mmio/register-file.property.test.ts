import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { R, type RegisterRow } from '../../src/hw/index.js';
import { compilePolicy } from '../../src/mmio/index.js';
import { SKL, TestVgpu } from './harness.js';
import { ReferenceFile } from './reference.js';

const BASE = 0x1000;
const SPAN = 64;
const NO_HANDLERS = { read: {}, write: {} };

const u32 = fc.integer({ min: 0, max: 0xffffffff });
const half = fc.integer({ min: 0, max: 0xffff });

/** One register of any kind, at a dword of the test's span. */
const row = (dword: number): fc.Arbitrary<RegisterRow[]> => {
  const at = { name: `R${dword}`, offset: BASE + 4 * dword };
  return fc.oneof<fc.Arbitrary<RegisterRow[]>[]>(
    fc.constant([]),
    fc.constant([at]),
    fc.record({ reset: u32 }).map((columns) => [{ ...at, ...columns, flags: R.RO }]),
    fc.record({ reset: u32, writeMask: u32, w1c: u32 }).map((columns) => [{ ...at, ...columns }]),
    fc
      .record({ reset: half, writeMask: half, w1c: half })
      .map((columns) => [{ ...at, ...columns, flags: R.MODE_MASK | R.CMD }]),
    fc
      .record({ reset: u32, odd: fc.integer({ min: 1, max: 0xffff }), left: fc.boolean() })
      .map(({ reset, odd, left }) => {
        // Every second bit, so that requests and states never meet.
        let low = 0;
        for (let bit = 0; bit < 16; bit++) if ((odd & (1 << bit)) !== 0) low = (low | (1 << (2 * bit))) >>> 0;
        const high = (low << 1) >>> 0;
        return [{ ...at, reset, mirror: left ? ([low, high] as const) : ([high, low] as const) }];
      }),
  );
};

const table = fc
  .tuple(...Array.from({ length: SPAN / 4 }, (_, dword) => row(dword)))
  .map((rows): RegisterRow[] => [...rows.flat(), { name: 'ELSEWHERE', offset: 0 }]);

interface Access {
  readonly offset: number;
  readonly bytes: 1 | 2 | 4 | 8;
  readonly lo: number;
  readonly hi: number;
  readonly write: boolean;
}
const access: fc.Arbitrary<Access> = fc
  .record({
    bytes: fc.constantFrom<1 | 2 | 4 | 8>(1, 2, 4, 8),
    slot: fc.nat(SPAN - 1),
    lo: u32,
    hi: u32,
    write: fc.boolean(),
  })
  .map(({ slot, bytes, ...rest }) => {
    const step = Math.min(bytes, 4);
    const offset = Math.min(slot - (slot % step), SPAN - bytes);
    return { ...rest, bytes, offset: BASE + offset };
  });

const bytesOf = (lo: number, hi: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => Math.floor((i < 4 ? lo : hi) / 2 ** (8 * (i % 4))) % 256);

describe('register accesses of any width', () => {
  it('do what the slow bit-by-bit reference does', () => {
    fc.assert(
      fc.property(table, fc.array(access, { maxLength: 40 }), (rows, accesses) => {
        const vgpu = new TestVgpu(SKL, compilePolicy(SKL, rows, NO_HANDLERS));
        const reference = new ReferenceFile(rows);
        for (const { offset, bytes, lo, hi, write } of accesses) {
          if (write) {
            vgpu.regs.write(offset, bytes, lo, hi);
            const all = bytesOf(lo, hi, bytes);
            for (let i = 0; i < bytes; i += 4 - ((offset + i) % 4)) {
              const first = (offset + i) % 4;
              reference.writeDword(offset + i - first, first, all.slice(i, i + 4 - first));
            }
          } else {
            const expected = Array.from({ length: bytes }, (_, i) => reference.readByte(offset + i));
            const value = vgpu.regs.read(offset, bytes);
            expect(bytesOf(value, vgpu.regs.readHi, bytes)).toEqual(expected);
          }
        }
        expect(vgpu.refusals.length).toBe(reference.refusals);
        for (let at = BASE; at < BASE + SPAN; at++) expect(vgpu.regs.read(at, 1)).toBe(reference.readByte(at));
      }),
      { numRuns: 400 },
    );
  });
});

describe('saved registers', () => {
  it('come back as they were, whatever the guest wrote', () => {
    const policy = compilePolicy(SKL, [{ name: 'A', offset: 0x100, reset: 5 }], NO_HANDLERS);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(0x7ffff), u32), { maxLength: 50 }), (writes) => {
        const one = new TestVgpu(SKL, policy);
        const two = new TestVgpu(SKL, policy);
        for (const [at, value] of writes) one.regs.write(at * 4, 4, value);
        two.regs.write(0x104, 4, 0xdead);
        two.regs.restore(one.regs.save());
        expect(Buffer.compare(Buffer.from(two.regs.bank.buffer), Buffer.from(one.regs.bank.buffer))).toBe(0);
      }),
      { numRuns: 25 },
    );
  });
});
