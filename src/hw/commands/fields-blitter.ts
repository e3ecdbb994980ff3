/**
 * Fields of the blitter's commands, written once in Haswell's order: since Gen8 an address has two dwords, and what follows
 * it moves on.
 * Source: PRM HSW and SKL Vol 2a "XY_*_BLT", "XY_FAST_COPY_BLT".
 */
import {
  addr32,
  addr48,
  all,
  bit,
  type CommandField,
  type FieldRow,
  gen8,
  gen9,
  hsw,
  num,
  pick,
} from './fields-types.js';

const DEPTHS = ['8 bits', '16 bits, 565', '16 bits, 1555', '32 bits'];

const corner = (name: string, dword: number): CommandField[] => [
  num(`${name} y`, dword, 31, 16),
  num(`${name} x`, dword, 15, 0),
];
const rectangle = [...corner('first', 2), ...corner('end', 3)];
const channels = [bit('write alpha', 0, 21), bit('write colour', 0, 20)];
const raster = [
  bit('clip', 1, 30),
  pick('colour depth', 1, 25, 24, DEPTHS),
  num('raster operation', 1, 23, 16),
  num('destination pitch', 1, 15, 0),
];
const drawing = [...channels, bit('destination tiled', 0, 11), ...raster, ...rectangle];
const sourceTiled = bit('source tiled', 0, 15);
const monoColours = (dword: number): CommandField[] => [
  num('source background', dword),
  num('source foreground', dword + 1),
];
const patternColours = (dword: number): CommandField[] => [
  num('pattern background', dword),
  num('pattern foreground', dword + 1),
];
const patternBits = (dword: number): CommandField[] => [num('pattern', dword), num('pattern high', dword + 1)];
const patternSeed = [num('pattern x', 0, 14, 12), num('pattern y', 0, 10, 8)];
const colourSource = [...corner('source', 5), num('source pitch', 6, 15, 0), addr32('source', 7)];

/** @param fields in Haswell's positions */
function both(name: string, ...fields: CommandField[]): FieldRow[] {
  const wide = fields.filter(({ kind }) => kind === 'address').map(({ dword }) => dword);
  const moved = fields.map((field) => {
    const dword = field.dword + wide.filter((at) => at < field.dword).length;
    return field.kind === 'address' ? addr48(field.name, dword, field.low) : { ...field, dword };
  });
  return [hsw(name, ...fields), gen8(name, ...moved)];
}
const to = addr32('destination', 4);

