/**
 * Video: MFX (decode and encode), VDENC, HCP (HEVC, VP9), HuC and SFC commands of the video engines, and VEBOX.
 * Bits 26:23 select the unit: 0-7 MFX by standard, 1 with bit 7 of the sub-opcode set VDENC, 7 likewise HCP, 10 SFC,
 * 11 HuC, 15 pipeline flush. The length field is 12 bits wide. All addresses are per-process: none has a GGTT select.
 * Haswell's MFX commands are in the 64-bit form already, the upper halves reserved; VEBOX' are not. Some commands have grown
 * with the steppings of Gen9: every size that one of them has is allowed on all.
 * Source: PRM HSW and SKL Vol 2a (MFX, HCP, VDENC, HuC, SFC, VEBOX); Intel media-driver's public hwcmd definitions; public
 * intel-vaapi-driver.
 */
import { P, P_BDW_UP, P_GEN9 } from '../platform.js';
import {
  type AddressOperand,
  addr32,
  addr48,
  type CommandRow,
  E,
  field,
  fixed,
  gfx,
  type LengthRule,
} from './types.js';

const mfx = gfx({ engines: E.VCS }, field(12));
const gen8 = gfx({ engines: E.VCS, platforms: P_BDW_UP }, field(12));
const gen9 = gfx({ engines: E.VCS, platforms: P_GEN9 }, field(12));
const vebox = gfx({ engines: E.VECS }, field(12));
const sfc = gfx({ engines: E.VCS | E.VECS, platforms: P_GEN9 }, field(12));

const work = { cost: 'media' } as const;
const of = (...totals: number[]): { length: LengthRule } => ({ length: field(12, ...totals) });

/** Buffers, 64-byte aligned (surfaces 4 KiB): their extents are in picture and surface state. */
const at = (...dwords: number[]): AddressOperand[] =>
  dwords.map((dword) => addr48(dword, { align: 64, access: 'modify' }));
/** `times` buffers from `dword`, each address followed by its attributes (step 3), or one after the other (step 2). */
const run = (dword: number, every: 2 | 3, times: number): AddressOperand =>
  addr48(dword, { align: 64, access: 'modify', every, times });

/** Destinations and row stores; 16 reference pictures; status, streamout and scaled reference. */
const mfxBuffers = [run(1, 3, 6), run(19, 2, 16), ...at(52, 55, 58)];
const hcpBuffers = [run(1, 3, 11), ...at(34), run(37, 2, 8), run(54, 3, 4), run(66, 2, 8), run(83, 3, 7)];

