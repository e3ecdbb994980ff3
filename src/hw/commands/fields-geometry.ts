/**
 * Fields of the geometry half of the 3D pipeline: shader stages before the rasteriser, their constants and tables, clipping.
 * Kernels and scratch space are offsets from the instruction and general state bases.
 * Source: PRM HSW, BDW and SKL Vol 2a; Mesa genxml gen75, gen8, gen9.
 */

import { TOPOLOGIES } from './fields-pipeline.js';
import {
  addr32,
  addr48,
  all,
  bdw,
  bit,
  type CommandField,
  type FieldRow,
  gen8,
  gen9,
  hsw,
  num,
  numbered,
  offset64,
  pick,
} from './fields-types.js';

const STAGES = ['VS', 'HS', 'DS', 'GS', 'PS'];
const ofStages = (name: string, stages: readonly string[] = STAGES): string[] =>
  stages.map((stage) => `${name}_${stage}`);

/** Of every thread dispatcher, in one dword. */
export const threadFlags = (dword: number): CommandField[] => [
  bit('vector mask', dword, 30),
  num('samplers / 4', dword, 29, 27),
  num('binding table entries', dword, 25, 18),
  bit('high priority', dword, 17),
  pick('floating point', dword, 16, 16, ['IEEE-754', 'alternate']),
];
const scratch7 = (dword: number): CommandField[] => [
  addr32('scratch space', dword, 10),
  num('scratch per thread', dword, 3, 0),
];
export const scratch8 = (dword: number): CommandField[] => [
  offset64('scratch space', dword, 10),
  num('scratch per thread', dword, 3, 0),
];
export const outputs = (dword: number): CommandField[] => [
  num('output read offset', dword, 26, 21),
  num('output read length', dword, 20, 16),
  num('clip distances clipped', dword, 15, 8),
  num('clip distances culled', dword, 7, 0),
];

const vertexReads = (dword: number): CommandField[] => [
  num('first GRF', dword, 24, 20),
  num('read length', dword, 16, 11),
  num('read offset', dword, 9, 4),
];
const vertexEnable = (dword: number): CommandField[] => [
  num('most threads - 1', dword, 31, 23),
  bit('statistics', dword, 10),
  bit('cache disable', dword, 1),
  bit('enable', dword, 0),
];
const hullReads = (dword: number): CommandField[] => [
  bit('single program flow', dword, 27),
  bit('vector mask', dword, 26),
  bit('accesses UAV', dword, 25),
  bit('vertex handles', dword, 24),
  num('first GRF', dword, 23, 19),
  num('read length', dword, 16, 11),
  num('read offset', dword, 9, 4),
];
const hullFlags = [
  num('samplers / 4', 1, 29, 27),
  num('binding table entries', 1, 25, 18),
  bit('high priority', 1, 17),
  pick('floating point', 1, 16, 16, ['IEEE-754', 'alternate']),
];
const hullEnable = [bit('enable', 2, 31), bit('statistics', 2, 29), num('instances - 1', 2, 3, 0)];
const domainReads = (dword: number): CommandField[] => [
  num('first GRF', dword, 24, 20),
  num('read length', dword, 17, 11),
  num('read offset', dword, 9, 4),
];
const domainEnable = (dword: number): CommandField[] => [
  num('most threads - 1', dword, 29, 21),
  bit('statistics', dword, 10),
  bit('compute W', dword, 2),
  bit('cache disable', dword, 1),
  bit('enable', dword, 0),
];
const domain8 = [
  offset64('kernel', 1, 6),
  ...threadFlags(3),
  ...scratch8(4),
  ...domainReads(6),
  ...domainEnable(7),
  ...outputs(8),
];
const geometryReads = (dword: number): CommandField[] => [
  num('output vertex size', dword, 28, 23),
  pick('output topology', dword, 22, 17, TOPOLOGIES),
  num('read length', dword, 16, 11),
  bit('vertex handles', dword, 10),
  num('read offset', dword, 9, 4),
  num('first GRF', dword, 3, 0),
];
const geometryEnable = (dword: number): CommandField[] => [
  num('control data header size', dword, 23, 20),
  num('instances - 1', dword, 19, 15),
  num('default stream', dword, 14, 13),
  num('dispatch mode', dword, 12, 11),
  bit('statistics', dword, 10),
  num('invocations increment', dword, 9, 5),
  bit('primitive id', dword, 4),
  bit('hint', dword, 3),
  pick('reorder', dword, 2, 2, ['leading', 'trailing']),
  bit('discard adjacency', dword, 1),
  bit('enable', dword, 0),
];
const geometry8 = [
  offset64('kernel', 1, 6),
  bit('single program flow', 3, 31),
  ...threadFlags(3),
  bit('accesses UAV', 3, 12),
  num('expected vertices', 3, 5, 0),
  ...scratch8(4),
  ...geometryReads(6),
  ...geometryEnable(7),
  pick('control data format', 8, 31, 31, ['cut', 'stream id']),
  bit('static output', 8, 30),
  num('static output vertices', 8, 26, 16),
  ...outputs(9),
];
const readLengths = [
  num('buffer 1 read length', 1, 31, 16),
  num('buffer 0 read length', 1, 15, 0),
  num('buffer 3 read length', 2, 31, 16),
  num('buffer 2 read length', 2, 15, 0),
];
const provoking = (dword: number, low: number): CommandField[] => [
  num('provoking vertex, strip', dword, low + 5, low + 4),
  num('provoking vertex, line', dword, low + 3, low + 2),
  num('provoking vertex, fan', dword, low + 1, low),
];
const clip = [
  bit('4-bit subpixels', 1, 19),
  bit('early cull', 1, 18),
  bit('statistics', 1, 10),
  num('clip distances culled', 1, 7, 0),
  bit('enable', 2, 31),
  pick('API', 2, 30, 30, ['OpenGL', 'D3D']),
  bit('viewport XY clip test', 2, 28),
  bit('guardband clip test', 2, 26),
  num('clip distances clipped', 2, 23, 16),
  pick('clip mode', 2, 15, 13, { 0: 'normal', 3: 'reject all', 4: 'accept all' }),
  bit('perspective divide disable', 2, 9),
  bit('non-perspective barycentric', 2, 8),
  ...provoking(2, 0),
  num('least point width', 3, 27, 17),
  num('most point width', 3, 16, 6),
  bit('force render target array index 0', 3, 5),
  num('most viewport index', 3, 3, 0),
];

