/**
 * 3D: state, primitives and PIPE_CONTROL of the render engine. Subtype 1 (0x68xx, 0x69xx) is always one dword. Totals are
 * what a generation defines; a few commands have grown within one, and PIPE_CONTROL may do without its last dword.
 * Addresses are per process throughout (PIPE_CONTROL's alone has a GGTT select). Offsets from a base of STATE_BASE_ADDRESS
 * are not listed: they reach what the base reaches.
 * Source: PRM HSW, BDW and SKL Vol 2a; Mesa genxml gen75, gen8, gen9; null state batches of public intel-gpu-tools.
 */
import { P, P_BDW_UP, P_GEN9 } from '../platform.js';
import { type AddressOperand, addr32, addr48, between, type CommandRow, E, field, fixed, gfx } from './types.js';

const state = gfx({ engines: E.RCS }, field(8));
const single = gfx({ engines: E.RCS }, fixed(1));
const hsw = { platforms: P.HSW };
const gen8 = { platforms: P_BDW_UP };

/** One total on every platform. */
const same = (opcode: number, name: string, dwords: number): CommandRow =>
  state(opcode, name, { length: field(8, dwords) });
/** Haswell's total, and that of Gen8 and Gen9. */
const grown = (
  opcode: number,
  name: string,
  [before, after]: readonly [number, number],
  addresses: readonly [AddressOperand[], AddressOperand[]] = [[], []],
): CommandRow[] => [
  state(opcode, name, { ...hsw, length: field(8, before), addresses: addresses[0] }),
  state(opcode, name, { ...gen8, length: field(8, after), addresses: addresses[1] }),
];
/** Since Broadwell. */
const later = (opcode: number, name: string, dwords: number): CommandRow =>
  state(opcode, name, { ...gen8, length: field(8, dwords) });
/** Haswell's total, Broadwell's, and Gen9's. */
const thrice = (opcode: number, name: string, totals: readonly [number, number, number]): CommandRow[] => [
  state(opcode, name, { ...hsw, length: field(8, totals[0]) }),
  state(opcode, name, { platforms: P.BDW, length: field(8, totals[1]) }),
  state(opcode, name, { platforms: P_GEN9, length: field(8, totals[2]) }),
];

const stages = (first: number, name: string, order: readonly string[], dwords: number): CommandRow[] =>
  order.map((stage, i) => same(first + i, `${name}_${stage}`, dwords));
const ALL_STAGES = ['VS', 'HS', 'DS', 'GS', 'PS'];

/** Four buffers, behind two dwords of read lengths. */
const CONSTANTS = { align: 32, extent: 'constantBuffers', times: 4 } as const;
const constants = (first: number, order: readonly string[]): CommandRow[] =>
  order.flatMap((stage, i) =>
    grown(
      first + i,
      `3DSTATE_CONSTANT_${stage}`,
      [7, 11],
      [[addr32(3, { ...CONSTANTS, every: 1 })], [addr48(3, { ...CONSTANTS, every: 2 })]],
    ),
  );

const surface = { align: 4096, extent: 'surface', access: 'modify' } as const;
const pool = { align: 4096 } as const;
const streamOut = { align: 4, access: 'write' } as const;
const postSync = {
  select: { dword: 1, bit: 24 },
  align: 4,
  extent: 'postSync',
  access: 'write',
} as const;
const pipeControl = {
  handler: 'pipeControl',
  cost: 'mi',
  registers: [{ dword: 2, access: 'write', when: { dword: 1, bit: 23 } }],
} as const;
/** State and object bases: 4 KiB aligned, the bits below enable the change and choose the caching. */
const bases = (...dwords: number[]): AddressOperand[] => dwords.map((dword) => addr48(dword, { align: 4096 }));

