/**
 * Video: MFX (decode and encode), VDENC, HCP (HEVC, VP9), HuC and SFC commands of the video engines, and VEBOX.
 * Bits 26:23 select the unit: 0-7 MFX by standard, 1 with bit 7 of the sub-opcode set VDENC, 7 likewise HCP, 10 SFC,
 * 11 HuC, 15 pipeline flush. The length field is 12 bits wide. All addresses are per-process: none has a GGTT select.
 * Source: PRM SKL Vol 2a (MFX, HCP, VDENC, HuC, SFC, VEBOX); Intel media-driver's public hwcmd definitions.
 */
import { P_GEN9 } from '../platform.js';
import { type CommandRow, E, field, fixed, gfx } from './types.js';

const mfx = gfx({ engines: E.VCS }, field(12));
const gen9 = gfx({ engines: E.VCS, platforms: P_GEN9 }, field(12));
const vebox = gfx({ engines: E.VECS }, field(12));
const sfc = gfx({ engines: E.VCS | E.VECS, platforms: P_GEN9 }, field(12));

const work = { cost: 'media' } as const;

export const VIDEO_COMMANDS: readonly CommandRow[] = [
  // one dword: subtype 1; its low bits are the length field of the multi-dword form and read zero
  mfx(0x6800, 'MFX_WAIT', { length: fixed(1) }),

  mfx(0x7000, 'MFX_PIPE_MODE_SELECT'),
  mfx(0x7001, 'MFX_SURFACE_STATE'),
  mfx(0x7002, 'MFX_PIPE_BUF_ADDR_STATE', { addresses: [1, 4, 7, 10, 13] }),
  mfx(0x7003, 'MFX_IND_OBJ_BASE_ADDR_STATE', { addresses: [1, 6, 11, 16, 21] }),
  mfx(0x7004, 'MFX_BSP_BUF_BASE_ADDR_STATE', { addresses: [1, 4, 7] }),
  mfx(0x7005, 'MFX_COMMON_5'),
  mfx(0x7006, 'MFX_STATE_POINTER'),
  mfx(0x7007, 'MFX_QM_STATE'),
  mfx(0x7008, 'MFX_FQM_STATE'),
  mfx(0x7009, 'MFX_DBK_OBJECT', work),
  mfx(0x7029, 'MFD_IT_OBJECT', work),
  mfx(0x7048, 'MFX_PAK_INSERT_OBJECT'),
  mfx(0x704a, 'MFX_STITCH_OBJECT', work),

  gen9(0x7080, 'VDENC_PIPE_MODE_SELECT'),
  gen9(0x7081, 'VDENC_SRC_SURFACE_STATE'),
  gen9(0x7082, 'VDENC_REF_SURFACE_STATE'),
  gen9(0x7083, 'VDENC_DS_REF_SURFACE_STATE'),
  gen9(0x7084, 'VDENC_PIPE_BUF_ADDR_STATE', { addresses: [1, 4, 7, 10] }),
  gen9(0x7085, 'VDENC_IMG_STATE'),
  gen9(0x7086, 'VDENC_CONST_QPT_STATE'),
  gen9(0x7087, 'VDENC_WALKER_STATE', work),
  gen9(0x7088, 'VDENC_WEIGHTSOFFSETS_STATE'),

  mfx(0x7100, 'MFX_AVC_IMG_STATE'),
  mfx(0x7101, 'MFX_AVC_QM_STATE'),
  mfx(0x7102, 'MFX_AVC_DIRECTMODE_STATE', { addresses: [1] }),
  mfx(0x7103, 'MFX_AVC_SLICE_STATE'),
  mfx(0x7104, 'MFX_AVC_REF_IDX_STATE'),
  mfx(0x7105, 'MFX_AVC_WEIGHTOFFSET_STATE'),
  mfx(0x7125, 'MFD_AVC_PICID_STATE'),
  mfx(0x7126, 'MFD_AVC_DPB_STATE'),
  mfx(0x7127, 'MFD_AVC_SLICEADDR', { addresses: [2] }),
  mfx(0x7128, 'MFD_AVC_BSD_OBJECT', work),
  mfx(0x7149, 'MFC_AVC_PAK_OBJECT', work),

  mfx(0x7201, 'MFX_VC1_PRED_PIPE_STATE'),
  mfx(0x7202, 'MFX_VC1_DIRECTMODE_STATE', { addresses: [1] }),
  mfx(0x7220, 'MFD_VC1_SHORT_PIC_STATE'),
  mfx(0x7221, 'MFD_VC1_LONG_PIC_STATE'),
  mfx(0x7228, 'MFD_VC1_BSD_OBJECT', work),

  mfx(0x7300, 'MFX_MPEG2_PIC_STATE'),
  mfx(0x7301, 'MFX_MPEG2_QM_STATE'),
  mfx(0x7328, 'MFD_MPEG2_BSD_OBJECT', work),
  mfx(0x7343, 'MFC_MPEG2_SLICEGROUP_STATE'),
  mfx(0x7349, 'MFC_MPEG2_PAK_OBJECT', work),

  gen9(0x7380, 'HCP_PIPE_MODE_SELECT'),
  gen9(0x7381, 'HCP_SURFACE_STATE'),
  gen9(0x7382, 'HCP_PIPE_BUF_ADDR_STATE', { addresses: [1] }),
  gen9(0x7383, 'HCP_IND_OBJ_BASE_ADDR_STATE', { addresses: [1] }),
  gen9(0x7384, 'HCP_QM_STATE'),
  gen9(0x7385, 'HCP_FQM_STATE'),
  gen9(0x7390, 'HCP_PIC_STATE'),
  gen9(0x7391, 'HCP_TILE_STATE'),
  gen9(0x7392, 'HCP_REF_IDX_STATE'),
  gen9(0x7393, 'HCP_WEIGHTOFFSET_STATE'),
  gen9(0x7394, 'HCP_SLICE_STATE'),
  gen9(0x73a0, 'HCP_BSD_OBJECT', work),
  gen9(0x73a1, 'HCP_PAK_OBJECT', work),
  gen9(0x73a2, 'HCP_PAK_INSERT_OBJECT'),
  gen9(0x73b0, 'HCP_VP9_PIC_STATE'),
  gen9(0x73b2, 'HCP_VP9_SEGMENT_STATE'),

  mfx(0x7400, 'MFX_VP8_PIC_STATE'),
  mfx(0x7428, 'MFD_VP8_BSD_OBJECT', work),

  gen9(0x7580, 'HUC_PIPE_MODE_SELECT'),
  gen9(0x7581, 'HUC_IMEM_STATE'),
  gen9(0x7582, 'HUC_DMEM_STATE', { addresses: [1] }),
  gen9(0x7583, 'HUC_CFG_STATE'),
  gen9(0x7584, 'HUC_VIRTUAL_ADDR_STATE', { addresses: [1] }),
  gen9(0x7585, 'HUC_IND_OBJ_BASE_ADDR_STATE', { addresses: [1] }),
  gen9(0x75a0, 'HUC_STREAM_OBJECT'),
  gen9(0x75a1, 'HUC_START', work),

  mfx(0x7600, 'MFX_6_0', { length: field(16) }),
  mfx(0x7608, 'MFX_6_8', { length: field(16) }),
  mfx(0x7609, 'MFX_6_9', { length: field(16) }),

  mfx(0x7700, 'MFX_JPEG_PIC_STATE'),
  mfx(0x7702, 'MFX_JPEG_HUFF_TABLE_STATE'),
  mfx(0x7728, 'MFD_JPEG_BSD_OBJECT', work),
  gen9(0x7743, 'MFC_JPEG_HUFF_TABLE_STATE'),
  gen9(0x7749, 'MFC_JPEG_SCAN_OBJECT', work),
  gen9(0x7780, 'VD_PIPELINE_FLUSH'),
];

export const VIDEO_ENHANCE_COMMANDS: readonly CommandRow[] = [
  vebox(0x7400, 'VEBOX_SURFACE_STATE'),
  vebox(0x7401, 'VEBOX_TILING_CONVERT', { platforms: P_GEN9, cost: 'media' }),
  vebox(0x7402, 'VEBOX_STATE', { addresses: [2] }),
  vebox(0x7403, 'VEB_DI_IECP', { addresses: [2], cost: 'media' }),
];

/** Scaler and format converter: driven from either end, the video engine's or VEBOX'. */
export const SFC_COMMANDS: readonly CommandRow[] = [
  sfc(0x7500, 'SFC_LOCK'),
  sfc(0x7501, 'SFC_STATE'),
  sfc(0x7502, 'SFC_AVS_STATE'),
  sfc(0x7503, 'SFC_IEF_STATE'),
  sfc(0x7504, 'SFC_FRAME_START', { cost: 'media' }),
  sfc(0x7505, 'SFC_AVS_LUMA_COEFF_TABLE'),
  sfc(0x7506, 'SFC_AVS_CHROMA_COEFF_TABLE'),
];
