/**
 * The registers outside the engines that a driver of the device waits for: forcewake, the power controller's mailbox, TLB
 * invalidation, reset.
 * Source: PRM SKL Vol 2c; public i915 intel_uncore.c, intel_pcode.c and i915_reg.h.
 */
import { P_ALL, type Platform, R, REGISTER_ROWS } from '../../hw/index.js';
import type { RegisterFile } from './registers.js';

/** [request register (masked), acknowledge register]. */
const FORCEWAKE: readonly (readonly [request: number, acknowledge: number])[] = [
  [0xa278, 0x0d84],
  [0xa270, 0x0d88],
  [0xa188, 0x130044],
];

const GT_FIFO_FREE = 0x120008;
const GT_FIFO_ENTRIES = 0x7f;

const PCODE_MAILBOX = 0x138124;
const PCODE_DATA = 0x138128;
const PCODE_DATA1 = 0x13812c;
const PCODE_BUSY = 0x80000000;
const PCODE_ERROR = 0xff;
/** Commands that answer with data: [low, high]. The others only succeed. */
const PCODE_ANSWERS: Readonly<Record<number, readonly [number, number]>> = {
  6: [0x1e1a1100, 0x61514b3d], // memory latencies
  7: [1, 0], // clock change: ready
  33: [1, 0], // SAGV: done
};

export const GFX_FLUSH_CONTROL = 0x101008;

export function wirePlatformRegisters(registers: RegisterFile, platform: Platform): void {
  const masked = (offset: number, value: number): void => {
    registers.mergeMasked(offset, value);
  };
  const ofContexts = R.MODE_MASK | R.IN_CTX;
  for (const { flags = 0, platforms = P_ALL, offset } of REGISTER_ROWS) {
    if ((flags & ofContexts) === ofContexts && (platforms & platform.bit) !== 0) registers.onWrite(offset, masked);
  }
  for (const [request, acknowledge] of FORCEWAKE)
    registers.onWrite(request, (offset, value) => registers.set(acknowledge, registers.mergeMasked(offset, value)));
  registers.set(GT_FIFO_FREE, GT_FIFO_ENTRIES);
  registers.onWrite(PCODE_MAILBOX, (offset, value) => {
    const answer = PCODE_ANSWERS[value & PCODE_ERROR];
    if ((value & PCODE_BUSY) !== 0 && answer !== undefined) {
      registers.set(PCODE_DATA, answer[0]);
      registers.set(PCODE_DATA1, answer[1]);
    }
    registers.set(offset, value & ~(PCODE_BUSY | PCODE_ERROR));
  });
}
