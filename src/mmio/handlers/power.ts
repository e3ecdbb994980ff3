/** Handlers of power and clocks: forcewake, the power control unit's mailbox, PLL locks, the sideband port. */
import { P_GEN9 } from '../../hw/index.js';
import type { MmioContext, ReadHandler, WriteHandler } from '../context.js';

/** Request register -> register that acknowledges it. Source: public i915_reg.h, FORCEWAKE_*. */
const ACK_RENDER = 0xd84;
const ACK_MEDIA = 0xd88;
const ACK_MT = 0x130044;

/** A vGPU is always awake: what is asked for is acknowledged at once. */
export const forcewake: WriteHandler<MmioContext> = (ctx, offset, value, mask) => {
  const { regs } = ctx;
  regs.store(offset, value, mask);
  const ack = offset === 0xa278 ? ACK_RENDER : offset === 0xa270 ? ACK_MEDIA : ACK_MT;
  regs.bank[ack >>> 2] = regs.bank[offset >>> 2]! & 0xffff;
};

/** Mailbox: bit 31 starts, bits 7:0 hold the command and afterwards the error. Source: public i915_reg.h, GEN6_PCODE_*. */
const PCODE_READY = 0x80000000;
const PCODE_DATA = 0x138128 >>> 2;
const READ_RC6VIDS = 0x05;
const READ_MEM_LATENCY = 0x06;
const CDCLK_CONTROL = 0x07;
const SAGV_CONTROL = 0x21;
/** Memory latency of watermark levels 0..3 and 4..7, a byte each in µs: a desktop Skylake's. */
const LATENCY_LOW = 0x1e1a1100;
const LATENCY_HIGH = 0x61514b3d;
const CDCLK_READY_FOR_CHANGE = 1;
const SAGV_IS_DISABLED = 1;

function pcodeAnswer(platformBit: number, command: number, data: number): number {
  if (command === READ_RC6VIDS) return data | 1;
  if ((platformBit & P_GEN9) === 0) return data;
  if (command === READ_MEM_LATENCY) return data === 0 ? LATENCY_LOW : LATENCY_HIGH;
  if (command === CDCLK_CONTROL) return CDCLK_READY_FOR_CHANGE;
  if (command === SAGV_CONTROL) return SAGV_IS_DISABLED;
  return data;
}

/** Every command succeeds at once: ready and error bits read back clear. */
export const pcode: WriteHandler<MmioContext> = (ctx, offset, value, mask) => {
  const { bank } = ctx.regs;
  const at = offset >>> 2;
  ctx.regs.store(offset, value, mask);
  const mailbox = bank[at]!;
  if ((mailbox & PCODE_READY) === 0) return;
  bank[PCODE_DATA] = pcodeAnswer(ctx.platform.bit, mailbox & 0xff, bank[PCODE_DATA]!);
  bank[at] = mailbox & ~(PCODE_READY | 0xff);
};

/** LCPLL_CTL of Gen8. Source: public i915_reg.h, LCPLL_*. */
const LCPLL_PLL_DISABLE = 0x80000000;
const LCPLL_PLL_LOCK = 0x40000000;
const LCPLL_CD_SOURCE_FCLK = 1 << 21;
const LCPLL_CD_SOURCE_FCLK_DONE = 1 << 19;
export const lcpll: WriteHandler<MmioContext> = (ctx, offset, value, mask) => {
  const { bank } = ctx.regs;
  const at = offset >>> 2;
  ctx.regs.store(offset, value, mask);
  const next = bank[at]! & ~(LCPLL_PLL_LOCK | LCPLL_CD_SOURCE_FCLK_DONE);
  const lock = (next & LCPLL_PLL_DISABLE) === 0 ? LCPLL_PLL_LOCK : 0;
  const done = (next & LCPLL_CD_SOURCE_FCLK) !== 0 ? LCPLL_CD_SOURCE_FCLK_DONE : 0;
  bank[at] = next | lock | done;
};

/** Lock bits 0, 8, 16, 24 of DPLL 0..3, each enabled by bit 31 of its control register. */
const DPLL_CONTROLS = [0x46010 >>> 2, 0x46014 >>> 2, 0x46040 >>> 2, 0x46060 >>> 2] as const;
export const dpllStatus: ReadHandler<MmioContext> = (ctx) => {
  const { bank } = ctx.regs;
  let status = 0;
  for (let pll = 0; pll < 4; pll++) status |= (bank[DPLL_CONTROLS[pll]!]! >>> 31) << (8 * pll);
  return status;
};

/** Sideband: SBI_ADDR 31:16 the register, SBI_CTL_STAT 15:8 the operation, 16 the destination, 2:1 response, 0 busy. */
const SBI_ADDR = 0xc6000 >>> 2;
const SBI_DATA = 0xc6004 >>> 2;
const SBI_BUSY = 1;
const SBI_RESPONSE = 6;
/** I/O and configuration accesses, to the PHY and the clock unit. */
const SBI_IORD = 2;
const SBI_IOWR = 3;
const SBI_CRRD = 6;
const SBI_CRWR = 7;

/** Index of the pair that holds `key`, else of the first free pair, else -1. */
function sidebandPair(sideband: Uint32Array, key: number): number {
  for (let at = 0; at < sideband.length; at += 2) {
    if (sideband[at] === key || sideband[at] === 0) return at;
  }
  return -1;
}

/** Every transaction is over at once and succeeds; registers behind the port remember what was written. */
export const sbiCtl: WriteHandler<MmioContext> = (ctx, offset, value, mask) => {
  const { bank, sideband } = ctx.regs;
  const at = offset >>> 2;
  ctx.regs.store(offset, value, mask);
  const control = bank[at]!;
  if ((control & SBI_BUSY) === 0) return;
  bank[at] = control & ~(SBI_BUSY | SBI_RESPONSE);
  const operation = (control >>> 8) & 0xff;
  // Destination and register, never zero.
  const key = 0x80000000 + (((control >>> 16) & 1) << 16) + (bank[SBI_ADDR]! >>> 16);
  const pair = sidebandPair(sideband, key);
  if (operation === SBI_IORD || operation === SBI_CRRD) {
    bank[SBI_DATA] = pair >= 0 && sideband[pair] === key ? sideband[pair + 1]! : 0;
  } else if (operation === SBI_IOWR || operation === SBI_CRWR) {
    if (pair < 0) {
      ctx.refuse('sideband-full');
      return;
    }
    sideband[pair] = key;
    sideband[pair + 1] = bank[SBI_DATA]!;
  }
};
