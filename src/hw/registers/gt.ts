/**
 * GT: memory interface, translation, fuses, clock gating, fences, PVINFO and the memory controller's mirror.
 * Source: PRM SKL Vol 2c and Vol 5 "Memory Views"; public i915 intel_gt_regs.h, i915_pvinfo.h.
 */
import { P, P_BDW_UP, P_GEN9 } from '../platform.js';
import { unnamed } from './expand.js';
import { R, type RegisterRow } from './types.js';

const MODE = R.MODE_MASK | R.CMD;

const LOW = [
  unnamed(0x3c),
  // Legacy VGA ports; each dword holds byte-wide registers.
  { name: 'VGA_CR_INDEX_MDA', offset: 0x3b4 },
  { name: 'VGA_ST01_MDA', offset: 0x3b8 },
  { name: 'VGA_AR_INDEX', offset: 0x3c0 },
  { name: 'VGA_DACMASK', offset: 0x3c4 },
  { name: 'VGA_MSR_READ', offset: 0x3cc },
  unnamed(0x860),
  { ...unnamed(0xfdc), platforms: P_BDW_UP },
] as const satisfies readonly RegisterRow[];

const MEMORY_INTERFACE = [
  { name: 'GTT_CACHE_EN', offset: 0x4024, platforms: P_BDW_UP },
  { name: 'ARB_MODE', offset: 0x4030, flags: MODE },
  { ...unnamed(0x4068), platforms: P_GEN9 },
  { name: 'GAMW_ECO_DEV_RW_IA', offset: 0x4080, platforms: P_BDW_UP, write: 'gamwEcho' },
  { name: 'GAM_ECOCHK', offset: 0x4090, flags: R.CMD },
  { name: 'RING_FAULT_RCS', offset: 0x4094, flags: R.CMD, platforms: P_BDW_UP },
  { name: 'ERROR', offset: 0x40a0, platforms: P.BXT },
  { name: 'DONE_REG', offset: 0x40b0, platforms: P.BXT },
  { name: 'PRIVATE_PAT_LO', offset: 0x40e0, platforms: P_BDW_UP },
  { name: 'PRIVATE_PAT_HI', offset: 0x40e4, platforms: P_BDW_UP },
  { name: 'BSD_HWS_PGA', offset: 0x4180, flags: R.CMD | R.GMADR, platforms: P_BDW_UP },
  { name: 'RING_FAULT_VCS', offset: 0x4194, platforms: P_BDW_UP },
  unnamed(0x41d0),
  // TLB invalidation, one per engine: RCS, VCS, VCS2, BCS, VECS.
  { name: 'TLB_INV_RCS', offset: 0x4260, platforms: P_BDW_UP, write: 'tlbControl' },
  { name: 'TLB_INV_VCS', offset: 0x4264, platforms: P_BDW_UP, write: 'tlbControl' },
  { name: 'TLB_INV_VCS2', offset: 0x4268, platforms: P_BDW_UP, write: 'tlbControl' },
  { name: 'TLB_INV_BCS', offset: 0x426c, platforms: P_BDW_UP, write: 'tlbControl' },
  { name: 'TLB_INV_VECS', offset: 0x4270, platforms: P_BDW_UP, write: 'tlbControl' },
  { name: 'REG_0x4274', offset: 0x4274, platforms: P_BDW_UP, write: 'tlbControl' },
  { name: 'BLT_HWS_PGA', offset: 0x4280, flags: R.CMD | R.GMADR, platforms: P_BDW_UP },
  { name: 'RING_FAULT_BCS', offset: 0x4294, platforms: P_BDW_UP },
  { name: 'VEBOX_HWS_PGA', offset: 0x4380, flags: R.CMD | R.GMADR, platforms: P_BDW_UP },
  { name: 'RING_FAULT_VECS', offset: 0x4394, platforms: P_BDW_UP },
  { name: 'RING_FAULT_VCS2', offset: 0x4494, platforms: P_BDW_UP },
  { name: 'GAMTARBMODE', offset: 0x4a08, platforms: P_BDW_UP },
  { name: 'GAMT_ECO_REG_RW_IA', offset: 0x4ab0, flags: R.CMD, platforms: P_GEN9 },
  { name: 'GAMT_CHKN_BIT_REG', offset: 0x4ab8, flags: R.CMD, platforms: P.KBL | P.CFL | P.CML },
  { name: 'GAMT_CHKN_BIT_REG', offset: 0x4ab8, platforms: P.SKL | P.BXT },
  { name: 'FAULT_TLB_DATA0', offset: 0x4b10, platforms: P_BDW_UP },
  { name: 'FAULT_TLB_DATA1', offset: 0x4b14, platforms: P_BDW_UP },
  { name: 'L3_LRA_1_GPGPU', offset: 0x4dd4, platforms: P_BDW_UP },
  { name: 'MMCD_MISC_CTRL', offset: 0x4ddc, flags: R.CMD, platforms: P_GEN9 },
  { name: 'TRVATTL3PTRDW_0', offset: 0x4de0, flags: R.CMD | R.IN_CTX, platforms: P_GEN9 },
  { name: 'TRVATTL3PTRDW_1', offset: 0x4de4, flags: R.CMD | R.IN_CTX, platforms: P_GEN9 },
  { name: 'TRNULLDETCT', offset: 0x4de8, flags: R.CMD | R.IN_CTX, platforms: P_GEN9 },
  { name: 'TRINVTILEDETCT', offset: 0x4dec, flags: R.CMD | R.IN_CTX, platforms: P_GEN9 },
  { name: 'TRVADR', offset: 0x4df0, flags: R.CMD | R.IN_CTX, platforms: P_GEN9 },
  { name: 'TRTTE', offset: 0x4df4, flags: R.CMD | R.IN_CTX | R.PM_SAVE, platforms: P_GEN9, write: 'trtte' },
  { name: 'TRTT_CHICKEN', offset: 0x4dfc, flags: R.IN_CTX | R.PM_SAVE, platforms: P_GEN9 },
] as const satisfies readonly RegisterRow[];

