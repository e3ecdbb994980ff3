/**
 * Fields of the commands around the 3D pipeline: flushes, bases, pipeline selection, primitives, and what the vertex fetcher
 * and stream output work on.
 * Source: PRM HSW, BDW and SKL Vol 2a; Mesa genxml gen75, gen8, gen9.
 */
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
  pick,
  repeated,
  toBdw,
} from './fields-types.js';

export const TOPOLOGIES = Object.fromEntries([
  [1, 'POINTLIST'],
  [2, 'LINELIST'],
  [3, 'LINESTRIP'],
  [4, 'TRILIST'],
  [5, 'TRISTRIP'],
  [6, 'TRIFAN'],
  [7, 'QUADLIST'],
  [8, 'QUADSTRIP'],
  [9, 'LINELIST_ADJ'],
  [10, 'LINESTRIP_ADJ'],
  [11, 'TRILIST_ADJ'],
  [12, 'TRISTRIP_ADJ'],
  [13, 'TRISTRIP_REVERSE'],
  [14, 'POLYGON'],
  [15, 'RECTLIST'],
  [16, 'LINELOOP'],
  [17, 'POINTLIST_BF'],
  [18, 'LINESTRIP_CONT'],
  [19, 'LINESTRIP_BF'],
  [20, 'LINESTRIP_CONT_BF'],
  [22, 'TRIFAN_NOSTIPPLE'],
  ...Array.from({ length: 32 }, (_, i) => [32 + i, `PATCHLIST_${i + 1}`]),
]) as Readonly<Record<number, string>>;

const PIPELINES = ['3D', 'media', 'GPGPU'];
const INDEX_FORMATS = ['byte', 'word', 'dword'];
const COMPONENTS = ['no store', 'source', '0', '1.0', '1', 'vertex id', 'instance id', 'primitive id'];

const pipeControl = [
  bit('flush LLC', 1, 26),
  pick('destination', 1, 24, 24, ['per process', 'global']),
  bit('LRI post-sync', 1, 23),
  bit('store data index', 1, 21),
  bit('CS stall', 1, 20),
  bit('global snapshot count reset', 1, 19),
  bit('TLB invalidate', 1, 18),
  bit('generic media state clear', 1, 16),
  pick('post-sync operation', 1, 15, 14, ['none', 'immediate data', 'depth count', 'timestamp']),
  bit('depth stall', 1, 13),
  bit('render target flush', 1, 12),
  bit('instruction cache invalidate', 1, 11),
  bit('texture cache invalidate', 1, 10),
  bit('indirect state pointers disable', 1, 9),
  bit('notify enable', 1, 8),
  bit('pipe control flush', 1, 7),
  bit('DC flush', 1, 5),
  bit('VF cache invalidate', 1, 4),
  bit('constant cache invalidate', 1, 3),
  bit('state cache invalidate', 1, 2),
  bit('stall at pixel scoreboard', 1, 1),
  bit('depth cache flush', 1, 0),
];

/** A base of 64 bits with its caching and the bit that makes it take effect. */
const base = (name: string, dword: number): CommandField[] => [
  addr48(`${name} base`, dword, 12),
  num(`${name} MOCS`, dword, 10, 4),
  bit(`${name} base modify`, dword, 0),
];
const size = (name: string, dword: number): CommandField[] => [
  num(`${name} pages`, dword, 31, 12),
  bit(`${name} size modify`, dword, 0),
];
const bases8 = [
  ...base('general state', 1),
  num('stateless data port MOCS', 3, 22, 16),
  ...base('surface state', 4),
  ...base('dynamic state', 6),
  ...base('indirect object', 8),
  ...base('instruction', 10),
  ...size('general state', 12),
  ...size('dynamic state', 13),
  ...size('indirect object', 14),
  ...size('instruction', 15),
];
const base7 = (name: string, dword: number): CommandField[] => [
  addr32(`${name} base`, dword, 12),
  num(`${name} MOCS`, dword, 11, 8),
  bit(`${name} base modify`, dword, 0),
];
const bound7 = (name: string, dword: number): CommandField[] => [
  addr32(`${name} upper bound`, dword, 12),
  bit(`${name} bound modify`, dword, 0),
];