export const RENDER_COMMANDS: readonly CommandRow[] = [
  state(0x6003, 'STATE_PREFETCH', { length: field(8, 2), addresses: [addr32(1, { align: 64, extent: 8 * 64 })] }),
  state(0x6101, 'STATE_BASE_ADDRESS', {
    ...hsw,
    length: field(8, 10),
    addresses: [addr32(1, { align: 4096, every: 1, times: 5 })],
  }),
  state(0x6101, 'STATE_BASE_ADDRESS', {
    platforms: P.BDW,
    length: field(8, 16),
    addresses: bases(1, 4, 6, 8, 10),
  }),
  // The bindless surface base came with Gen9, with or without its size.
  state(0x6101, 'STATE_BASE_ADDRESS', {
    platforms: P_GEN9,
    length: field(8, 16, 18, 19),
    addresses: bases(1, 4, 6, 8, 10, 16),
  }),
  ...grown(0x6102, 'STATE_SIP', [2, 3], [[addr32(1, { align: 16 })], [addr48(1, { align: 16 })]]),
  state(0x6103, 'SWTESS_BASE_ADDRESS', { ...hsw, length: field(3), addresses: [addr32(1, pool)] }),
  state(0x6103, 'SWTESS_BASE_ADDRESS', { ...gen8, length: field(3), addresses: [addr48(1, pool)] }),
  ...grown(0x6104, 'GPGPU_CSR_BASE_ADDRESS', [2, 3], [[addr32(1, pool)], [addr48(1, pool)]]),
  single(0x680b, '3DSTATE_VF_STATISTICS'),
  single(0x6904, 'PIPELINE_SELECT'),

  same(0x7804, '3DSTATE_CLEAR_PARAMS', 3),
  ...grown(0x7805, '3DSTATE_DEPTH_BUFFER', [7, 8], [[addr32(2, surface)], [addr48(2, surface)]]),
  ...grown(0x7806, '3DSTATE_STENCIL_BUFFER', [3, 5], [[addr32(2, surface)], [addr48(2, surface)]]),
  ...grown(0x7807, '3DSTATE_HIER_DEPTH_BUFFER', [3, 5], [[addr32(2, surface)], [addr48(2, surface)]]),
  // Four dwords for each buffer.
  state(0x7808, '3DSTATE_VERTEX_BUFFERS', {
    ...hsw,
    addresses: [addr32(2, { extent: 'endAddress', bound: 3, every: 4 })],
  }),
  state(0x7808, '3DSTATE_VERTEX_BUFFERS', {
    ...gen8,
    addresses: [addr48(2, { extent: 'byteSize', bound: 4, every: 4 })],
  }),
  state(0x7809, '3DSTATE_VERTEX_ELEMENTS'),
  ...grown(
    0x780a,
    '3DSTATE_INDEX_BUFFER',
    [3, 5],
    [[addr32(1, { extent: 'endAddress', bound: 2 })], [addr48(2, { extent: 'byteSize', bound: 4 })]],
  ),
  // GVT-g's 3DSTATE_VF_STATISTICS of one dword. No manual has it here, so nobody can say how long it is: it never runs.
  single(0x780b, '3DSTATE_VF_STATISTICS_780B', { handler: 'refuse' }),
  same(0x780c, '3DSTATE_VF', 2),
  later(0x780d, '3DSTATE_MULTISAMPLE', 2),
  same(0x780e, '3DSTATE_CC_STATE_POINTERS', 2),
  same(0x780f, '3DSTATE_SCISSOR_STATE_POINTERS', 2),
  ...grown(0x7810, '3DSTATE_VS', [6, 9]),
  ...grown(0x7811, '3DSTATE_GS', [7, 10]),
  same(0x7812, '3DSTATE_CLIP', 4),
  ...grown(0x7813, '3DSTATE_SF', [7, 4]),
  ...grown(0x7814, '3DSTATE_WM', [3, 2]),
  ...constants(0x7815, ['VS', 'GS', 'PS']),
  same(0x7818, '3DSTATE_SAMPLE_MASK', 2),
  ...constants(0x7819, ['HS', 'DS']),
  ...grown(0x781b, '3DSTATE_HS', [7, 9]),
  same(0x781c, '3DSTATE_TE', 4),
  ...thrice(0x781d, '3DSTATE_DS', [6, 9, 11]),
  ...grown(0x781e, '3DSTATE_STREAMOUT', [3, 5]),
  ...thrice(0x781f, '3DSTATE_SBE', [14, 4, 6]),
  ...grown(0x7820, '3DSTATE_PS', [8, 12]),
  same(0x7821, '3DSTATE_VIEWPORT_STATE_POINTERS_SF_CLIP', 2),
  same(0x7823, '3DSTATE_VIEWPORT_STATE_POINTERS_CC', 2),
  same(0x7824, '3DSTATE_BLEND_STATE_POINTERS', 2),
  same(0x7825, '3DSTATE_DEPTH_STENCIL_STATE_POINTERS', 2),
  ...stages(0x7826, '3DSTATE_BINDING_TABLE_POINTERS', ALL_STAGES, 2),
  ...stages(0x782b, '3DSTATE_SAMPLER_STATE_POINTERS', ALL_STAGES, 2),
  ...stages(0x7830, '3DSTATE_URB', ['VS', 'HS', 'DS', 'GS'], 2),
  ...['VS', 'GS', 'HS', 'DS', 'PS'].map((stage, i) => state(0x7834 + i, `3DSTATE_GATHER_CONSTANT_${stage}`)),
  state(0x7839, '3DSTATE_DX9_CONSTANTF_VS', { length: field(11) }),
  state(0x783a, '3DSTATE_DX9_CONSTANTF_PS', { length: field(11) }),
  state(0x783b, '3DSTATE_DX9_CONSTANTI_VS'),
  state(0x783c, '3DSTATE_DX9_CONSTANTI_PS'),
  state(0x783d, '3DSTATE_DX9_CONSTANTB_VS'),
  state(0x783e, '3DSTATE_DX9_CONSTANTB_PS'),
  state(0x783f, '3DSTATE_DX9_LOCAL_VALID_VS'),
  state(0x7840, '3DSTATE_DX9_LOCAL_VALID_PS'),
  state(0x7841, '3DSTATE_DX9_GENERATE_ACTIVE_VS'),
  state(0x7842, '3DSTATE_DX9_GENERATE_ACTIVE_PS'),
  state(0x7843, '3DSTATE_BINDING_TABLE_EDIT_VS', { length: field(9) }),
  state(0x7844, '3DSTATE_BINDING_TABLE_EDIT_GS', { length: field(9) }),
  state(0x7845, '3DSTATE_BINDING_TABLE_EDIT_HS', { length: field(9) }),
  state(0x7846, '3DSTATE_BINDING_TABLE_EDIT_DS', { length: field(9) }),
  state(0x7847, '3DSTATE_BINDING_TABLE_EDIT_PS', { length: field(9) }),
  later(0x7849, '3DSTATE_VF_INSTANCING', 3),
  later(0x784a, '3DSTATE_VF_SGVS', 2),
  later(0x784b, '3DSTATE_VF_TOPOLOGY', 2),
  later(0x784c, '3DSTATE_WM_CHROMAKEY', 2),
  later(0x784d, '3DSTATE_PS_BLEND', 2),
  // Gen9 added a dword of reference values.
  state(0x784e, '3DSTATE_WM_DEPTH_STENCIL', { platforms: P.BDW, length: field(8, 3) }),
  state(0x784e, '3DSTATE_WM_DEPTH_STENCIL', { platforms: P_GEN9, length: field(8, 3, 4) }),
  later(0x784f, '3DSTATE_PS_EXTRA', 2),
  later(0x7850, '3DSTATE_RASTER', 5),
  later(0x7851, '3DSTATE_SBE_SWIZ', 11),
  later(0x7852, '3DSTATE_WM_HZ_OP', 5),
  state(0x7854, '3DSTATE_RS_CONSTANT_POINTER', {
    ...gen8,
    length: field(8, 4),
    addresses: [addr48(2, { align: 64, access: 'modify' })],
  }),
  state(0x7855, '3DSTATE_COMPONENT_PACKING', { platforms: P_GEN9, length: field(8, 5) }),

  same(0x7900, '3DSTATE_DRAWING_RECTANGLE', 4),
  state(0x7902, '3DSTATE_SAMPLER_PALETTE_LOAD0'),
  same(0x7904, '3DSTATE_CHROMA_KEY', 4),
  same(0x7906, '3DSTATE_POLY_STIPPLE_OFFSET', 2),
  same(0x7907, '3DSTATE_POLY_STIPPLE_PATTERN', 33),
  same(0x7908, '3DSTATE_LINE_STIPPLE', 3),
  same(0x790a, '3DSTATE_AA_LINE_PARAMS', 3),
  state(0x790b, '3DSTATE_GS_SVB_INDEX'),
  state(0x790c, '3DSTATE_SAMPLER_PALETTE_LOAD1'),
  // Haswell's has the sample positions with it; later they are 3DSTATE_SAMPLE_PATTERN's.
  state(0x790d, '3DSTATE_MULTISAMPLE', { ...hsw, length: field(8, 4) }),
  state(0x790e, '3DSTATE_RAST_MULTISAMPLE', { ...hsw, length: field(8, 6) }),
  same(0x7911, '3DSTATE_MONOFILTER_SIZE', 2),
  ...stages(0x7912, '3DSTATE_PUSH_CONSTANT_ALLOC', ALL_STAGES, 2),
  state(0x7917, '3DSTATE_SO_DECL_LIST', { length: field(9, ...between(3, 3 + 2 * 128)) }),
  // Gen8+ may keep the write offset in memory: a second address.
  ...grown(
    0x7918,
    '3DSTATE_SO_BUFFER',
    [4, 8],
    [
      [addr32(2, { ...streamOut, extent: 'endAddress', bound: 3 })],
      [addr48(2, streamOut), addr48(5, { ...streamOut, extent: 4, access: 'modify' })],
    ],
  ),
  ...grown(0x7919, '3DSTATE_BINDING_TABLE_POOL_ALLOC', [3, 4], [[addr32(1, pool)], [addr48(1, pool)]]),
  ...grown(0x791a, '3DSTATE_GATHER_POOL_ALLOC', [3, 4], [[addr32(1, pool)], [addr48(1, pool)]]),
  ...grown(0x791b, '3DSTATE_DX9_CONSTANT_BUFFER_POOL_ALLOC', [3, 4], [[addr32(1, pool)], [addr48(1, pool)]]),
  later(0x791c, '3DSTATE_SAMPLE_PATTERN', 9),
  later(0x791d, '3DSTATE_URB_CLEAR', 2),

  state(0x7a00, 'PIPE_CONTROL', { ...hsw, ...pipeControl, length: field(8, 4, 5), addresses: [addr32(2, postSync)] }),
  state(0x7a00, 'PIPE_CONTROL', { ...gen8, ...pipeControl, length: field(8, 5, 6), addresses: [addr48(2, postSync)] }),
  state(0x7b00, '3DPRIMITIVE', { length: field(8, 7), cost: '3dprim' }),
];
