/**
 * The render engine's own registers beyond those every engine has: pipeline statistics, stream-out, chicken bits.
 * Source: PRM SKL Vol 2c; public i915 intel_gt_regs.h; registers that commands may reach: GVT-g's inventory.
 */
import { P, P_BDW_UP, P_GEN9, P_SKL_CLASS } from '../platform.js';
import { unnamed } from './expand.js';
import { R, type RegisterRow } from './types.js';

const MODE = R.MODE_MASK | R.CMD;

const COMMAND_STREAMER = [
  { name: 'PGTBL_ER', offset: 0x2024 },
  { name: 'REG_0x2088', offset: 0x2088, flags: MODE },
  { name: 'CHICKEN_3D_3', offset: 0x2090, flags: MODE },
  { name: 'FF_THREAD_MODE', offset: 0x20a0, flags: R.CMD },
  { ...unnamed(0x20d8), flags: R.CMD, platforms: P.BXT },
  { ...unnamed(0x20dc), flags: MODE },
  { name: 'FF_SLICE_CS_CHICKEN1', offset: 0x20e0, flags: MODE, platforms: P_GEN9 },
  { name: 'FF_SLICE_CS_CHICKEN2', offset: 0x20e4, flags: MODE },
  { name: 'CS_DEBUG_MODE1', offset: 0x20ec, flags: MODE, platforms: P_GEN9 },
  { name: 'CACHE_MODE_0_PRE_GEN7', offset: 0x2120, flags: MODE },
  { name: 'CACHE_MODE_1_PRE_GEN7', offset: 0x2124, flags: MODE },
  { name: 'FBC_RT_BASE', offset: 0x2128 },
  { name: 'BB_PREEMPT_ADDR_RCS', offset: 0x2148, flags: R.CMD | R.GMADR },
  { ...unnamed(0x215c), flags: R.CMD, platforms: P_BDW_UP },
  { name: 'CCID_RCS', offset: 0x2180, flags: R.CMD | R.GMADR },
  { name: 'CXT_SIZE', offset: 0x21a8 },
  { ...unnamed(0x21f0), flags: R.CMD, platforms: P_BDW_UP },
  // Commands may reach it on BDW and BXT only.
  { name: 'CTX_PREEMPT_REG', offset: 0x2248, flags: R.CMD, platforms: P.BDW | P.BXT },
  { name: 'CTX_PREEMPT_REG', offset: 0x2248, platforms: P_SKL_CLASS },
  { ...unnamed(0x2290), size: 8, flags: R.CMD, platforms: P_BDW_UP },
  { name: 'HS_INVOCATION_COUNT', offset: 0x2300, size: 8, flags: R.CMD },
  { name: 'DS_INVOCATION_COUNT', offset: 0x2308, size: 8, flags: R.CMD },
  { name: 'IA_VERTICES_COUNT', offset: 0x2310, size: 8, flags: R.CMD },
  { name: 'IA_PRIMITIVES_COUNT', offset: 0x2318, size: 8, flags: R.CMD },
  { name: 'VS_INVOCATION_COUNT', offset: 0x2320, size: 8, flags: R.CMD },
  { name: 'GS_INVOCATION_COUNT', offset: 0x2328, size: 8, flags: R.CMD },
  { name: 'GS_PRIMITIVES_COUNT', offset: 0x2330, size: 8, flags: R.CMD },
  { name: 'CL_INVOCATION_COUNT', offset: 0x2338, size: 8, flags: R.CMD },
  { name: 'CL_PRIMITIVES_COUNT', offset: 0x2340, size: 8, flags: R.CMD },
  { name: 'PS_INVOCATION_COUNT', offset: 0x2348, size: 8, flags: R.CMD },
  { name: 'PS_DEPTH_COUNT', offset: 0x2350, size: 8, flags: R.CMD },
  { name: 'OACTXCONTROL', offset: 0x2360, platforms: P_BDW_UP },
  { name: 'PRIM_END_OFFSET_3D', offset: 0x2420, flags: R.CMD },
  { name: 'PRIM_START_VERTEX_3D', offset: 0x2430, flags: R.CMD },
  { name: 'PRIM_VERTEX_COUNT_3D', offset: 0x2434, flags: R.CMD },
  { name: 'PRIM_INSTANCE_COUNT_3D', offset: 0x2438, flags: R.CMD },
  { name: 'PRIM_START_INSTANCE_3D', offset: 0x243c, flags: R.CMD },
  { name: 'VFSKPD', offset: 0x2470, flags: MODE },
  { name: 'CS_CHICKEN1', offset: 0x2580, flags: MODE | R.IN_CTX, platforms: P_BDW_UP },
  { name: 'OACONTROL', offset: 0x2b00, platforms: P_BDW_UP },
  { ...unnamed(0x2b20), platforms: P_GEN9 },
] as const satisfies readonly RegisterRow[];

