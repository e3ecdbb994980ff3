/**
 * Planes and cursors of pipes A, B, C. Gen9 has universal planes 1..n; Gen8 has one primary (DSP*) and one sprite (SPR*)
 * per pipe at the addresses of planes 1 and 2, so one list with the Gen9 names serves both.
 * Source: PRM SKL Vol 2c "PLANE_*", "CUR_*"; BDW Vol 2c "PRI_*", "SPR_*"; public i915_reg.h.
 */
import { P, P_GEN9 } from '../platform.js';
import { type Instance, PIPES, perInstance } from './expand.js';
import { R, type RegisterRow } from './types.js';

const PIPE_BASES: readonly Instance[] = PIPES.map(([suffix, base]) => [suffix, 0x70000 + base]);

const CURSOR = [
  { name: 'CURCNTR', offset: 0x80 },
  { name: 'CURBASE', offset: 0x84, write: 'curBase' },
  { name: 'CURPOS', offset: 0x88 },
  { name: 'CURSIZE', offset: 0x8c },
  { name: 'CURPALET', offset: 0x90, size: 16 },
  { name: 'CUR_FBC_CTL', offset: 0xa0 },
  { name: 'CURSURFLIVE', offset: 0xac, flags: R.RO },
  { name: 'CUR_WM', offset: 0x140, size: 32, platforms: P_GEN9 },
  { name: 'CUR_WM_TRANS', offset: 0x168, platforms: P_GEN9 },
  { name: 'CUR_BUF_CFG', offset: 0x17c, platforms: P_GEN9 },
] as const satisfies readonly RegisterRow[];

/** DSPCNTR, DSPLINOFF, DSPSTRIDE, DSPSURF ... before Gen9. */
const PLANE_1 = [
  { name: 'PLANE_CTL_1', offset: 0x180 },
  { name: 'PLANE_LINOFF_1', offset: 0x184 },
  { name: 'PLANE_STRIDE_1', offset: 0x188 },
  { name: 'PLANE_POS_1', offset: 0x18c },
  { name: 'PLANE_SIZE_1', offset: 0x190 },
  { name: 'PLANE_KEYVAL_1', offset: 0x194, platforms: P_GEN9 },
  { name: 'PLANE_KEYMSK_1', offset: 0x198, platforms: P_GEN9 },
  { name: 'PLANE_SURF_1', offset: 0x19c, write: 'priSurf' },
  { name: 'PLANE_KEYMAX_1', offset: 0x1a0, platforms: P_GEN9 },
  { name: 'PLANE_OFFSET_1', offset: 0x1a4 },
  { name: 'PLANE_SURFLIVE_1', offset: 0x1ac, flags: R.RO },
  { name: 'PLANE_REG_0x1b0', offset: 0x1b0 },
  { name: 'PLANE_AUX_DIST_1', offset: 0x1c0, platforms: P_GEN9 },
  { name: 'PLANE_AUX_OFFSET_1', offset: 0x1c4, platforms: P_GEN9 },
  { name: 'PLANE_WM_1', offset: 0x240, size: 32, platforms: P_GEN9 },
  { name: 'PLANE_WM_TRANS_1', offset: 0x268, platforms: P_GEN9 },
  { name: 'PLANE_NV12_BUF_CFG_1', offset: 0x278, platforms: P_GEN9 },
  { name: 'PLANE_BUF_CFG_1', offset: 0x27c, platforms: P_GEN9 },
] as const satisfies readonly RegisterRow[];

/** SPRCTL, SPRLINOFF, SPRSTRIDE, SPRSURF ... before Gen9. */
const PLANE_2 = [
  { name: 'PLANE_CTL_2', offset: 0x280 },
  { name: 'PLANE_LINOFF_2', offset: 0x284 },
  { name: 'PLANE_STRIDE_2', offset: 0x288 },
  { name: 'PLANE_POS_2', offset: 0x28c },
  { name: 'PLANE_SIZE_2', offset: 0x290 },
  { name: 'PLANE_KEYVAL_2', offset: 0x294 },
  { name: 'PLANE_KEYMSK_2', offset: 0x298 },
  { name: 'PLANE_SURF_2', offset: 0x29c, write: 'sprSurf' },
  { name: 'PLANE_KEYMAX_2', offset: 0x2a0 },
  { name: 'PLANE_OFFSET_2', offset: 0x2a4 },
  { name: 'PLANE_SURFLIVE_2', offset: 0x2ac, flags: R.RO },
  { name: 'PLANE_AUX_DIST_2', offset: 0x2c0, platforms: P_GEN9 },
  { name: 'PLANE_AUX_OFFSET_2', offset: 0x2c4, platforms: P_GEN9 },
  { name: 'SPRSCALE', offset: 0x304 },
  { name: 'PLANE_WM_2', offset: 0x340, size: 32, platforms: P_GEN9 },
  { name: 'PLANE_WM_TRANS_2', offset: 0x368, platforms: P_GEN9 },
  { name: 'PLANE_NV12_BUF_CFG_2', offset: 0x378, platforms: P_GEN9 },
  { name: 'PLANE_BUF_CFG_2', offset: 0x37c, platforms: P_GEN9 },
] as const satisfies readonly RegisterRow[];

