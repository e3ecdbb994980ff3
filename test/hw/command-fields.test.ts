import { describe, expect, it } from 'vitest';
import { walk } from '../../src/cmd-parser/index.js';
import {
  BCS,
  COMMANDS,
  type CommandField,
  type CommandRow,
  compileCommands,
  fieldsOf,
  PLATFORMS,
  platformByName,
  RCS,
  VCS,
} from '../../src/hw/index.js';
import { Corpus } from '../cmd-parser/corpus.js';

/** Each row on each of its platforms. */
const NAMED = COMMANDS.flatMap((row) =>
  PLATFORMS.filter(({ bit }) => (row.platforms & bit) !== 0).map(({ bit }) => ({
    row,
    platform: bit,
    fields: fieldsOf(row, undefined, bit),
  })),
).filter(({ fields }) => fields.length > 0);
const id = (row: CommandRow, field?: CommandField): string =>
  `${row.name} on platforms ${row.platforms}${field === undefined ? '' : `: ${field.name}`}`;
const largest = ({ width, bias, totals }: CommandRow['length']): number => totals?.at(-1) ?? bias + 2 ** width - 1;
/** Every bit that a field has, once. */
const bitsOf = ({ dword, high, low }: CommandField): number[] =>
  Array.from({ length: high - low + 1 }, (_, i) => dword * 32 + low + i);
const rowOf = (platform: string, engine: 0 | 1 | 2 | 3, name: string): CommandRow =>
  compileCommands(platformByName(platform)!, engine).rows.find((row) => row?.name === name)!;
const shown = (fields: readonly CommandField[]) =>
  fields.map(({ name, dword, high, low }) => `${dword}[${high}:${low}] ${name}`);

describe('the named fields of a command', () => {
  it('lie within it, outside its opcode and length', () => {
    const wrong: string[] = [];
    for (const { row, fields } of NAMED) {
      for (const field of fields) {
        const { dword, high, low } = field;
        if (high < low || high > 63 || low > 31) wrong.push(id(row, field));
        if (dword + (high >>> 5) >= largest(row.length)) wrong.push(id(row, field));
        if (dword === 0 && (low < row.length.width || high >= 32 - row.bits)) wrong.push(id(row, field));
      }
    }
    expect(wrong).toEqual([]);
  });
  it('do not overlap, and have names of their own', () => {
    const wrong: string[] = [];
    for (const { row, fields } of NAMED) {
      const taken = new Set<number>();
      for (const field of fields) {
        const bits = bitsOf(field);
        if (bits.some((bit) => taken.has(bit))) wrong.push(id(row, field));
        for (const bit of bits) taken.add(bit);
      }
      if (new Set(fields.map(({ name }) => name)).size !== fields.length) wrong.push(id(row));
    }
    expect(wrong).toEqual([]);
  });
  it('mean something for values that they can have', () => {
    for (const { row, fields } of NAMED) {
      for (const field of fields) {
        expect(field.values !== undefined, id(row, field)).toBe(field.kind === 'enum');
        expect(field.kind === 'bool' ? field.high : field.low, id(row, field)).toBe(field.low);
        for (const value of Object.keys(field.values ?? {}).map(Number))
          expect(value, id(row, field)).toBeLessThan(2 ** (field.high - field.low + 1));
      }
    }
  });
  it('name each address and register that the row knows, in the right width', () => {
    const missing: string[] = [];
    for (const { row, platform } of NAMED) {
      const fields = fieldsOf(row, Math.min(largest(row.length), 128), platform);
      for (const { dword, bits, every = 0, times = 1 } of row.addresses ?? []) {
        for (let i = 0; i < times; i++) {
          const field = fields.find((other) => other.dword === dword + i * every && other.kind === 'address');
          if (field?.high !== bits - 1) missing.push(`${id(row)} dword ${dword + i * every}`);
        }
      }
      for (const { dword, when } of row.registers ?? []) {
        const field = fields.find((other) => other.dword === dword && other.kind === 'register');
        if (field === undefined && when === undefined) missing.push(`${id(row)} register in dword ${dword}`);
      }
    }
    expect(missing).toEqual([]);
  });
  it('are there for every MI and 2D command with operands', () => {
    const bare = COMMANDS.filter((row) => row.header >>> 29 !== 3 && largest(row.length) > 1);
    expect(bare.filter((row) => fieldsOf(row).length === 0).map(({ name }) => name)).toEqual([]);
  });
  it('are there for every render and blitter command with operands that real drivers use', () => {
    const corpus = new Corpus();
    const bare = new Set<string>();
    for (const stream of corpus.streams.filter(({ walk: kind, engine }) => kind !== 'FAIL' && engine <= BCS)) {
      const table = compileCommands(stream.platform, stream.engine);
      for (const [start, end] of stream.segments) {
        const walker = walk(table, corpus.wordsFrom(stream, start), 0, (end - start) / 4);
        while (walker.next()) {
          if (walker.length > 1 && fieldsOf(walker.row!, walker.length).length === 0) bare.add(walker.row!.name);
        }
      }
    }
    expect([...bare]).toEqual([]);
  });
});