/** Haswell's status page addresses, and what its engines' page faults leave. */
const HASWELL = [
  { name: 'RING_FAULT_RCS', offset: 0x4094, platforms: P.HSW },
  { name: 'RING_FAULT_VCS', offset: 0x4194, platforms: P.HSW },
  { name: 'RING_FAULT_BCS', offset: 0x4294, platforms: P.HSW },
  { name: 'RING_FAULT_VECS', offset: 0x4394, platforms: P.HSW },
  { name: 'RENDER_HWS_PGA', offset: 0x4080, flags: R.GMADR, platforms: P.HSW, write: 'hwsPgaWrite' },
  { name: 'BSD_HWS_PGA', offset: 0x4180, flags: R.CMD | R.GMADR, platforms: P.HSW, write: 'hwsPgaWrite' },
  { name: 'BLT_HWS_PGA', offset: 0x4280, flags: R.CMD | R.GMADR, platforms: P.HSW, write: 'hwsPgaWrite' },
  { name: 'VEBOX_HWS_PGA', offset: 0x4380, flags: R.CMD | R.GMADR, platforms: P.HSW, write: 'hwsPgaWrite' },
] as const satisfies readonly RegisterRow[];

const FUSES_AND_CLOCKS = [
  { name: 'IDICR', offset: 0x9008 },
  { name: 'MBCUNIT_SNPCR', offset: 0x900c, platforms: P_BDW_UP },
  { name: 'SUPER_QUEUE_CONFIG', offset: 0x902c },
  { name: 'SQ_CHICKEN_MBCUNIT_CONFIG', offset: 0x9030, flags: R.CMD },
  { name: 'FBC_LLC_READ_CTRL', offset: 0x9044 },
  // Boot fetch is the host's: bit 4 never sticks.
  { name: 'MBCTL', offset: 0x907c, writeMask: 0xffffffef },
  unnamed(0x911c),
  // One slice (bit 25), three subslices: Gen9 has four, the last fused off (bits 23:20); Gen8 has three.
  { name: 'FUSE2', offset: 0x9120, reset: 0x02800000, flags: R.RO, platforms: P_GEN9 },
  { name: 'FUSE2', offset: 0x9120, reset: 0x02000000, flags: R.RO, platforms: P.HSW | P.BDW },
  { name: 'EU_DISABLE0', offset: 0x9134, flags: R.RO, platforms: P_BDW_UP },
  { name: 'EU_DISABLE1', offset: 0x9138, flags: R.RO, platforms: P_BDW_UP },
  { name: 'EU_DISABLE2', offset: 0x913c, flags: R.RO, platforms: P_BDW_UP },
  { name: 'UCGCTL1', offset: 0x9400 },
  { name: 'UCGCTL2', offset: 0x9404 },
  { name: 'UCGCTL4', offset: 0x940c, flags: R.CMD },
  { name: 'GDRST', offset: 0x941c, write: 'gdrst' },
  { name: 'MISCCPCTL', offset: 0x9424, platforms: P_BDW_UP },
  { name: 'UCGCTL6', offset: 0x9430, flags: R.CMD, platforms: P_BDW_UP },
] as const satisfies readonly RegisterRow[];

