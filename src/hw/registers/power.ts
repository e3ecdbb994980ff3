/**
 * Power and frequency of the GT: RPS, RC6, forcewake, and the mailbox to the power control unit.
 * Frequency is the host's: what a guest writes here is its own storage.
 * Source: PRM SKL Vol 2c; public i915 intel_gt_regs.h, i915_reg.h (forcewake, pcode).
 */
import { P, P_ALL, P_GEN9, P_SKL_CLASS } from '../platform.js';
import { unnamed } from './expand.js';
import { R, type RegisterRow } from './types.js';

const STATES = [
  { name: 'RPM_CONFIG0', offset: 0xd00, platforms: P_GEN9 },
  { ...unnamed(0xd08), platforms: P_GEN9 },
  { name: 'RC6_LOCATION', offset: 0xd40, platforms: P_GEN9 },
  { name: 'RC6_CTX_BASE', offset: 0xd48, platforms: P.BXT },
  { name: 'FORCEWAKE_ACK_RENDER', offset: 0xd84, flags: R.RO, platforms: P_GEN9 },
  { name: 'FORCEWAKE_ACK_MEDIA', offset: 0xd88, flags: R.RO, platforms: P_GEN9 },
] as const satisfies readonly RegisterRow[];

const RPS_AND_RC6 = [
  { name: 'GFXPAUSE', offset: 0xa000, platforms: P.BXT },
  { name: 'RPNSWREQ', offset: 0xa008 },
  { name: 'RC_VIDEO_FREQ', offset: 0xa00c },
  { name: 'RP_DOWN_TIMEOUT', offset: 0xa010 },
  { name: 'RP_INTERRUPT_LIMITS', offset: 0xa014 },
  { name: 'RPSTAT1', offset: 0xa01c },
  { name: 'RP_CONTROL', offset: 0xa024 },
  { name: 'RP_UP_THRESHOLD', offset: 0xa02c },
  { name: 'RP_DOWN_THRESHOLD', offset: 0xa030 },
  { name: 'RP_CUR_UP_EI', offset: 0xa050 },
  { name: 'RP_CUR_UP', offset: 0xa054 },
  { name: 'RP_PREV_UP', offset: 0xa058 },
  { name: 'RP_CUR_DOWN_EI', offset: 0xa05c },
  { name: 'RP_CUR_DOWN', offset: 0xa060 },
  { name: 'RP_PREV_DOWN', offset: 0xa064 },
  { name: 'RP_UP_EI', offset: 0xa068 },
  { name: 'RP_DOWN_EI', offset: 0xa06c },
  { name: 'RP_IDLE_HYSTERSIS', offset: 0xa070 },
  { name: 'RC_CONTROL', offset: 0xa090 },
  { name: 'RC_STATE', offset: 0xa094 },
  { name: 'RC1_WAKE_RATE_LIMIT', offset: 0xa098 },
  { name: 'RC6_WAKE_RATE_LIMIT', offset: 0xa09c },
  { name: 'RC6pp_WAKE_RATE_LIMIT', offset: 0xa0a0 },
  { name: 'RC_EVALUATION_INTERVAL', offset: 0xa0a8 },
  { name: 'RC_IDLE_HYSTERSIS', offset: 0xa0ac },
  { name: 'RC_SLEEP', offset: 0xa0b0 },
  { name: 'RC1e_THRESHOLD', offset: 0xa0b4 },
  { name: 'RC6_THRESHOLD', offset: 0xa0b8 },
  { name: 'RC6p_THRESHOLD', offset: 0xa0bc },
  { name: 'RC6pp_THRESHOLD', offset: 0xa0c0 },
  { name: 'MEDIA_PG_IDLE_HYSTERESIS', offset: 0xa0c4, platforms: P_GEN9 },
  { name: 'RENDER_PG_IDLE_HYSTERESIS', offset: 0xa0c8, platforms: P_GEN9 },
  { name: 'PMINTRMSK', offset: 0xa168 },
  { name: 'ECOBUS', offset: 0xa180 },
  // FORCEWAKE_BLITTER on Gen9; both acknowledge at 0x130044.
  { name: 'FORCEWAKE_MT', offset: 0xa188, flags: R.MODE_MASK, write: 'forcewake' },
  { name: 'FORCEWAKE_LEGACY', offset: 0xa18c },
  { name: 'PG_ENABLE', offset: 0xa210, platforms: P_GEN9 },
  { name: 'PUSHBUS_CONTROL', offset: 0xa248, platforms: P.BXT },
  { name: 'PUSHBUS_ENABLE', offset: 0xa250, platforms: P.BXT },
  { name: 'PUSHBUS_SHIFT', offset: 0xa25c, platforms: P.BXT },
  // Which part of the 24 MHz crystal (Broxton: 19.2 MHz) the command streamers' timestamps count: an eighth, doubled by bits 2:1.
  { name: 'CTC_MODE', offset: 0xa26c, reset: 0x4, platforms: P_SKL_CLASS },
  { name: 'CTC_MODE', offset: 0xa26c, reset: 0x6, platforms: P.BXT },
  { name: 'CTC_MODE', offset: 0xa26c, platforms: P_ALL & ~P_GEN9 },
  { name: 'FORCEWAKE_MEDIA', offset: 0xa270, flags: R.MODE_MASK, platforms: P_GEN9, write: 'forcewake' },
  { name: 'FORCEWAKE_RENDER', offset: 0xa278, flags: R.MODE_MASK, platforms: P_GEN9, write: 'forcewake' },
] as const satisfies readonly RegisterRow[];

const PUNIT = [
  // Gen8: PLL locked (bit 30), 450 MHz.
  { name: 'LCPLL_CTL', offset: 0x130040, reset: 0x40000000, write: 'lcpll' },
  { name: 'FORCEWAKE_ACK_MT', offset: 0x130044, flags: R.RO },
  { name: 'FORCEWAKE_ACK_LEGACY', offset: 0x130090, flags: R.RO },
  { name: 'GT_THREAD_STATUS', offset: 0x13805c, flags: R.RO },
  { name: 'GT_CORE_STATUS', offset: 0x138060, flags: R.RO },
  { name: 'BXT_P_CR_GT_DISP_PWRON', offset: 0x138090, platforms: P.BXT },
  { name: 'PCODE_MAILBOX', offset: 0x138124, write: 'pcode' },
  { name: 'PCODE_DATA', offset: 0x138128 },
  { name: 'PCODE_DATA1', offset: 0x13812c },
  { name: 'BXT_RP_STATE_CAP', offset: 0x138170, platforms: P.BXT },
] as const satisfies readonly RegisterRow[];

export const POWER_ROWS: readonly RegisterRow[] = [...STATES, ...RPS_AND_RC6, ...PUNIT];