const elements = repeated(
  2,
  num('vertex buffer', 1, 31, 26),
  bit('valid', 1, 25),
  num('source format', 1, 24, 16),
  bit('edge flag', 1, 15),
  num('source offset', 1, 11, 0),
  pick('component 0', 2, 30, 28, COMPONENTS),
  pick('component 1', 2, 26, 24, COMPONENTS),
  pick('component 2', 2, 22, 20, COMPONENTS),
  pick('component 3', 2, 18, 16, COMPONENTS),
);
const streamFlags = [
  bit('enable', 1, 31),
  bit('rendering disable', 1, 30),
  num('render stream', 1, 28, 27),
  pick('reorder', 1, 26, 26, ['leading', 'trailing']),
  bit('statistics enable', 1, 25),
];
const streamReads = [3, 2, 1, 0].flatMap((stream) => [
  num(`stream ${stream} read offset`, 2, 5 + 8 * stream, 5 + 8 * stream),
  num(`stream ${stream} read length`, 2, 4 + 8 * stream, 8 * stream),
]);

export const PIPELINE_FIELDS: readonly FieldRow[] = [
  hsw('PIPE_CONTROL', ...pipeControl, addr32('address', 2, 2), num('data', 3), num('data high', 4)),
  gen8('PIPE_CONTROL', ...pipeControl, addr48('address', 2, 2), num('data', 4), num('data high', 5)),
  hsw(
    'STATE_BASE_ADDRESS',
    ...base7('general state', 1),
    num('stateless data port MOCS', 1, 7, 4),
    ...base7('surface state', 2),
    ...base7('dynamic state', 3),
    ...base7('indirect object', 4),
    ...base7('instruction', 5),
    ...bound7('general state', 6),
    ...bound7('dynamic state', 7),
    ...bound7('indirect object', 8),
    ...bound7('instruction', 9),
  ),
  bdw('STATE_BASE_ADDRESS', ...bases8),
  gen9('STATE_BASE_ADDRESS', ...bases8, ...base('bindless surface state', 16), num('bindless pages', 18, 31, 12)),
  all('STATE_PREFETCH', addr32('pointer', 1, 6), num('count', 1, 2, 0)),
  hsw('STATE_SIP', addr32('system instruction pointer', 1, 4)),
  gen8('STATE_SIP', addr48('system instruction pointer', 1, 4)),
  hsw('GPGPU_CSR_BASE_ADDRESS', addr32('base', 1, 12)),
  gen8('GPGPU_CSR_BASE_ADDRESS', addr48('base', 1, 12)),
  toBdw('PIPELINE_SELECT', pick('pipeline', 0, 1, 0, PIPELINES)),
  gen9(
    'PIPELINE_SELECT',
    num('mask', 0, 15, 8),
    bit('force media awake', 0, 5),
    bit('media sampler DOP clock gate', 0, 4),
    pick('pipeline', 0, 1, 0, PIPELINES),
  ),
  all(
    '3DPRIMITIVE',
    bit('indirect parameters', 0, 10),
    bit('UAV coherency required', 0, 9),
    bit('predicated', 0, 8),
    bit('end offset enable', 1, 9),
    pick('access', 1, 8, 8, ['sequential', 'random']),
    pick('topology', 1, 5, 0, TOPOLOGIES),
    num('vertices per instance', 2),
    num('start vertex', 3),
    num('instances', 4),
    num('start instance', 5),
    num('base vertex', 6),
  ),

  hsw(
    '3DSTATE_VERTEX_BUFFERS',
    ...repeated(
      4,
      num('index', 1, 31, 26),
      pick('access', 1, 20, 20, ['vertex', 'instance']),
      num('MOCS', 1, 19, 16),
      bit('address modify', 1, 14),
      bit('null', 1, 13),
      bit('fetch invalidate', 1, 12),
      num('pitch', 1, 11, 0),
      addr32('start', 2),
      addr32('end', 3),
      num('instance step rate', 4),
    ),
  ),
  gen8(
    '3DSTATE_VERTEX_BUFFERS',
    ...repeated(
      4,
      num('index', 1, 31, 26),
      num('MOCS', 1, 22, 16),
      bit('address modify', 1, 14),
      bit('null', 1, 13),
      num('pitch', 1, 11, 0),
      addr48('start', 2),
      num('size', 4),
    ),
  ),
  all('3DSTATE_VERTEX_ELEMENTS', ...elements),
  hsw(
    '3DSTATE_INDEX_BUFFER',
    num('MOCS', 0, 15, 12),
    pick('format', 0, 9, 8, INDEX_FORMATS),
    addr32('start', 1),
    addr32('end', 2),
  ),
  gen8(
    '3DSTATE_INDEX_BUFFER',
    pick('format', 1, 9, 8, INDEX_FORMATS),
    num('MOCS', 1, 6, 0),
    addr48('start', 2),
    num('size', 4),
  ),
  toBdw('3DSTATE_VF', bit('cut index enable', 0, 8), num('cut index', 1)),
  gen9(
    '3DSTATE_VF',
    bit('sequential cut index enable', 0, 10),
    bit('component packing', 0, 9),
    bit('cut index enable', 0, 8),
    num('cut index', 1),
  ),
  all('3DSTATE_VF_STATISTICS', bit('enable', 0, 0)),
  gen8('3DSTATE_VF_INSTANCING', bit('enable', 1, 8), num('element', 1, 5, 0), num('step rate', 2)),
  gen8(
    '3DSTATE_VF_SGVS',
    bit('instance id enable', 1, 31),
    num('instance id component', 1, 30, 29),
    num('instance id element', 1, 21, 16),
    bit('vertex id enable', 1, 15),
    num('vertex id component', 1, 14, 13),
    num('vertex id element', 1, 5, 0),
  ),
  gen8('3DSTATE_VF_TOPOLOGY', pick('topology', 1, 5, 0, TOPOLOGIES)),
  gen9('3DSTATE_COMPONENT_PACKING', ...numbered(4, 1, num('enables of 8 elements,', 1))),

  hsw(
    '3DSTATE_STREAMOUT',
    ...streamFlags,
    ...[3, 2, 1, 0].map((buffer) => bit(`buffer ${buffer} enable`, 1, 8 + buffer)),
    ...streamReads,
  ),
  gen8(
    '3DSTATE_STREAMOUT',
    ...streamFlags,
    pick('force rendering', 1, 24, 23, ['normal', 'reserved', 'off', 'on']),
    ...streamReads,
    num('buffer 1 pitch', 3, 27, 16),
    num('buffer 0 pitch', 3, 11, 0),
    num('buffer 3 pitch', 4, 27, 16),
    num('buffer 2 pitch', 4, 11, 0),
  ),
  hsw(
    '3DSTATE_SO_BUFFER',
    num('buffer', 1, 30, 29),
    num('MOCS', 1, 28, 25),
    num('pitch', 1, 11, 0),
    addr32('start', 2, 2),
    addr32('end', 3, 2),
  ),
  gen8(
    '3DSTATE_SO_BUFFER',
    bit('enable', 1, 31),
    num('buffer', 1, 30, 29),
    num('MOCS', 1, 28, 22),
    bit('offset write enable', 1, 21),
    bit('offset address enable', 1, 20),
    addr48('start', 2, 2),
    num('dwords - 1', 4, 29, 0),
    addr48('offset address', 5, 2),
    num('stream offset', 7),
  ),
  all(
    '3DSTATE_SO_DECL_LIST',
    ...[3, 2, 1, 0].map((stream) => num(`stream ${stream} buffers`, 1, 4 * stream + 3, 4 * stream)),
    ...[3, 2, 1, 0].map((stream) => num(`stream ${stream} entries`, 2, 8 * stream + 7, 8 * stream)),
    ...repeated(
      2,
      num('stream 1 declaration', 3, 31, 16),
      num('stream 0 declaration', 3, 15, 0),
      num('stream 3 declaration', 4, 31, 16),
      num('stream 2 declaration', 4, 15, 0),
    ),
  ),
];
