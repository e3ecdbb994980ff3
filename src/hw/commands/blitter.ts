/**
 * 2D: the blitter's commands. Addresses are 64 bits since Gen8.
 * Source: PRM SKL Vol 2a "XY_*_BLT" and Vol 10 "Copy Engine"; totals for the three that drivers use today
 * (the others are taken at their length field's word).
 */
import { P_GEN9 } from '../platform.js';
import { blt, type CommandRow, field } from './types.js';

export const BLITTER_COMMANDS: readonly CommandRow[] = [
  blt(0x01, 'XY_SETUP_BLT', field(8), { addresses: [4, 8] }),
  blt(0x03, 'XY_SETUP_CLIP_BLT', field(8)),
  blt(0x11, 'XY_SETUP_MONO_PATTERN_SL_BLT', field(8), { addresses: [4] }),
  blt(0x24, 'XY_PIXEL_BLT', field(8)),
  blt(0x25, 'XY_SCANLINES_BLT', field(8)),
  blt(0x26, 'XY_TEXT_BLT', field(8), { addresses: [3] }),
  blt(0x31, 'XY_TEXT_IMMEDIATE_BLT', field(8)),
  blt(0x40, 'COLOR_BLT', field(8), { addresses: [3] }),
  blt(0x42, 'XY_FAST_COPY_BLT', field(8, 10), { addresses: [4, 8], platforms: P_GEN9 }),
  blt(0x43, 'SRC_COPY_BLT', field(8), { addresses: [3, 6] }),
  blt(0x50, 'XY_COLOR_BLT', field(8, 7), { addresses: [4] }),
  blt(0x51, 'XY_PAT_BLT', field(8), { addresses: [4, 6] }),
  blt(0x52, 'XY_MONO_PAT_BLT', field(8), { addresses: [4] }),
  blt(0x53, 'XY_SRC_COPY_BLT', field(8, 10), { addresses: [4, 8] }),
  blt(0x54, 'XY_MONO_SRC_COPY_BLT', field(8), { addresses: [4, 6] }),
  blt(0x55, 'XY_FULL_BLT', field(8), { addresses: [4, 8, 10] }),
  blt(0x56, 'XY_FULL_MONO_SRC_BLT', field(8), { addresses: [4, 6, 10] }),
  blt(0x57, 'XY_FULL_MONO_PATTERN_BLT', field(8), { addresses: [4, 8] }),
  blt(0x58, 'XY_FULL_MONO_PATTERN_MONO_SRC_BLT', field(8), { addresses: [4, 6] }),
  blt(0x59, 'XY_MONO_PAT_FIXED_BLT', field(8), { addresses: [4] }),
  blt(0x71, 'XY_MONO_SRC_COPY_IMMEDIATE_BLT', field(8), { addresses: [4] }),
  blt(0x72, 'XY_PAT_BLT_IMMEDIATE', field(8), { addresses: [4] }),
  blt(0x73, 'XY_SRC_COPY_CHROMA_BLT', field(8), { addresses: [4, 8] }),
  blt(0x74, 'XY_FULL_IMMEDIATE_PATTERN_BLT', field(8), { addresses: [4, 8] }),
  blt(0x75, 'XY_FULL_MONO_SRC_IMMEDIATE_PATTERN_BLT', field(8), { addresses: [4, 6] }),
  blt(0x76, 'XY_PAT_CHROMA_BLT', field(8), { addresses: [4, 6] }),
  blt(0x77, 'XY_PAT_CHROMA_BLT_IMMEDIATE', field(8), { addresses: [4] }),
];