export const VIDEO_COMMANDS: readonly CommandRow[] = [
  // one dword: subtype 1; its low bits are the length field of the multi-dword form and read zero
  mfx(0x6800, 'MFX_WAIT', { length: fixed(1) }),

  mfx(0x7000, 'MFX_PIPE_MODE_SELECT', of(5)),
  mfx(0x7001, 'MFX_SURFACE_STATE', of(6)),
  mfx(0x7002, 'MFX_PIPE_BUF_ADDR_STATE', { ...of(61), platforms: P.HSW | P.BDW, addresses: mfxBuffers }),
  gen9(0x7002, 'MFX_PIPE_BUF_ADDR_STATE', { ...of(61, 65, 68), addresses: [...mfxBuffers, ...at(62, 65)] }),
  // Each base with its attributes and its upper bound.
  mfx(0x7003, 'MFX_IND_OBJ_BASE_ADDR_STATE', { ...of(26), addresses: at(1, 6, 11, 16, 21) }),
  mfx(0x7004, 'MFX_BSP_BUF_BASE_ADDR_STATE', { ...of(10), addresses: at(1, 4, 7) }),
  mfx(0x7005, 'MFX_COMMON_5'),
  mfx(0x7006, 'MFX_STATE_POINTER'),
  mfx(0x7007, 'MFX_QM_STATE', of(18)),
  mfx(0x7008, 'MFX_FQM_STATE', of(34)),
  mfx(0x7009, 'MFX_DBK_OBJECT', work),
  mfx(0x7029, 'MFD_IT_OBJECT', work),
  mfx(0x7048, 'MFX_PAK_INSERT_OBJECT'),
  mfx(0x704a, 'MFX_STITCH_OBJECT', work),

  gen9(0x7080, 'VDENC_PIPE_MODE_SELECT', of(2)),
  gen9(0x7081, 'VDENC_SRC_SURFACE_STATE', of(6)),
  gen9(0x7082, 'VDENC_REF_SURFACE_STATE', of(6)),
  gen9(0x7083, 'VDENC_DS_REF_SURFACE_STATE', of(6, 10)),
  gen9(0x7084, 'VDENC_PIPE_BUF_ADDR_STATE', { ...of(37), addresses: [run(1, 3, 12)] }),
  gen9(0x7085, 'VDENC_IMG_STATE', of(35)),
  gen9(0x7086, 'VDENC_CONST_QPT_STATE', of(61)),
  gen9(0x7087, 'VDENC_WALKER_STATE', { ...work, ...of(2, 4) }),
  gen9(0x7088, 'VDENC_WEIGHTSOFFSETS_STATE', of(3)),

  mfx(0x7100, 'MFX_AVC_IMG_STATE', { ...of(16, 17), platforms: P.HSW | P.BDW }),
  gen9(0x7100, 'MFX_AVC_IMG_STATE', of(16, 17, 21)),
  mfx(0x7101, 'MFX_AVC_QM_STATE'),
  mfx(0x7102, 'MFX_AVC_DIRECTMODE_STATE', { ...of(71), addresses: [run(1, 2, 16), ...at(34)] }),
  mfx(0x7103, 'MFX_AVC_SLICE_STATE', of(11)),
  mfx(0x7104, 'MFX_AVC_REF_IDX_STATE', of(10)),
  mfx(0x7105, 'MFX_AVC_WEIGHTOFFSET_STATE', of(98)),
  mfx(0x7125, 'MFD_AVC_PICID_STATE', of(10)),
  mfx(0x7126, 'MFD_AVC_DPB_STATE'),
  mfx(0x7127, 'MFD_AVC_SLICEADDR'),
  mfx(0x7128, 'MFD_AVC_BSD_OBJECT', { ...work, ...of(6), platforms: P.HSW | P.BDW }),
  gen9(0x7128, 'MFD_AVC_BSD_OBJECT', { ...work, ...of(6, 7) }),
  mfx(0x7149, 'MFC_AVC_PAK_OBJECT', work),

  mfx(0x7201, 'MFX_VC1_PRED_PIPE_STATE', of(6)),
  mfx(0x7202, 'MFX_VC1_DIRECTMODE_STATE', { ...of(7), addresses: at(1, 4) }),
  mfx(0x7220, 'MFD_VC1_SHORT_PIC_STATE', of(5)),
  mfx(0x7221, 'MFD_VC1_LONG_PIC_STATE', of(6)),
  mfx(0x7228, 'MFD_VC1_BSD_OBJECT', { ...work, ...of(5) }),

  mfx(0x7300, 'MFX_MPEG2_PIC_STATE', of(13)),
  mfx(0x7301, 'MFX_MPEG2_QM_STATE'),
  mfx(0x7328, 'MFD_MPEG2_BSD_OBJECT', { ...work, ...of(5) }),
  mfx(0x7343, 'MFC_MPEG2_SLICEGROUP_STATE', of(8)),
  mfx(0x7349, 'MFC_MPEG2_PAK_OBJECT', work),

  gen9(0x7380, 'HCP_PIPE_MODE_SELECT', of(4, 6)),
  gen9(0x7381, 'HCP_SURFACE_STATE', of(3)),
  gen9(0x7382, 'HCP_PIPE_BUF_ADDR_STATE', { ...of(95, 104), addresses: hcpBuffers }),
  gen9(0x7383, 'HCP_IND_OBJ_BASE_ADDR_STATE', { ...of(14), addresses: at(1, 6, 9) }),
  gen9(0x7384, 'HCP_QM_STATE', of(18)),
  gen9(0x7385, 'HCP_FQM_STATE', of(34)),
  gen9(0x7388, 'HCP_RDOQ_STATE', of(130)),
  gen9(0x7390, 'HCP_PIC_STATE', of(19, 31, 32)),
  gen9(0x7391, 'HCP_TILE_STATE', of(13)),
  gen9(0x7392, 'HCP_REF_IDX_STATE', of(18)),
  gen9(0x7393, 'HCP_WEIGHTOFFSET_STATE', of(34)),
  gen9(0x7394, 'HCP_SLICE_STATE', of(9, 11)),
  gen9(0x73a0, 'HCP_BSD_OBJECT', { ...work, ...of(3) }),
  gen9(0x73a1, 'HCP_PAK_OBJECT', work),
  gen9(0x73a2, 'HCP_PAK_INSERT_OBJECT'),
  gen9(0x73b0, 'HCP_VP9_PIC_STATE'),
  gen9(0x73b2, 'HCP_VP9_SEGMENT_STATE', of(7, 8)),

  gen8(0x7400, 'MFX_VP8_PIC_STATE', { ...of(38), addresses: at(30, 35) }),
  gen9(0x7401, 'MFX_VP8_ENCODER_CFG'),
  gen8(0x7428, 'MFD_VP8_BSD_OBJECT', { ...work, ...of(22) }),
  gen9(0x7443, 'MFX_VP8_BSP_BUF_BASE_ADDR_STATE'),
  gen9(0x7449, 'MFX_VP8_PAK_OBJECT', work),

  gen9(0x7580, 'HUC_PIPE_MODE_SELECT', of(3)),
  gen9(0x7581, 'HUC_IMEM_STATE', of(5)),
  gen9(0x7582, 'HUC_DMEM_STATE', { ...of(6), addresses: at(1) }),
  gen9(0x7583, 'HUC_CFG_STATE', of(2)),
  gen9(0x7584, 'HUC_VIRTUAL_ADDR_STATE', { ...of(49), addresses: [run(1, 3, 16)] }),
  gen9(0x7585, 'HUC_IND_OBJ_BASE_ADDR_STATE', { ...of(11), addresses: at(1, 6) }),
  gen9(0x75a0, 'HUC_STREAM_OBJECT', of(5)),
  gen9(0x75a1, 'HUC_START', { ...work, ...of(2) }),

  mfx(0x7600, 'MFX_6_0', { length: field(16) }),
  mfx(0x7608, 'MFX_6_8', { length: field(16) }),
  mfx(0x7609, 'MFX_6_9', { length: field(16) }),

  mfx(0x7700, 'MFX_JPEG_PIC_STATE', of(3)),
  mfx(0x7702, 'MFX_JPEG_HUFF_TABLE_STATE', of(53)),
  mfx(0x7728, 'MFD_JPEG_BSD_OBJECT', { ...work, ...of(6) }),
  gen9(0x7743, 'MFC_JPEG_HUFF_TABLE_STATE', of(176)),
  gen9(0x7749, 'MFC_JPEG_SCAN_OBJECT', { ...work, ...of(3) }),
  gen9(0x7780, 'VD_PIPELINE_FLUSH', of(2)),
];

