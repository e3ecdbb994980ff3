/**
 * Fields of the pixel half of the 3D pipeline: setup, rasteriser, pixel shader, blending.
 * Source: PRM HSW, BDW and SKL Vol 2a; Mesa genxml gen75, gen8, gen9.
 */

import { scratch8, threadFlags } from './fields-geometry.js';
import {
  addr32,
  bdw,
  bit,
  type CommandField,
  type FieldRow,
  gen8,
  gen9,
  hsw,
  num,
  offset64,
  pick,
} from './fields-types.js';

const FILLS = ['solid', 'wireframe', 'point'];
const CULLS = ['both', 'none', 'front', 'back'];
const WINDINGS = ['clockwise', 'counter-clockwise'];
const WIDTHS = ['0.5 pixels', '1 pixel', '2 pixels', '4 pixels'];
export const DEPTHS = {
  0: 'D32_FLOAT_S8X24_UINT',
  1: 'D32_FLOAT',
  2: 'D24_UNORM_S8_UINT',
  3: 'D24_UNORM_X8_UINT',
  5: 'D16_UNORM',
};
const FACTORS = {
  1: '1',
  2: 'source',
  3: 'source alpha',
  4: 'destination alpha',
  5: 'destination',
  6: 'source alpha, saturate',
  7: 'constant',
  8: 'constant alpha',
  9: 'source 1',
  10: 'source 1 alpha',
  17: '0',
  18: '1 - source',
  19: '1 - source alpha',
  20: '1 - destination alpha',
  21: '1 - destination',
  23: '1 - constant',
  24: '1 - constant alpha',
  25: '1 - source 1',
  26: '1 - source 1 alpha',
};
const INTERPOLATIONS = { 0: 'pixel', 2: 'centroid', 3: 'sample' };
const POSITION_OFFSETS = { 0: 'none', 2: 'centroid', 3: 'sample' };
const COMPUTED_DEPTHS = ['off', 'on', '>=', '<='];
const EARLY_TESTS = ['normal', 'PS executes', 'before PS'];
const MULTISAMPLE_MODES = ['off, pixel', 'off, pattern', 'on, pixel', 'on, pattern'];

const provoking = (dword: number, low: number): CommandField[] => [
  num('provoking vertex, strip', dword, low + 5, low + 4),
  num('provoking vertex, line', dword, low + 3, low + 2),
  num('provoking vertex, fan', dword, low + 1, low),
];
const points = [
  bit('last pixel', 3, 31),
  ...provoking(3, 25),
  bit('true AA line distance', 3, 14),
  bit('4-bit subpixels', 3, 12),
  pick('point width', 3, 11, 11, ['vertex', 'state']),
  num('point width, 8ths', 3, 10, 0),
];
const setup8 = [
  bit('legacy global depth bias', 1, 11),
  bit('statistics', 1, 10),
  bit('viewport transform', 1, 1),
  pick('line end cap AA width', 2, 17, 16, WIDTHS),
  bit('smooth points', 3, 13),
  ...points,
];
const depthOffsets = (first: number): CommandField[] => [
  num('depth offset constant', first),
  num('depth offset scale', first + 1),
  num('depth offset clamp', first + 2),
];
const raster = [
  pick('API', 1, 23, 22, ['D3D9, OpenGL', 'D3D10.0', 'D3D10.1+']),
  pick('front winding', 1, 21, 21, WINDINGS),
  num('forced samples', 1, 20, 18),
  pick('cull mode', 1, 17, 16, CULLS),
  bit('force multisampling', 1, 14),
  bit('smooth points', 1, 13),
  bit('multisampling enable', 1, 12),
  pick('multisampling mode', 1, 11, 10, MULTISAMPLE_MODES),
  bit('depth offset of solids', 1, 9),
  bit('depth offset of wireframes', 1, 8),
  bit('depth offset of points', 1, 7),
  pick('front fill', 1, 6, 5, FILLS),
  pick('back fill', 1, 4, 3, FILLS),
  bit('antialiasing', 1, 2),
  bit('scissor', 1, 1),
  ...depthOffsets(2),
];
const sbe8 = [
  bit('force read length', 1, 29),
  bit('force read offset', 1, 28),
  num('attributes', 1, 27, 22),
  bit('swizzle', 1, 21),
  pick('point sprite origin', 1, 20, 20, ['upper left', 'lower left']),
  num('primitive id components', 1, 19, 16),
  num('read length', 1, 15, 11),
  num('read offset', 1, 10, 5),
  num('primitive id attribute', 1, 4, 0),
  num('point sprites', 2),
  num('constant interpolation', 3),
];
const attributes = (dword: number): CommandField[] =>
  Array.from({ length: 16 }, (_, i) =>
    num(`attribute ${i}`, dword + (i >> 1), i % 2 === 0 ? 15 : 31, i % 2 === 0 ? 0 : 16),
  );