export const BLITTER_FIELDS: readonly FieldRow[] = [
  ...both('XY_SETUP_BLT', ...drawing, to, num('background', 5), num('foreground', 6), addr32('pattern', 7)),
  all('XY_SETUP_CLIP_BLT', ...corner('first', 1), ...corner('end', 2)),
  ...both(
    'XY_SETUP_MONO_PATTERN_SL_BLT',
    ...drawing,
    to,
    num('background', 5),
    num('foreground', 6),
    ...patternBits(7),
  ),
  all('XY_PIXEL_BLT', bit('destination tiled', 0, 11), ...corner('pixel', 1)),
  all('XY_SCANLINES_BLT', bit('destination tiled', 0, 11), ...corner('first', 1), ...corner('end', 2)),
  ...both(
    'XY_TEXT_BLT',
    bit('byte packed', 0, 16),
    bit('destination tiled', 0, 11),
    ...corner('first', 1),
    ...corner('end', 2),
    addr32('source', 3),
  ),
  all(
    'XY_TEXT_IMMEDIATE_BLT',
    bit('byte packed', 0, 16),
    bit('destination tiled', 0, 11),
    ...corner('first', 1),
    ...corner('end', 2),
  ),
  ...both(
    'COLOR_BLT',
    ...channels,
    ...raster,
    num('height', 2, 31, 16),
    num('width in bytes', 2, 15, 0),
    addr32('destination', 3),
    num('colour', 4),
  ),
  ...both(
    'SRC_COPY_BLT',
    ...channels,
    ...raster,
    num('height', 2, 31, 16),
    num('width in bytes', 2, 15, 0),
    addr32('destination', 3),
    num('source pitch', 4, 15, 0),
    addr32('source', 5),
  ),
  gen9(
    'XY_FAST_COPY_BLT',
    pick('source tiling', 0, 21, 20, ['linear', 'X', 'Y or Yf', 'Ys']),
    pick('destination tiling', 0, 14, 13, ['linear', 'X', 'Y or Yf', 'Ys']),
    pick('source Y tiles', 1, 31, 31, ['Y', 'Yf']),
    pick('destination Y tiles', 1, 30, 30, ['Y', 'Yf']),
    pick('colour depth', 1, 26, 24, { 0: '8 bits', 1: '16 bits', 3: '32 bits', 4: '64 bits', 5: '128 bits' }),
    num('destination pitch', 1, 15, 0),
    ...rectangle,
    addr48('destination', 4),
    ...corner('source', 6),
    num('source pitch', 7, 15, 0),
    addr48('source', 8),
  ),
  ...both('XY_COLOR_BLT', ...drawing, to, num('colour', 5)),
  ...both('XY_PAT_BLT', ...drawing, ...patternSeed, to, addr32('pattern', 5)),
  ...both('XY_MONO_PAT_BLT', ...drawing, ...patternSeed, to, ...patternColours(5), ...patternBits(7)),
  ...both('XY_SRC_COPY_BLT', ...drawing, sourceTiled, to, ...colourSource),
  ...both('XY_MONO_SRC_COPY_BLT', ...drawing, to, addr32('source', 5), ...monoColours(6)),
  ...both('XY_FULL_BLT', ...drawing, sourceTiled, ...patternSeed, to, ...colourSource, addr32('pattern', 8)),
  ...both(
    'XY_FULL_MONO_SRC_BLT',
    ...drawing,
    ...patternSeed,
    to,
    addr32('source', 5),
    ...monoColours(6),
    addr32('pattern', 8),
  ),
  ...both(
    'XY_FULL_MONO_PATTERN_BLT',
    ...drawing,
    sourceTiled,
    ...patternSeed,
    to,
    ...colourSource,
    ...patternColours(8),
    ...patternBits(10),
  ),
  ...both(
    'XY_FULL_MONO_PATTERN_MONO_SRC_BLT',
    ...drawing,
    ...patternSeed,
    to,
    addr32('source', 5),
    ...monoColours(6),
    ...patternColours(8),
    ...patternBits(10),
  ),
  ...both('XY_MONO_PAT_FIXED_BLT', ...drawing, ...patternSeed, to, ...patternColours(5)),
  ...both('XY_MONO_SRC_COPY_IMMEDIATE_BLT', ...drawing, to, ...monoColours(5)),
  ...both('XY_PAT_BLT_IMMEDIATE', ...drawing, ...patternSeed, to),
  ...both(
    'XY_SRC_COPY_CHROMA_BLT',
    ...drawing,
    sourceTiled,
    to,
    ...colourSource,
    num('transparent from', 8),
    num('transparent to', 9),
  ),
  ...both('XY_FULL_IMMEDIATE_PATTERN_BLT', ...drawing, sourceTiled, ...patternSeed, to, ...colourSource),
  ...both(
    'XY_FULL_MONO_SRC_IMMEDIATE_PATTERN_BLT',
    ...drawing,
    ...patternSeed,
    to,
    addr32('source', 5),
    ...monoColours(6),
  ),
  ...both(
    'XY_PAT_CHROMA_BLT',
    ...drawing,
    ...patternSeed,
    to,
    addr32('pattern', 5),
    num('transparent from', 6),
    num('transparent to', 7),
  ),
  ...both(
    'XY_PAT_CHROMA_BLT_IMMEDIATE',
    ...drawing,
    ...patternSeed,
    to,
    num('transparent from', 5),
    num('transparent to', 6),
  ),
];