export const GEOMETRY_FIELDS: readonly FieldRow[] = [
  hsw(
    '3DSTATE_VS',
    addr32('kernel', 1, 6),
    bit('single vertex dispatch', 2, 31),
    ...threadFlags(2),
    bit('accesses UAV', 2, 12),
    ...scratch7(3),
    ...vertexReads(4),
    ...vertexEnable(5),
  ),
  gen8(
    '3DSTATE_VS',
    offset64('kernel', 1, 6),
    bit('single vertex dispatch', 3, 31),
    ...threadFlags(3),
    bit('accesses UAV', 3, 12),
    ...scratch8(4),
    ...vertexReads(6),
    ...vertexEnable(7),
    bit('SIMD8', 7, 2),
    ...outputs(8),
  ),
  hsw(
    '3DSTATE_HS',
    ...hullFlags,
    num('most threads - 1', 1, 7, 0),
    ...hullEnable,
    addr32('kernel', 3, 6),
    ...scratch7(4),
    ...hullReads(5),
    num('semaphore handle', 6, 12, 0),
  ),
  gen8(
    '3DSTATE_HS',
    ...hullFlags,
    ...hullEnable,
    num('most threads - 1', 2, 16, 8),
    offset64('kernel', 3, 6),
    ...scratch8(5),
    ...hullReads(7),
    num('dispatch mode', 7, 18, 17),
    bit('primitive id', 7, 0),
  ),
  all(
    '3DSTATE_TE',
    pick('partitioning', 1, 13, 12, ['integer', 'odd fractional', 'even fractional']),
    pick('output topology', 1, 9, 8, ['point', 'line', 'triangle cw', 'triangle ccw']),
    pick('domain', 1, 5, 4, ['quad', 'triangle', 'isoline']),
    pick('mode', 1, 2, 1, ['hardware', 'software']),
    bit('enable', 1, 0),
    num('most factor, odd', 2),
    num('most factor, not odd', 3),
  ),
  hsw(
    '3DSTATE_DS',
    addr32('kernel', 1, 6),
    bit('single point dispatch', 2, 31),
    ...threadFlags(2),
    ...scratch7(3),
    ...domainReads(4),
    ...domainEnable(5),
  ),
  bdw('3DSTATE_DS', ...domain8, bit('SIMD8', 7, 3)),
  gen9('3DSTATE_DS', ...domain8, num('dispatch mode', 7, 4, 3), offset64('dual patch kernel', 9, 6)),
  hsw(
    '3DSTATE_GS',
    addr32('kernel', 1, 6),
    bit('single program flow', 2, 31),
    ...threadFlags(2),
    bit('accesses UAV', 2, 12),
    ...scratch7(3),
    ...geometryReads(4),
    num('most threads - 1', 5, 31, 24),
    ...geometryEnable(5),
    pick('control data format', 6, 31, 31, ['cut', 'stream id']),
    num('semaphore handle', 6, 12, 0),
  ),
  bdw('3DSTATE_GS', ...geometry8, num('most threads - 1', 7, 31, 24)),
  gen9('3DSTATE_GS', ...geometry8, num('most threads - 1', 8, 8, 0)),
  hsw(ofStages('3DSTATE_CONSTANT'), ...readLengths, num('MOCS', 3, 4, 0), ...numbered(4, 1, addr32('buffer', 3, 5))),
  gen8(ofStages('3DSTATE_CONSTANT'), num('MOCS', 0, 14, 8), ...readLengths, ...numbered(4, 2, addr48('buffer', 3, 5))),
  all(ofStages('3DSTATE_BINDING_TABLE_POINTERS'), { ...addr32('table', 1, 5), high: 15 }),
  all(ofStages('3DSTATE_SAMPLER_STATE_POINTERS'), addr32('samplers', 1, 5)),
  all(
    ofStages('3DSTATE_URB', ['VS', 'HS', 'DS', 'GS']),
    num('start', 1, 31, 25),
    num('entry size - 1', 1, 24, 16),
    num('entries', 1, 15, 0),
  ),
  all(ofStages('3DSTATE_PUSH_CONSTANT_ALLOC'), num('offset', 1, 20, 16), num('size', 1, 5, 0)),
  hsw(
    '3DSTATE_CLIP',
    pick('front winding', 1, 20, 20, ['clockwise', 'counter-clockwise']),
    pick('cull mode', 1, 17, 16, ['both', 'none', 'front', 'back']),
    bit('viewport Z clip test', 2, 27),
    ...clip,
  ),
  gen8(
    '3DSTATE_CLIP',
    bit('force clip distances culled', 1, 20),
    bit('force clip distances clipped', 1, 17),
    bit('force clip mode', 1, 16),
    ...clip,
  ),
];
