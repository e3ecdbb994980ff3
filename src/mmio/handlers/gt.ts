/** Handlers of the GT: TLB, page-size switch, tiled-resource translation, preemption chickens, GuC, nonpriv slots. */
import { ENGINES, FORCE_NONPRIV_ALLOWED, MMIO_BYTES, RING } from '../../hw/index.js';
import { type MmioContext, merge, type WriteHandler } from '../context.js';

/** Bit 0 starts it. The invalidation is owed to the engine's next switch-in; the guest may go on at once. */
export const tlbControl: WriteHandler<MmioContext> = (ctx, offset, value) => {
  ctx.regs.bank[offset >>> 2] = 0;
  if ((value & 1) !== 0) ctx.tlbInvalidate(offset);
};

/** One bit per engine that makes it honour 64K pages. Shadowing does not know the engine, so all must agree. */
const IPS_ALL = 0xf;
export const gamwEcho: WriteHandler<MmioContext> = (ctx, offset, value, mask) => {
  const at = offset >>> 2;
  const next = merge(ctx.regs.bank[at]!, value, mask);
  const enabled = next & IPS_ALL;
  if (enabled !== 0 && enabled !== IPS_ALL) ctx.refuse('gamw-partial-64k');
  else ctx.regs.bank[at] = next;
};

/** Bit 0 enables, bit 1 says that the tables are in virtual memory; physical ones are nothing a guest may name. */
export const trtte: WriteHandler<MmioContext> = (ctx, offset, value, mask) => {
  const at = offset >>> 2;
  const next = merge(ctx.regs.bank[at]!, value, mask);
  if ((next & 3) === 1) ctx.refuse('trtt-physical');
  else ctx.regs.bank[at] = next;
};

/** Bits 3 and 4 change how the engine is preempted, which the mediator relies on. */
const CSFE_FORBIDDEN = 0x18;
export const csfeChicken: WriteHandler<MmioContext> = (ctx, offset, value, mask) => {
  const wanted = value & (value >>> 16) & CSFE_FORBIDDEN;
  ctx.regs.store(offset, value & ~((CSFE_FORBIDDEN << 16) | CSFE_FORBIDDEN), mask);
  if (wanted !== 0) ctx.failsafe('the guest changed how its engine is preempted (CSFE_CHICKEN1)');
};

/** Bit 0 starts a firmware load. It never happens, and the status register goes on saying that the GuC is in reset. */
export const dmaCtrl: WriteHandler<MmioContext> = (ctx, offset, value, mask) => {
  ctx.regs.store(offset, value & ~1, mask);
  if ((value & 1) !== 0) ctx.refuse('guc-firmware');
};

/** Address field of a slot; the bits above and below say range and direction. */
const NONPRIV_ADDRESS = 0x03fffffc;

/** One bit per dword of the window: registers that may be opened on every engine. */
const ALLOWED = new Uint32Array(MMIO_BYTES / 4 / 32);
for (const offset of FORCE_NONPRIV_ALLOWED) ALLOWED[offset >>> 7]! |= 1 << ((offset >>> 2) & 31);

/** Page of the window in which an engine's slots are -> its NOPID. */
const NOPID = new Map(ENGINES.map((engine) => [engine.mmioBase >>> 12, engine.mmioBase + RING.NOPID]));

export const forceNonpriv: WriteHandler<MmioContext> = (ctx, offset, value, mask) => {
  const register = value & NONPRIV_ADDRESS;
  const allowed = register < MMIO_BYTES && (ALLOWED[register >>> 7]! & (1 << ((register >>> 2) & 31))) !== 0;
  if (mask !== 0xffffffff || !(allowed || register === NOPID.get(offset >>> 12))) ctx.refuse('force-nonpriv');
  else ctx.regs.bank[offset >>> 2] = value;
};