const windowing = [
  pick('early depth test', 1, 22, 21, EARLY_TESTS),
  pick('ZW interpolation', 1, 18, 17, INTERPOLATIONS),
  num('barycentric modes', 1, 16, 11),
];
const dispatch = (dword: number): CommandField[] => [
  bit('SIMD32', dword, 2),
  bit('SIMD16', dword, 1),
  bit('SIMD8', dword, 0),
];
const firstRegisters = (dword: number): CommandField[] => [
  num('first GRF of kernel 0', dword, 22, 16),
  num('first GRF of kernel 1', dword, 14, 8),
  num('first GRF of kernel 2', dword, 6, 0),
];
const pixelFlags = (dword: number): CommandField[] => [
  bit('single program flow', dword, 31),
  ...threadFlags(dword),
  pick('denormals', dword, 26, 26, ['flushed', 'kept']),
  pick('rounding', dword, 15, 14, ['nearest even', 'up', 'down', 'to zero']),
];
const pixel8 = [
  offset64('kernel 0', 1, 6),
  ...pixelFlags(3),
  ...scratch8(4),
  num('most threads - 1', 6, 31, 23),
  bit('push constants', 6, 11),
  bit('render target fast clear', 6, 8),
  pick('position offset', 6, 4, 3, POSITION_OFFSETS),
  ...dispatch(6),
  ...firstRegisters(7),
  offset64('kernel 1', 8, 6),
  offset64('kernel 2', 10, 6),
];
const extra = [
  bit('valid', 1, 31),
  bit('writes no render target', 1, 30),
  bit('oMask', 1, 29),
  bit('kills pixels', 1, 28),
  pick('computed depth', 1, 27, 26, COMPUTED_DEPTHS),
  bit('force computed depth', 1, 25),
  bit('uses source depth', 1, 24),
  bit('uses source W', 1, 23),
  bit('attributes', 1, 8),
  bit('no alpha to coverage', 1, 7),
  bit('per sample', 1, 6),
];
export const PIXEL_FIELDS: readonly FieldRow[] = [
  hsw(
    '3DSTATE_SF',
    pick('depth format', 1, 14, 12, DEPTHS),
    bit('legacy global depth bias', 1, 11),
    bit('statistics', 1, 10),
    bit('depth offset of solids', 1, 9),
    bit('depth offset of wireframes', 1, 8),
    bit('depth offset of points', 1, 7),
    pick('front fill', 1, 6, 5, FILLS),
    pick('back fill', 1, 4, 3, FILLS),
    bit('viewport transform', 1, 1),
    pick('front winding', 1, 0, 0, WINDINGS),
    bit('antialiasing', 2, 31),
    pick('cull mode', 2, 30, 29, CULLS),
    num('line width, 128ths', 2, 27, 18),
    pick('line end cap AA width', 2, 17, 16, WIDTHS),
    bit('line stipple', 2, 14),
    bit('scissor', 2, 11),
    pick('multisampling mode', 2, 9, 8, MULTISAMPLE_MODES),
    ...points,
    ...depthOffsets(4),
  ),
  bdw('3DSTATE_SF', ...setup8, num('line width, 128ths', 2, 27, 18)),
  gen9('3DSTATE_SF', ...setup8, num('line width, 128ths', 1, 29, 12)),
  bdw('3DSTATE_RASTER', ...raster, bit('viewport Z clip test', 1, 0)),
  gen9(
    '3DSTATE_RASTER',
    bit('viewport Z far clip test', 1, 26),
    bit('conservative', 1, 24),
    ...raster,
    bit('viewport Z near clip test', 1, 0),
  ),
  hsw(
    '3DSTATE_SBE',
    num('swizzle mode', 1, 28, 28),
    num('attributes', 1, 27, 22),
    bit('swizzle', 1, 21),
    pick('point sprite origin', 1, 20, 20, ['upper left', 'lower left']),
    num('read length', 1, 15, 11),
    num('read offset', 1, 9, 4),
    ...attributes(2),
    num('point sprites', 10),
    num('constant interpolation', 11),
    num('wrap shortest, attributes 0 to 7', 12),
    num('wrap shortest, attributes 8 to 15', 13),
  ),
  bdw('3DSTATE_SBE', ...sbe8),
  gen9('3DSTATE_SBE', ...sbe8, num('components of attributes 0 to 15', 4), num('components of attributes 16 to 31', 5)),
  gen8(
    '3DSTATE_SBE_SWIZ',
    ...attributes(1),
    num('wrap shortest, attributes 0 to 7', 9),
    num('wrap shortest, attributes 8 to 15', 10),
  ),
  hsw(
    '3DSTATE_WM',
    bit('statistics', 1, 31),
    bit('depth clear', 1, 30),
    bit('thread dispatch', 1, 29),
    bit('depth resolve', 1, 28),
    bit('hierarchical depth resolve', 1, 27),
    bit('legacy diamond lines', 1, 26),
    bit('kills pixels', 1, 25),
    pick('computed depth', 1, 24, 23, COMPUTED_DEPTHS),
    bit('uses source depth', 1, 20),
    bit('uses source W', 1, 19),
    ...windowing,
    bit('uses coverage mask', 1, 10),
    pick('line end cap AA width', 1, 9, 8, WIDTHS),
    pick('line AA width', 1, 7, 6, WIDTHS),
    bit('RT-independent', 1, 5),
    bit('polygon stipple', 1, 4),
    bit('line stipple', 1, 3),
    pick('point rule', 1, 2, 2, ['upper left', 'upper right']),
    pick('multisampling mode', 1, 1, 0, MULTISAMPLE_MODES),
    pick('dispatch', 2, 31, 31, ['per sample', 'per pixel']),
    bit('UAV only', 2, 30),
  ),
  gen8(
    '3DSTATE_WM',
    bit('statistics', 1, 31),
    bit('depth clear', 1, 30),
    bit('depth resolve', 1, 28),
    bit('hierarchical depth resolve', 1, 27),
    bit('legacy diamond lines', 1, 26),
    ...windowing,
    pick('force thread dispatch', 1, 20, 19, { 1: 'off', 2: 'on' }),
    pick('line end cap AA width', 1, 9, 8, WIDTHS),
    pick('line AA width', 1, 7, 6, WIDTHS),
    bit('polygon stipple', 1, 4),
    bit('line stipple', 1, 3),
    pick('point rule', 1, 2, 2, ['upper left', 'upper right']),
    pick('force kill pixel', 1, 1, 0, { 1: 'off', 2: 'on' }),
  ),
  hsw(
    '3DSTATE_PS',
    addr32('kernel 0', 1, 6),
    ...pixelFlags(2),
    addr32('scratch space', 3, 10),
    num('scratch per thread', 3, 3, 0),
    num('most threads - 1', 4, 31, 23),
    num('sample mask', 4, 19, 12),
    bit('push constants', 4, 11),
    bit('attributes', 4, 10),
    bit('oMask', 4, 9),
    bit('render target fast clear', 4, 8),
    bit('dual source blend', 4, 7),
    bit('render target resolve', 4, 6),
    bit('accesses UAV', 4, 5),
    pick('position offset', 4, 4, 3, POSITION_OFFSETS),
    ...dispatch(4),
    ...firstRegisters(5),
    addr32('kernel 1', 6, 6),
    addr32('kernel 2', 7, 6),
  ),
  bdw('3DSTATE_PS', ...pixel8, bit('render target resolve', 6, 6)),
  gen9('3DSTATE_PS', ...pixel8, pick('render target resolve', 6, 7, 6, { 0: 'no', 1: 'partial', 3: 'full' })),
  gen8(
    '3DSTATE_PS_BLEND',
    bit('alpha to coverage', 1, 31),
    bit('writeable render target', 1, 30),
    bit('blend', 1, 29),
    pick('source alpha factor', 1, 28, 24, FACTORS),
    pick('destination alpha factor', 1, 23, 19, FACTORS),
    pick('source factor', 1, 18, 14, FACTORS),
    pick('destination factor', 1, 13, 9, FACTORS),
    bit('alpha test', 1, 8),
    bit('independent alpha blend', 1, 7),
  ),
  bdw('3DSTATE_PS_EXTRA', ...extra, bit('accesses UAV', 1, 2), bit('uses coverage mask', 1, 1)),
  gen9(
    '3DSTATE_PS_EXTRA',
    ...extra,
    bit('computes stencil', 1, 5),
    bit('pulls barycentrics', 1, 3),
    bit('accesses UAV', 1, 2),
    pick('coverage mask', 1, 1, 0, ['none', 'normal', 'inner conservative', 'depth']),
  ),
];
