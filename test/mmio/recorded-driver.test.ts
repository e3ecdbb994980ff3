/** The register traffic of a real driver (i915 6.12 with a DP monitor and a text console) against the register map. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { registerName } from '../../src/hw/index.js';
import { SKL, vgpuOf } from './harness.js';

/** Lines of: R or W, offset, bytes, value (hex), in the order in which the driver made them. */
const TRAFFIC = gunzipSync(readFileSync(new URL('fixtures/i915-6.12-monitor.mmio.gz', import.meta.url)))
  .toString()
  .trimEnd()
  .split('\n')
  .map((line) => {
    const [direction, offset, bytes, value] = line.split(' ');
    return { write: direction === 'W', offset: Number.parseInt(offset!, 16), bytes: Number(bytes), value: value! };
  });

/** Registers that need no more than the register file: it must answer what made the recorded driver happy. */
const ANSWERED = [
  0x9120, // FUSE2
  0x9134, // EU_DISABLE0
  0xc000, // GUC_STATUS
  0x42000, // FUSE_STATUS
  0x45008, // DBUF_CTL
  0x45404, // PWR_WELL_CTL2
  0x46000, // CDCLK_CTL
  0x138124, // PCODE_MAILBOX
  0x138128, // PCODE_DATA
  0x20d0, // RING_RESET_CTL of each engine
  0x120d0,
  0x1a0d0,
  0x220d0,
  0x4260, // TLB invalidation
  0x64838, // EDP_PSR_IIR
];

function replay(): {
  unknown: string[];
  refusals: string[];
  answers: Map<number, string[]>;
  recorded: Map<number, string[]>;
} {
  const { regs, refusals } = vgpuOf(SKL);
  const answers = new Map<number, string[]>(ANSWERED.map((offset) => [offset, []]));
  const recorded = new Map<number, string[]>(ANSWERED.map((offset) => [offset, []]));
  for (const { write, offset, bytes, value } of TRAFFIC) {
    const lo = Number.parseInt(value.slice(-8), 16);
    const hi = value.length > 8 ? Number.parseInt(value.slice(0, -8), 16) : 0;
    if (write) {
      regs.write(offset, bytes, lo, hi);
    } else {
      const answer = regs.read(offset, bytes);
      answers.get(offset)?.push(answer.toString(16));
      recorded.get(offset)?.push(value);
    }
  }
  return {
    unknown: regs.unknown().map(({ offset }) => registerName(SKL, offset)),
    refusals: [...new Set(refusals)],
    answers,
    recorded,
  };
}

describe('a recorded driver', () => {
  const result = replay();

  it('made the accesses that the recording is known for', () => {
    expect(TRAFFIC.length).toBe(28649);
    expect(new Set(TRAFFIC.map(({ offset }) => offset)).size).toBe(616);
  });
  it('touches no register that the map does not know', () => {
    expect(result.unknown).toEqual([]);
  });
  it('is refused nothing', () => {
    expect(result.refusals).toEqual([]);
  });
  it.each(ANSWERED.map((offset) => [registerName(SKL, offset), offset] as const))(
    'gets the answers it got from %s',
    (_name, offset) => {
      expect(result.recorded.get(offset)!.length).toBeGreaterThan(0);
      expect(result.answers.get(offset)).toEqual(result.recorded.get(offset));
    },
  );
});
