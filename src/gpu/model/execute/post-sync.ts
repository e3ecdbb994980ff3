/** PIPE_CONTROL and MI_FLUSH_DW: wait for what came before (nothing is ever outstanding here), then write and notify. */
import {
  FLUSH_ADDRESS_GGTT,
  FLUSH_NOTIFY_BIT,
  FLUSH_POST_SYNC_SHIFT,
  FLUSH_STORE_INDEX,
  MI_REGISTER_MASK,
  PC_GGTT,
  PC_NOTIFY,
  PC_POST_SYNC_LRI,
  PC_POST_SYNC_SHIFT,
  PC_STORE_INDEX,
  POST_SYNC,
} from '../../../hw/commands/index.js';
import { FLUSH_NOTIFY } from '../../../hw/index.js';
import { timestampAt } from '../device.js';
import type { Engine } from '../engine.js';
import type { Executor } from './types.js';

const TLB_INVALIDATE = 1 << 18;

/** Writes 64 bits at `address`: the immediate value, the pixels that passed the depth test, or the time. */
function postSync(engine: Engine, operation: number, address: number, global: boolean, lo: number, hi: number): void {
  if (operation === POST_SYNC.WRITE_TIMESTAMP) {
    const ticks = timestampAt(engine.time, engine.device.platform.timestampHz);
    lo = ticks % 2 ** 32;
    hi = Math.floor(ticks / 2 ** 32);
  } else if (operation === POST_SYNC.WRITE_DEPTH_COUNT) {
    // The model draws nothing, so no pixel passes.
    lo = 0;
    hi = 0;
  }
  engine.mmu.write32(address, global, lo);
  engine.mmu.write32(address + 4, global, hi);
}

export const pipeControl: Executor = (engine, dw, length) => {
  const flags = length > 1 ? dw[1]! : 0;
  const low = length > 2 ? dw[2]! : 0;
  const high = length > 3 ? dw[3]! : 0;
  const dataLo = length > 4 ? dw[4]! : 0;
  const dataHi = length > 5 ? dw[5]! : 0;
  if ((flags & TLB_INVALIDATE) !== 0) engine.mmu.flush();
  const operation = (flags >>> PC_POST_SYNC_SHIFT) & 3;
  if ((flags & PC_POST_SYNC_LRI) !== 0) {
    engine.loadRegister(low & MI_REGISTER_MASK, dataLo);
  } else if (operation !== POST_SYNC.NONE) {
    const indexed = (flags & PC_STORE_INDEX) !== 0;
    const global = indexed || engine.global(flags & PC_GGTT);
    const address = indexed ? engine.statusPage(low & 0xff8) : engine.address(low & ~7, high, global);
    postSync(engine, operation, address, global, dataLo, dataHi);
  }
  if ((flags & PC_NOTIFY) !== 0) engine.raise(FLUSH_NOTIFY);
  return engine.device.cost.flush;
};

export const flushDw: Executor = (engine, dw, length) => {
  const header = dw[0]!;
  if ((header & TLB_INVALIDATE) !== 0) engine.mmu.flush();
  const operation = (header >>> FLUSH_POST_SYNC_SHIFT) & 3;
  if (operation !== POST_SYNC.NONE && length >= 4) {
    const low = dw[1]!;
    const indexed = (header & FLUSH_STORE_INDEX) !== 0;
    const global = indexed || engine.global(low & FLUSH_ADDRESS_GGTT);
    const address = indexed ? engine.statusPage(low & 0xff8) : engine.address(low & ~7, dw[2]!, global);
    // The short form carries, and writes, 32 bits.
    if (operation === POST_SYNC.WRITE_IMMEDIATE && length === 4) engine.mmu.write32(address, global, dw[3]!);
    else postSync(engine, operation, address, global, dw[3]!, dw[4]!);
  }
  if ((header & FLUSH_NOTIFY_BIT) !== 0) engine.raise(FLUSH_NOTIFY);
  return engine.device.cost.flush;
};