const FIXED_FUNCTION = [
  { name: 'SO_NUM_PRIMS_WRITTEN', offset: 0x5200, size: 32, flags: R.CMD },
  { name: 'SO_PRIM_STORAGE_NEEDED', offset: 0x5240, size: 32, flags: R.CMD },
  { name: 'SO_WRITE_OFFSET', offset: 0x5280, size: 16, flags: R.CMD },
  { name: 'WM_CHICKEN3', offset: 0x5588, flags: MODE, platforms: P_GEN9 },
  { name: 'VGA0', offset: 0x6000 },
  { name: 'VGA1', offset: 0x6004 },
  { name: 'VGA_PD', offset: 0x6010 },
  { name: 'CG_DIS_2D', offset: 0x6200 },
  { name: 'CG_DIS_3D', offset: 0x6204 },
  { name: 'CG_DIS2_3D', offset: 0x6208 },
  { name: 'CACHE_MODE_0', offset: 0x7000, flags: MODE | R.IN_CTX },
  { name: 'CACHE_MODE_1', offset: 0x7004, flags: MODE | R.IN_CTX },
  { name: 'GT_MODE', offset: 0x7008, flags: MODE | R.IN_CTX },
  { name: 'COMMON_SLICE_CHICKEN1', offset: 0x7010, flags: MODE | R.IN_CTX },
  { name: 'COMMON_SLICE_CHICKEN2', offset: 0x7014, flags: MODE | R.IN_CTX },
  { ...unnamed(0x7018), flags: MODE },
  { name: 'L3CNTLREG', offset: 0x7034, flags: R.CMD, platforms: P.BXT },
  { name: 'SC_INSTDONE', offset: 0x7100, platforms: P_BDW_UP },
  unnamed(0x7118),
  unnamed(0x7180),
  { name: 'HDC_CHICKEN0', offset: 0x7300, flags: MODE | R.IN_CTX, platforms: P_BDW_UP },
  { name: 'HDC_CHICKEN1', offset: 0x7304, flags: MODE | R.IN_CTX, platforms: P_GEN9 },
  unnamed(0x7408),
  unnamed(0x7c00),
  { name: 'VF_GUARDBAND', offset: 0x83a4, flags: R.CMD | R.IN_CTX, platforms: P.BDW },
  { name: 'VF_GUARDBAND', offset: 0x83a4, flags: R.IN_CTX, platforms: P_GEN9 },
  { ...unnamed(0x8430), flags: R.CMD, platforms: P.BDW },
] as const satisfies readonly RegisterRow[];

const SUBSLICE = [
  { name: 'HALF_SLICE_CHICKEN1', offset: 0xe100, flags: MODE | R.IN_CTX },
  { name: 'SAMPLER_INSTDONE', offset: 0xe160, platforms: P.BXT },
  { name: 'ROW_INSTDONE', offset: 0xe164, platforms: P.BXT },
  { name: 'HALF_SLICE_CHICKEN2', offset: 0xe180, flags: MODE | R.IN_CTX, platforms: P_BDW_UP },
  { name: 'HALF_SLICE_CHICKEN3', offset: 0xe184, flags: MODE | R.IN_CTX },
  { name: 'HALF_SLICE_CHICKEN5', offset: 0xe188, flags: MODE | R.IN_CTX, platforms: P_BDW_UP },
  { name: 'HALF_SLICE_CHICKEN7', offset: 0xe194, flags: MODE | R.IN_CTX, platforms: P_BDW_UP },
  { ...unnamed(0xe220), flags: R.CMD, platforms: P_BDW_UP },
  { ...unnamed(0xe230), flags: R.CMD, platforms: P_BDW_UP },
  { ...unnamed(0xe240), flags: R.CMD, platforms: P_BDW_UP },
  { ...unnamed(0xe260), flags: R.CMD, platforms: P_BDW_UP },
  { ...unnamed(0xe270), flags: R.CMD, platforms: P_BDW_UP },
  { ...unnamed(0xe280), flags: R.CMD, platforms: P_BDW_UP },
  { ...unnamed(0xe2a0), flags: R.CMD, platforms: P_BDW_UP },
  { ...unnamed(0xe2b0), flags: R.CMD, platforms: P_BDW_UP },
  { ...unnamed(0xe2c0), flags: R.CMD, platforms: P_BDW_UP },
  { ...unnamed(0xe4cc), flags: R.CMD, platforms: P_BDW_UP },
  { name: 'ROW_CHICKEN', offset: 0xe4f0, flags: MODE | R.IN_CTX, platforms: P_BDW_UP },
  { name: 'ROW_CHICKEN2', offset: 0xe4f4, flags: MODE, platforms: P_BDW_UP },
] as const satisfies readonly RegisterRow[];

export const RENDER_ROWS: readonly RegisterRow[] = [...COMMAND_STREAMER, ...FIXED_FUNCTION, ...SUBSLICE];
