/**
 * Execlist submission and status as data: the context status buffer and its copy in the hardware status page, engine mode
 * bits, ring control, engine reset. Source: PRM BDW Vol 7 "Execlists" and "Context Status"; PRM SKL Vol 2c GFX_MODE,
 * RING_BUFFER_CTL, GDRST; public i915 intel_engine_regs.h, intel_lrc_reg.h.
 */

/** Events of a context status entry. */
export const CSB = {
  IDLE_TO_ACTIVE: 1 << 0,
  PREEMPTED: 1 << 1,
  ELEMENT_SWITCH: 1 << 2,
  ACTIVE_TO_IDLE: 1 << 3,
  COMPLETE: 1 << 4,
  LITE_RESTORE: 1 << 15,
} as const;

export const CSB_ENTRIES = 6;
/** Write pointer after reset: nothing was ever written, the first entry will be 0. */
export const CSB_NOTHING_WRITTEN = 7;
/** Where the status page mirrors entries and write pointer, dwords. */
export const HWSP_CSB = 0x10;
export const HWSP_CSB_WRITE = 0x1f;

/** RING_MODE (GFX_MODE): execlists, and per-process page tables. */
export const RUN_LIST_ENABLE = 1 << 15;
export const PPGTT_ENABLE = 1 << 9;

/** RING_CTL: length of the ring less one page, and whether there is one. */
export const RING_CTL_SIZE = 0x1ff000;
export const RING_CTL_VALID = 1;

/** Engine reset: a bit per engine (ENGINES' resetBit), bit 0 for all; reads 0 when done. */
export const GDRST = 0x941c;
export const GDRST_FULL = 1;

/**
 * Fence registers: low dword first page | tiling | valid, high dword last page | pitch in 128 bytes less one.
 * Source: PRM SKL Vol 2c FENCE.
 */
export const FENCE_BASE = 0x100000;
export const FENCE_VALID = 1;
export const FENCE_TILE_Y = 2;