const BLOCK_CONTROLS = [
  { name: 'RSTDBYCTL', offset: 0x111b8 },
  { name: 'GAC_ECO_BITS', offset: 0x14090 },
  { name: 'GAB_CTL', offset: 0x24000 },
  { ...unnamed(0x320f0), platforms: P_GEN9 },
] as const satisfies readonly RegisterRow[];

const APERTURE_SIDE = [
  { name: 'PVINFO', offset: 0x78000, size: 4096, flags: R.UNALIGNED, read: 'pvinfoRead', write: 'pvinfoWrite' },
  // Thirty-two fences of 64 bits; how many are the guest's own is in PVINFO.
  { name: 'FENCE', offset: 0x100000, size: 256, read: 'fenceRead', write: 'fenceWrite' },
  { name: 'DPFC_CONTROL_SA', offset: 0x100100 },
  { name: 'DPFC_CPU_FENCE_OFFSET_SA', offset: 0x100104 },
  { name: 'TILECTL', offset: 0x101000 },
  { name: 'GFX_FLSH_CNTL', offset: 0x101008 },
  { name: 'STOLEN_RESERVED', offset: 0x1082c0, platforms: P_GEN9 },
  { ...unnamed(0x110000), platforms: P_BDW_UP },
  // Errors of the GT FIFO, cleared by writing 1.
  { name: 'GTFIFODBG', offset: 0x120000, w1c: 0xffffffff, flags: R.CMD },
  { name: 'GTFIFOCTL', offset: 0x120008, flags: R.CMD },
  { name: 'EDRAM_CAP', offset: 0x120010 },
  // Mirror of the memory controller's registers. All zero: no memory timing, no frequency range to steer.
  { name: 'MCHBAR_MIRROR', offset: 0x140000, size: 0x40000, flags: R.RO, platforms: P_GEN9 & ~P.BXT },
  // Before Gen9 the display's memory latencies are here, and without them no watermark is valid and no mode can be set:
  // in 0.1 us for level 0 (bits 63:56), in 0.5 us for levels 1 to 4 (bits 11:4, 19:12, 28:20, 40:32). The values are those
  // that Broadwell machines log: 2, 2, 18, 45 and 80 us. Source: public i915 intel_mchbar_regs.h, SSKPD.
  { name: 'MCHBAR_MIRROR', offset: 0x140000, size: 0x5d10, flags: R.RO, platforms: P.HSW | P.BDW },
  { name: 'MCH_SSKPD', offset: 0x145d10, reset: 0x05a24040, flags: R.RO, platforms: P.HSW | P.BDW },
  { name: 'MCH_SSKPD_UDW', offset: 0x145d14, reset: 0x140000a0, flags: R.RO, platforms: P.HSW | P.BDW },
  { name: 'MCHBAR_MIRROR_HIGH', offset: 0x145d18, size: 0x3a2e8, flags: R.RO, platforms: P.HSW | P.BDW },
  // Broxton's second PHY starts at 0x161000.
  { name: 'MCHBAR_MIRROR', offset: 0x140000, size: 0x21000, flags: R.RO, platforms: P.BXT },
] as const satisfies readonly RegisterRow[];

export const GT_ROWS: readonly RegisterRow[] = [
  ...LOW,
  ...MEMORY_INTERFACE,
  ...HASWELL,
  ...FUSES_AND_CLOCKS,
  ...BLOCK_CONTROLS,
  ...APERTURE_SIDE,
];
