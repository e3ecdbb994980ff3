/**
 * Pipes A, B, C: scan-out position, colour conversion, palettes, fitters and scalers.
 * Source: PRM BDW/SKL Vol 2c "PIPE_*", "PS_*"; public i915_reg.h.
 */
import { P, P_BDW_UP, P_GEN9 } from '../platform.js';
import { type Instance, PIPES, perInstance, unnamed } from './expand.js';
import { R, type RegisterRow } from './types.js';

const at = (base: number, stride: number): readonly Instance[] =>
  PIPES.map(([suffix], index) => [suffix, base + index * stride]);

const PIPE = [
  { name: 'PIPEDSL', offset: 0x00, flags: R.RO, read: 'pipeDsl' },
  { name: 'PIPE_CONF', offset: 0x08, write: 'pipeConf' },
  { name: 'PIPESTAT', offset: 0x24 },
  { name: 'PIPE_MISC', offset: 0x30, platforms: P_BDW_UP },
  { name: 'PIPE_BOTTOM_COLOR', offset: 0x34, platforms: P_GEN9 },
  { name: 'PIPE_FRMCOUNT', offset: 0x40, flags: R.RO, read: 'frameCount' },
  { name: 'PIPE_FLIPCOUNT', offset: 0x44, flags: R.RO },
] as const satisfies readonly RegisterRow[];

/** The pipe registers of the eDP transcoder, which has no pipe of its own: its input is one of A to C. */
const PIPE_EDP = [
  { name: 'PIPEDSL_EDP', offset: 0x7f000, flags: R.RO },
  { name: 'PIPE_CONF_EDP', offset: 0x7f008, write: 'pipeConf' },
  { name: 'PIPESTAT_EDP', offset: 0x7f024 },
  { name: 'PIPE_FRMCOUNT_EDP', offset: 0x7f040, flags: R.RO },
  { name: 'PIPE_FLIPCOUNT_EDP', offset: 0x7f044, flags: R.RO },
] as const satisfies readonly RegisterRow[];

const CSC = [
  { name: 'PIPE_CSC_COEFF_RY_GY', offset: 0x10 },
  { name: 'PIPE_CSC_COEFF_BY', offset: 0x14 },
  { name: 'PIPE_CSC_COEFF_RU_GU', offset: 0x18 },
  { name: 'PIPE_CSC_COEFF_BU', offset: 0x1c },
  { name: 'PIPE_CSC_COEFF_RV_GV', offset: 0x20 },
  { name: 'PIPE_CSC_COEFF_BV', offset: 0x24 },
  { name: 'PIPE_CSC_MODE', offset: 0x28 },
  { name: 'PIPE_CSC_PREOFF_HI', offset: 0x30 },
  { name: 'PIPE_CSC_PREOFF_ME', offset: 0x34 },
  { name: 'PIPE_CSC_PREOFF_LO', offset: 0x38 },
  { name: 'PIPE_CSC_POSTOFF_HI', offset: 0x40 },
  { name: 'PIPE_CSC_POSTOFF_ME', offset: 0x44 },
  { name: 'PIPE_CSC_POSTOFF_LO', offset: 0x48 },
  { name: 'PIPE_CSC_REG_0x80', offset: 0x80 },
  { name: 'PIPE_CSC_REG_0x90', offset: 0x90, size: 20 },
] as const satisfies readonly RegisterRow[];

const PALETTE = [
  { name: 'LGC_PALETTE', offset: 0x000, size: 1024 },
  { name: 'PREC_PAL_INDEX', offset: 0x400 },
  { name: 'PREC_PAL_DATA', offset: 0x404, read: 'paletteData', write: 'paletteData' },
  { name: 'PREC_PAL_GC_MAX', offset: 0x410, size: 12 },
  { name: 'GAMMA_MODE', offset: 0x480 },
] as const satisfies readonly RegisterRow[];

const FITTER = [
  { name: 'PF_WIN_POS', offset: 0x70 },
  { name: 'PF_WIN_SZ', offset: 0x74 },
  { name: 'PF_CTL', offset: 0x80 },
  { name: 'PF_VSCALE', offset: 0x84 },
  { name: 'PF_HSCALE', offset: 0x90 },
] as const satisfies readonly RegisterRow[];

/** Gen9 scalers: two per pipe in the inventory (pipe C has one in hardware, the second is plain storage there). */
const SCALER = [
  { name: 'PS_PWR_GATE', offset: 0x60, platforms: P_GEN9 },
  { name: 'PS_WIN_POS', offset: 0x70, platforms: P_GEN9, write: 'pfWrite' },
  { name: 'PS_WIN_SZ', offset: 0x74, platforms: P_GEN9, write: 'pfWrite' },
  { name: 'PS_CTRL', offset: 0x80, platforms: P_GEN9, write: 'pfWrite' },
  { name: 'PS_VSCALE', offset: 0x84, platforms: P_GEN9 },
  { name: 'PS_VPHASE', offset: 0x88, platforms: P_GEN9 },
  { name: 'PS_HSCALE', offset: 0x90, platforms: P_GEN9 },
  { name: 'PS_HPHASE', offset: 0x94, platforms: P_GEN9 },
  { name: 'PS_ECC_STAT', offset: 0xd0, platforms: P_GEN9 },
] as const satisfies readonly RegisterRow[];

const SCALERS: readonly Instance[] = [
  ['1_A', 0x68100],
  ['2_A', 0x68200],
  ['1_B', 0x68900],
  ['2_B', 0x68a00],
  ['1_C', 0x69100],
  ['2_C', 0x69200],
];

const SINGLE = [
  { name: 'CHICKEN_PIPESL_1_A', offset: 0x420b0 },
  { name: 'CHICKEN_PIPESL_1_B', offset: 0x420b4 },
  { name: 'CHICKEN_PIPESL_1_C', offset: 0x420b8 },
  { name: 'CHICKEN_TRANS_A', offset: 0x420c0 },
  { name: 'CHICKEN_TRANS_B', offset: 0x420c4, platforms: P.HSW | P_GEN9 },
  { name: 'CHICKEN_TRANS_C', offset: 0x420c8, platforms: P.HSW | P_GEN9 },
  { name: 'CHICKEN_TRANS_EDP', offset: 0x420cc, platforms: P.HSW | P_GEN9 },
  unnamed(0x67054),
] as const satisfies readonly RegisterRow[];

export const PIPE_ROWS: readonly RegisterRow[] = [
  ...perInstance(PIPE, at(0x70000, 0x1000)),
  ...PIPE_EDP,
  ...perInstance(CSC, at(0x49000, 0x100)),
  ...perInstance(PALETTE, at(0x4a000, 0x800)),
  ...perInstance(FITTER, at(0x68000, 0x800)),
  ...perInstance(SCALER, SCALERS),
  ...SINGLE,
];
