/**
 * Submission by ring buffers, as Haswell has it: the registers beside those that every command streamer has, the commands
 * that switch contexts, and bits that ring drivers use.
 * Source: PRM HSW Vol 2c RING_BUFFER_*, PP_DIR_BASE, PP_DCLV, INSTPM, CCID; Vol 2a MI_SET_CONTEXT; public i915
 * gt/intel_engine_regs.h, gt/intel_ring_submission.c.
 */
import { BCS, type EngineId, RCS, VCS, VCS2, VECS } from './engines.js';

/** Offsets from an engine's mmioBase. */
export const RING7 = {
  PSMI_CTL: 0x50,
  /** Which of the directory's 32 cache lines count. */
  PP_DCLV: 0x220,
  PP_DIR_BASE: 0x228,
} as const;
export const PP_DCLV_ALL = 0xffffffff;

/** Addresses of the status pages are with the memory interface, not with the rings. */
export const HWS_PGA_GEN7: Readonly<Record<EngineId, number>> = {
  [RCS]: 0x4080,
  [VCS]: 0x4180,
  [BCS]: 0x4280,
  [VECS]: 0x4380,
  // There is none on Haswell; the number keeps the table whole.
  [VCS2]: 0x4480,
};

export function engineOfHwsPga(offset: number): EngineId | -1 {
  for (const engine of [RCS, BCS, VCS, VECS] as const) if (HWS_PGA_GEN7[engine] === offset) return engine;
  return -1;
}

/** Current logical context of the render engine: bits 31:12 its address in the global GTT, bit 0 valid. */
export const CCID = 0x2180;

/** MI_SET_CONTEXT, second dword. */
export const SET_CONTEXT = {
  RESTORE_INHIBIT: 1 << 0,
  FORCE_RESTORE: 1 << 1,
  MEMORY_GTT: 1 << 8,
  ADDRESS: 0xfffff000,
} as const;
/** Pages of a Haswell render context. Source: public i915 gt/intel_engine_cs.c, GEN7 context sizes: 17 pages. */
export const GEN7_CONTEXT_PAGES = 17;

/** MI_MODE: the ring shall stop, and is idle. */
export const STOP_RING = 1 << 8;
export const MODE_IDLE = 1 << 9;

/** INSTPM: a flush, and an invalidation of the TLBs, that read back clear when done. */
export const INSTPM_SYNC_FLUSH = 1 << 5;
export const INSTPM_TLB_INVALIDATE = 1 << 9;
