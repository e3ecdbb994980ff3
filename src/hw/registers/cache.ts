/**
 * L3 and LNCF, the GuC's host interface, and the memory object control state (MOCS) tables.
 * Source: PRM SKL Vol 2c "L3*", "MOCS"; public i915 intel_gt_regs.h, intel_mocs.c, intel_guc_reg.h.
 */
import { P, P_BDW_UP, P_GEN9 } from '../platform.js';
import { unnamed } from './expand.js';
import { R, type RegisterRow } from './types.js';

const L3 = [
  { name: 'GARBCNTL', offset: 0xb004, flags: R.CMD, platforms: P_GEN9 },
  { name: 'SCRATCH_LNCF1', offset: 0xb008, platforms: P_BDW_UP },
  // LNCF MOCS: two 16-bit entries per dword.
  { name: 'LNCF_MOCS', offset: 0xb020, size: 128, flags: R.CMD, platforms: P_GEN9 },
  // Haswell's switches for atomics in the L3. Source: public i915 gt/intel_gt_regs.h.
  { name: 'SCRATCH1', offset: 0xb038, flags: R.CMD, platforms: P.HSW },
  { name: 'L3SQCREG1', offset: 0xb100, flags: R.CMD, platforms: P.BDW | P.BXT },
  { ...unnamed(0xb10c), flags: R.CMD, platforms: P.BDW },
  { name: 'REG_0xb110', offset: 0xb110, platforms: P.BDW },
  { name: 'L3SQCREG4', offset: 0xb118, flags: R.CMD, platforms: P_BDW_UP },
  { name: 'SCRATCH1', offset: 0xb11c, flags: R.CMD, platforms: P_GEN9 },
  { ...unnamed(0xb1c0), flags: R.CMD, platforms: P.BDW },
  { ...unnamed(0xb1f0), flags: R.CMD, platforms: P.BDW },
] as const satisfies readonly RegisterRow[];

const GUC = [
  // A vGPU has no GuC: the microcontroller stays in reset (bit 0), as hardware does without firmware.
  { name: 'GUC_STATUS', offset: 0xc000, reset: 1, flags: R.RO },
  { name: 'GUC_WOPCM_SIZE', offset: 0xc050, platforms: P_GEN9 },
  { name: 'GUC_SOFT_SCRATCH', offset: 0xc180, size: 64, platforms: P_GEN9 },
  { name: 'GUC_DMA_CTRL', offset: 0xc314, platforms: P_GEN9, write: 'dmaCtrl' },
  { name: 'GUC_WOPCM_OFFSET', offset: 0xc340, platforms: P_GEN9 },
  { name: 'REG_0xc3e8', offset: 0xc3e8, platforms: P_GEN9 },
] as const satisfies readonly RegisterRow[];

const MOCS = [
  // Sixty-four entries per engine, the rest of the block is reserved.
  { name: 'MOCS_RCS', offset: 0xc800, size: 256, flags: R.CMD, platforms: P_GEN9 },
  { name: 'MOCS_VCS', offset: 0xc900, size: 256, flags: R.CMD, platforms: P_GEN9 },
  { name: 'MOCS_VCS2', offset: 0xca00, size: 256, flags: R.CMD, platforms: P_GEN9 },
  { name: 'MOCS_VECS', offset: 0xcb00, size: 256, flags: R.CMD, platforms: P_GEN9 },
  { name: 'MOCS_BCS', offset: 0xcc00, size: 256, flags: R.CMD, platforms: P_GEN9 },
  { name: 'MOCS_RESERVED', offset: 0xcd00, size: 760, flags: R.CMD, platforms: P_GEN9 },
] as const satisfies readonly RegisterRow[];

export const CACHE_ROWS: readonly RegisterRow[] = [...L3, ...GUC, ...MOCS];