const PLANE_3_UP = [
  { name: 'PLANE_CTL_3', offset: 0x380, platforms: P_GEN9 },
  { name: 'PLANE_STRIDE_3', offset: 0x388, platforms: P_GEN9 },
  { name: 'PLANE_POS_3', offset: 0x38c, platforms: P_GEN9 },
  { name: 'PLANE_SIZE_3', offset: 0x390, platforms: P_GEN9 },
  { name: 'PLANE_KEYVAL_3', offset: 0x394, platforms: P_GEN9 },
  { name: 'PLANE_KEYMSK_3', offset: 0x398, platforms: P_GEN9 },
  { name: 'PLANE_SURF_3', offset: 0x39c, platforms: P_GEN9 },
  { name: 'PLANE_KEYMAX_3', offset: 0x3a0, platforms: P_GEN9 },
  { name: 'PLANE_OFFSET_3', offset: 0x3a4, platforms: P_GEN9 },
  { name: 'PLANE_SURFLIVE_3', offset: 0x3ac, flags: R.RO, platforms: P_GEN9 },
  { name: 'PLANE_AUX_DIST_3', offset: 0x3c0, platforms: P_GEN9 },
  { name: 'PLANE_AUX_OFFSET_3', offset: 0x3c4, platforms: P_GEN9 },
  { name: 'PLANE_WM_3', offset: 0x440, size: 32, platforms: P_GEN9 },
  { name: 'PLANE_WM_TRANS_3', offset: 0x468, platforms: P_GEN9 },
  { name: 'PLANE_NV12_BUF_CFG_3', offset: 0x478, platforms: P_GEN9 },
  { name: 'PLANE_BUF_CFG_3', offset: 0x47c, platforms: P_GEN9 },
  { name: 'PLANE_AUX_DIST_4', offset: 0x4c0, platforms: P_GEN9 },
  { name: 'PLANE_AUX_OFFSET_4', offset: 0x4c4, platforms: P_GEN9 },
  { name: 'PLANE_NV12_BUF_CFG_4', offset: 0x578, platforms: P_GEN9 },
  { name: 'PLANE_BUF_CFG_4', offset: 0x57c, platforms: P_GEN9 },
] as const satisfies readonly RegisterRow[];

/** Sprite gamma: sixteen points on every platform's map, and the end points where Gen9 has plane 3's watermarks. */
const SPRITE_GAMMA = [
  { name: 'SPRGAMC', offset: 0x400, size: 64 },
  { name: 'SPRGAMC16', offset: 0x440, size: 12, platforms: P.HSW | P.BDW },
  { name: 'SPRGAMC17', offset: 0x44c, size: 12, platforms: P.HSW | P.BDW },
] as const satisfies readonly RegisterRow[];

/** Flip messages: where MI_DISPLAY_FLIP lands. Pipe B is two dwords after A, C one after B. */
const FLIP_MESSAGES = [
  { name: 'FLIP_MESSAGE_1_A', offset: 0x50080, write: 'flipMessage' },
  { name: 'FLIP_MESSAGE_1_B', offset: 0x50088, write: 'flipMessage' },
  { name: 'FLIP_MESSAGE_1_C', offset: 0x5008c, write: 'flipMessage' },
  { name: 'FLIP_MESSAGE_2_A', offset: 0x50090, write: 'flipMessage' },
  { name: 'FLIP_MESSAGE_2_B', offset: 0x50098, write: 'flipMessage' },
  { name: 'FLIP_MESSAGE_2_C', offset: 0x5009c, write: 'flipMessage' },
] as const satisfies readonly RegisterRow[];

export const PLANE_ROWS: readonly RegisterRow[] = [
  ...perInstance([...CURSOR, ...PLANE_1, ...PLANE_2, ...PLANE_3_UP, ...SPRITE_GAMMA], PIPE_BASES),
  ...FLIP_MESSAGES,
];
