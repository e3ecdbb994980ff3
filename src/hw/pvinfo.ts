/**
 * The PVINFO page: how a guest learns that it runs on a vGPU and which part of the device is its own.
 * Source: public i915_pvinfo.h (the guest driver's own header) and i915_vgpu.c.
 */
export const PVINFO_BASE = 0x78000;
export const PVINFO_SIZE = 0x1000;
/** "vGTvGTvG" as two little-endian dwords. */
export const PVINFO_MAGIC_LO = 0x76544776;
export const PVINFO_MAGIC_HI = 0x47765447;

/** Offsets from PVINFO_BASE. */
export const PVINFO = {
  MAGIC: 0x000,
  VERSION: 0x008,
  VGT_ID: 0x00c,
  CAPS: 0x010,
  MAPPABLE_BASE: 0x040,
  MAPPABLE_SIZE: 0x044,
  NONMAPPABLE_BASE: 0x048,
  NONMAPPABLE_SIZE: 0x04c,
  FENCE_NUM: 0x050,
  DISPLAY_READY: 0x804,
  G2V_NOTIFY: 0x818,
  CURSOR_X_HOT: 0x830,
  CURSOR_Y_HOT: 0x834,
  PDP0_LO: 0x838,
  CONTEXT_DESC_LO: 0x858,
  CONTEXT_DESC_HI: 0x85c,
} as const;

/** vgt_caps. */
export const CAP_FULL_PPGTT = 1 << 2;
export const CAP_HWSP_EMULATION = 1 << 3;
export const CAP_HUGE_GTT = 1 << 4;

/** Codes that a guest writes to G2V_NOTIFY. */
export const G2V = {
  PPGTT_L3_CREATE: 2,
  PPGTT_L3_DESTROY: 3,
  PPGTT_L4_CREATE: 4,
  PPGTT_L4_DESTROY: 5,
  CONTEXT_CREATE: 6,
  CONTEXT_DESTROY: 7,
} as const;