describe('a command at hand', () => {
  it('has its repeated fields as often as they fit, in order', () => {
    expect(shown(fieldsOf(rowOf('SKL', RCS, 'MI_LOAD_REGISTER_IMM'), 5))).toEqual([
      '0[11:8] byte write disables',
      '1[22:2] register',
      '2[31:0] data',
      '3[22:2] register',
      '4[31:0] data',
    ]);
    expect(
      shown(fieldsOf(rowOf('SKL', RCS, '3DSTATE_VERTEX_BUFFERS'), 9)).filter((text) => /start/.test(text)),
    ).toEqual(['2[47:0] start', '6[47:0] start']);
  });
  it('has no field beyond its end, not even half of one', () => {
    const row = rowOf('SKL', BCS, 'MI_FLUSH_DW');
    const names = (dwords: number) => fieldsOf(row, dwords).map(({ name }) => name);
    expect(names(5)).toContain('data high');
    expect(names(4)).not.toContain('data high');
    expect(names(4)).toContain('data');
    expect(names(2)).not.toContain('address');
  });
  it('has none where nobody named any', () => {
    expect(fieldsOf(rowOf('SKL', RCS, 'MI_ARB_CHECK'))).toEqual([]);
    expect(fieldsOf(rowOf('SKL', VCS, 'MFX_QM_STATE'), 18)).toEqual([]);
  });
  it.each([
    ['HSW', 'MI_STORE_DATA_IMM', '2[31:2] address'],
    ['SKL', 'MI_STORE_DATA_IMM', '1[47:2] address'],
    ['HSW', 'PIPE_CONTROL', '2[31:2] address'],
    ['BDW', 'PIPE_CONTROL', '2[47:2] address'],
    ['HSW', '3DSTATE_INDEX_BUFFER', '1[31:0] start'],
    ['KBL', '3DSTATE_INDEX_BUFFER', '2[47:0] start'],
    ['BDW', '3DSTATE_SF', '2[27:18] line width, 128ths'],
    ['CFL', '3DSTATE_SF', '1[29:12] line width, 128ths'],
  ] as const)('on %s, %s has %s', (platform, name, field) => {
    const { bit } = platformByName(platform)!;
    expect(shown(fieldsOf(rowOf(platform, RCS, name), undefined, bit))).toContain(field);
  });
  it('of the blitter has what follows an address further on since Gen8', () => {
    expect(shown(fieldsOf(rowOf('HSW', BCS, 'XY_SRC_COPY_BLT'))).slice(-5)).toEqual([
      '4[31:0] destination',
      '5[31:16] source y',
      '5[15:0] source x',
      '6[15:0] source pitch',
      '7[31:0] source',
    ]);
    expect(shown(fieldsOf(rowOf('BDW', BCS, 'XY_SRC_COPY_BLT'))).slice(-5)).toEqual([
      '4[47:0] destination',
      '6[31:16] source y',
      '6[15:0] source x',
      '7[15:0] source pitch',
      '8[47:0] source',
    ]);
  });
});
