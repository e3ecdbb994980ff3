/**
 * Registers that a guest may open to its unprivileged batches through a FORCE_TO_NONPRIV slot; besides these, the
 * engine's own RING_NOPID, which is how a driver marks a slot as unused.
 * Source: the allow list of GVT-g (drivers/gpu/drm/i915/gvt/handlers.c); names from public intel_gt_regs.h.
 */
export const FORCE_NONPRIV_ALLOWED = [
  0xd80,
  0x20ec, // CS_DEBUG_MODE1
  0x2248, // CTX_PREEMPT_REG
  0x2340, // CL_PRIMITIVES_COUNT
  0x2348, // PS_INVOCATION_COUNT
  0x2350, // PS_DEPTH_COUNT
  0x2580, // CS_CHICKEN1
  0x2690,
  0x2694,
  0x2698,
  0x2754,
  0x28a0,
  0x4de0, // TRVATTL3PTRDW_0
  0x4de4, // TRVATTL3PTRDW_1
  0x4dfc, // TRTT_CHICKEN
  0x7010, // COMMON_SLICE_CHICKEN1
  0x7014, // COMMON_SLICE_CHICKEN2
  0x7300, // HDC_CHICKEN0
  0x7304, // HDC_CHICKEN1
  0x7700,
  0x7704,
  0x7708,
  0x770c,
  0x83a8,
  0xb110,
  0xb118, // L3SQCREG4
  0xe100, // HALF_SLICE_CHICKEN1
  0xe18c,
  0xe48c,
  0xe5f4,
  0x64844,
] as const;
