/**
 * Transcoders A, B, C and EDP: timings, link and data ratios, data islands, DDI function.
 * Source: PRM SKL Vol 2c "TRANS_*", Vol 12 "Display"; public i915_reg.h, display/intel_ddi and intel_pipe_crc registers.
 */
import { P, P_BDW_UP } from '../platform.js';
import { type Instance, perInstance, unnamed } from './expand.js';
import { R, type RegisterRow } from './types.js';

const TRANSCODERS: readonly Instance[] = [
  ['A', 0x60000],
  ['B', 0x61000],
  ['C', 0x62000],
];
const WITH_EDP: readonly Instance[] = [...TRANSCODERS, ['EDP', 0x6f000]];

const EVERY_TRANSCODER = [
  { name: 'TRANS_HTOTAL', offset: 0x00 },
  { name: 'TRANS_HBLANK', offset: 0x04 },
  { name: 'TRANS_HSYNC', offset: 0x08 },
  { name: 'TRANS_VTOTAL', offset: 0x0c },
  { name: 'TRANS_VBLANK', offset: 0x10 },
  { name: 'TRANS_VSYNC', offset: 0x14 },
  { name: 'BCLRPAT', offset: 0x20 },
  { name: 'TRANS_VSYNCSHIFT', offset: 0x28 },
  { name: 'DATA_M1', offset: 0x30 },
  { name: 'DATA_N1', offset: 0x34 },
  { name: 'DATA_M2', offset: 0x38 },
  { name: 'DATA_N2', offset: 0x3c },
  { name: 'LINK_M1', offset: 0x40 },
  { name: 'LINK_N1', offset: 0x44 },
  { name: 'LINK_M2', offset: 0x48 },
  { name: 'LINK_N2', offset: 0x4c },
  { name: 'VIDEO_DIP_CTL', offset: 0x200 },
  { name: 'TRANS_DDI_FUNC_CTL', offset: 0x400 },
  { name: 'TRANS_MSA_MISC', offset: 0x410 },
] as const satisfies readonly RegisterRow[];

const A_TO_C = [
  { name: 'PIPESRC', offset: 0x1c },
  { name: 'TRANS_MULT', offset: 0x2c },
  { name: 'PIPE_CRC_CTL', offset: 0x50, write: 'crcControl' },
  { name: 'PIPE_CRC_RES', offset: 0x64, flags: R.RO, read: 'crcResult', platforms: P_BDW_UP },
  { name: 'FDI_TX_CTL', offset: 0x100 },
  { name: 'TRANS_REG_0x110', offset: 0x110 },
  { name: 'VIDEO_DIP_GCP', offset: 0x210 },
  { name: 'VIDEO_DIP_AVI_DATA', offset: 0x220, size: 32 },
  { name: 'VIDEO_DIP_VS_DATA', offset: 0x260, size: 32 },
  { name: 'VIDEO_DIP_SPD_DATA', offset: 0x2a0, size: 32 },
  { name: 'VIDEO_DIP_GMP_DATA', offset: 0x2e0, size: 32 },
  { name: 'VIDEO_DIP_VSC_DATA', offset: 0x320, size: 36 },
] as const satisfies readonly RegisterRow[];

const SINGLE = [
  unnamed(0x61208),
  unnamed(0x6120c),
  { name: 'SRD_CTL_EDP', offset: 0x6f800, platforms: P.BDW },
] as const satisfies readonly RegisterRow[];

export const TRANSCODER_ROWS: readonly RegisterRow[] = [
  ...perInstance(EVERY_TRANSCODER, WITH_EDP),
  ...perInstance(A_TO_C, TRANSCODERS),
  ...SINGLE,
];
