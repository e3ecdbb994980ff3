/**
 * 2D: the blitter's commands. An address is one dword on Haswell and two since Gen8, which moves whatever follows it; all
 * else is alike, so a command's operands are written down once, in Haswell's order, and give both rows.
 * Source: PRM HSW and SKL Vol 2a "XY_*_BLT" and Vol 10 "Copy Engine"; lengths as in public libdrm intel_decode.c.
 */
import { P, P_BDW_UP, P_GEN9 } from '../platform.js';
import { type AddressOperand, addr32, addr48, blt, type CommandRow, field, type LengthRule } from './types.js';

type Address = readonly [dword: number, what: Pick<AddressOperand, 'extent' | 'access'>];

const to = (dword: number): Address => [dword, { extent: 'blitDestination', access: 'write' }];
const from = (dword: number): Address => [dword, { extent: 'blitSource', access: 'read' }];
/** 8 x 8 pixels of up to 4 bytes. */
const pattern = (dword: number): Address => [dword, { extent: 256, access: 'read' }];
/** Where later commands draw, or find their pattern. */
const base = (dword: number, access: AddressOperand['access']): Address => [dword, { extent: 'state', access }];

type Rule = (addressDwords: number) => LengthRule;

function forms(opcode: number, name: string, length: Rule, addresses: readonly Address[]): CommandRow[] {
  return [
    blt(opcode, name, length(1), {
      platforms: P.HSW,
      addresses: addresses.map(([dword, what]) => addr32(dword, what)),
    }),
    blt(opcode, name, length(2), {
      platforms: P_BDW_UP,
      addresses: addresses.map(([dword, what], i) => addr48(dword + i, what)),
    }),
  ];
}
/** @param dwords Haswell's total */
const both = (opcode: number, name: string, dwords: number, ...addresses: Address[]): CommandRow[] =>
  forms(opcode, name, (size) => field(8, dwords + (size - 1) * addresses.length), addresses);
/** With an immediate pattern or source behind the operands: any length. */
const immediate = (opcode: number, name: string, ...addresses: Address[]): CommandRow[] =>
  forms(opcode, name, () => field(8), addresses);

export const BLITTER_COMMANDS: readonly CommandRow[] = [
  ...both(0x01, 'XY_SETUP_BLT', 8, base(4, 'write'), base(7, 'read')),
  blt(0x03, 'XY_SETUP_CLIP_BLT', field(8, 3)),
  ...both(0x11, 'XY_SETUP_MONO_PATTERN_SL_BLT', 9, base(4, 'write')),
  blt(0x24, 'XY_PIXEL_BLT', field(8, 2)),
  blt(0x25, 'XY_SCANLINES_BLT', field(8, 3)),
  ...both(0x26, 'XY_TEXT_BLT', 4, from(3)),
  blt(0x31, 'XY_TEXT_IMMEDIATE_BLT', field(8)),
  ...both(0x40, 'COLOR_BLT', 5, to(3)),
  blt(0x42, 'XY_FAST_COPY_BLT', field(8, 10), {
    platforms: P_GEN9,
    addresses: [to(4), from(8)].map(([dword, what]) => addr48(dword, what)),
  }),
  ...both(0x43, 'SRC_COPY_BLT', 6, to(3), from(5)),
  ...both(0x50, 'XY_COLOR_BLT', 6, to(4)),
  ...both(0x51, 'XY_PAT_BLT', 6, to(4), pattern(5)),
  ...both(0x52, 'XY_MONO_PAT_BLT', 9, to(4)),
  ...both(0x53, 'XY_SRC_COPY_BLT', 8, to(4), from(7)),
  ...both(0x54, 'XY_MONO_SRC_COPY_BLT', 8, to(4), from(5)),
  ...both(0x55, 'XY_FULL_BLT', 9, to(4), from(7), pattern(8)),
  ...both(0x56, 'XY_FULL_MONO_SRC_BLT', 9, to(4), from(5), pattern(8)),
  ...both(0x57, 'XY_FULL_MONO_PATTERN_BLT', 12, to(4), from(7)),
  ...both(0x58, 'XY_FULL_MONO_PATTERN_MONO_SRC_BLT', 12, to(4), from(5)),
  ...both(0x59, 'XY_MONO_PAT_FIXED_BLT', 7, to(4)),
  ...immediate(0x71, 'XY_MONO_SRC_COPY_IMMEDIATE_BLT', to(4)),
  ...immediate(0x72, 'XY_PAT_BLT_IMMEDIATE', to(4)),
  ...both(0x73, 'XY_SRC_COPY_CHROMA_BLT', 10, to(4), from(7)),
  ...immediate(0x74, 'XY_FULL_IMMEDIATE_PATTERN_BLT', to(4), from(7)),
  ...immediate(0x75, 'XY_FULL_MONO_SRC_IMMEDIATE_PATTERN_BLT', to(4), from(5)),
  ...both(0x76, 'XY_PAT_CHROMA_BLT', 8, to(4), pattern(5)),
  ...immediate(0x77, 'XY_PAT_CHROMA_BLT_IMMEDIATE', to(4)),
];