export const VIDEO_ENHANCE_COMMANDS: readonly CommandRow[] = [
  vebox(0x7400, 'VEBOX_SURFACE_STATE'),
  vebox(0x7401, 'VEBOX_TILING_CONVERT', { platforms: P_GEN9, cost: 'media', addresses: at(1, 3) }),
  // State tables: denoise, enhancement, gamut, vertex; later also capture pipe, tone and gamma tables.
  vebox(0x7402, 'VEBOX_STATE', {
    platforms: P.HSW,
    length: field(12, 6),
    addresses: [addr32(2, { align: 4096, every: 1, times: 4 })],
  }),
  vebox(0x7402, 'VEBOX_STATE', { platforms: P_BDW_UP, addresses: [run(2, 2, 7)] }),
  // Current, previous and statistics frames in, statistics and up to four frames out.
  vebox(0x7403, 'VEB_DI_IECP', {
    platforms: P.HSW,
    length: field(12, 10),
    addresses: [addr32(2, { align: 4096, access: 'modify', every: 1, times: 8 })],
    cost: 'media',
  }),
  vebox(0x7403, 'VEB_DI_IECP', {
    platforms: P_BDW_UP,
    length: field(12, 20),
    addresses: [run(2, 2, 9)],
    cost: 'media',
  }),
];

/** Scaler and format converter: driven from either end, the video engine's or VEBOX'. */
export const SFC_COMMANDS: readonly CommandRow[] = [
  sfc(0x7500, 'SFC_LOCK', of(2)),
  sfc(0x7501, 'SFC_STATE', { ...of(34), addresses: at(17, 20, 23) }),
  sfc(0x7502, 'SFC_AVS_STATE', of(3)),
  sfc(0x7503, 'SFC_IEF_STATE', of(24)),
  sfc(0x7504, 'SFC_FRAME_START', { cost: 'media', ...of(2) }),
  sfc(0x7505, 'SFC_AVS_LUMA_COEFF_TABLE', of(129)),
  sfc(0x7506, 'SFC_AVS_CHROMA_COEFF_TABLE', of(65)),
];
