/** Compiling command rows: what a table holds for a row, and that a row which contradicts itself or another is refused. */
import { describe, expect, it } from 'vitest';
import { XengtError } from '../../../src/base/index.js';
import {
  BCS,
  COMMAND_HANDLERS,
  COMMANDS,
  type CommandRow,
  type CommandTable,
  commandRow,
  compileCommands,
  ENGINE_SET,
  type EngineId,
  entryDwords,
  entryHandler,
  entryId,
  entryIsLimited,
  RCS,
  VCS,
  VCS2,
  VECS,
} from '../../../src/hw/index.js';
import { BDW, SKL } from '../harness.js';

/** An opcode that no command has. */
const FREE = 0x7fff0000;
const made = (extra: Partial<CommandRow>): CommandRow => ({
  name: 'MADE_UP',
  header: FREE,
  bits: 16,
  engines: ENGINE_SET.ALL,
  platforms: SKL.bit,
  length: { width: 0, bias: 1 },
  cost: 'state',
  ...extra,
});

/** Compiles with rows that the command set does not have. */
function compiled(rows: readonly CommandRow[], engine: EngineId = RCS, platform = SKL): CommandTable {
  const all = COMMANDS as CommandRow[];
  const before = all.length;
  all.push(...rows);
  try {
    return compileCommands(platform, engine);
  } finally {
    all.length = before;
  }
}

function refusal(...rows: CommandRow[]): string {
  try {
    compiled(rows);
  } catch (error) {
    expect(error).toBeInstanceOf(XengtError);
    expect(error).toMatchObject({ code: 'XENGT_E_TABLE' });
    return String((error as XengtError).message);
  }
  return 'accepted';
}

describe('a compiled row', () => {
  it('is found by each header that begins with its opcode, and by no other', () => {
    const nine = compiled([made({ bits: 9, header: 0x1f800000 })]);
    const ten = compiled([made({ bits: 10, header: 0x5fc00000 })]);
    const sixteen = compiled([made({})]);
    const names = (table: CommandTable, from: number, end: number) => {
      const found = new Set<string | undefined>();
      for (let upper = from; upper < end; upper++) found.add(commandRow(table, upper * 0x10000)?.name);
      return [...found];
    };
    expect(names(nine, 0x1f80, 0x2000)).toEqual(['MADE_UP']);
    expect(names(nine, 0x1f7f, 0x1f80)).toEqual([undefined]);
    expect(names(nine, 0x2000, 0x2001)).toEqual([undefined]);
    expect(names(ten, 0x5fc0, 0x6000)).toEqual(['MADE_UP']);
    expect(names(ten, 0x5fbf, 0x5fc0)).toEqual([undefined]);
    expect(names(ten, 0x6000, 0x6001)).toEqual([undefined]);
    expect(names(sixteen, 0x7fff, 0x8000)).toEqual(['MADE_UP']);
    expect(names(sixteen, 0x7ffe, 0x7fff)).toEqual([undefined]);
    expect(names(sixteen, 0x8000, 0x8001)).toEqual([undefined]);
  });
  it.each([
    [0, 1, 0xffff, 1],
    [0, 31, 0xffff, 31],
    [8, 2, 0x1ff, 0x101],
    [8, 2, 0xff00, 2],
    [16, 2, 0xffff, 0x10001],
    [16, 31, 0xffff, 0x1001e],
  ])('of a length field of %i bits and bias %i has with 0x%x as many dwords: %i', (width, bias, low, dwords) => {
    const entry = compiled([made({ length: { width, bias } })]).entries[FREE >>> 16]!;
    expect(entryDwords(entry, FREE | low)).toBe(dwords);
    expect(entryIsLimited(entry)).toBe(false);
  });
  it('tells its smallest and largest total where not every total is allowed', () => {
    const table = compiled([made({ length: { width: 8, bias: 2, totals: [3, 5, 9] } })]);
    const entry = table.entries[FREE >>> 16]!;
    expect(entryIsLimited(entry)).toBe(true);
    expect([table.minDwords[entryId(entry)], table.maxDwords[entryId(entry)]]).toEqual([3, 9]);
  });
  it.each(COMMAND_HANDLERS)('names its handler: %s', (handler) => {
    const table = compiled([made({ handler, length: { width: 16, bias: 31 } })]);
    const entry = table.entries[FREE >>> 16]!;
    expect(COMMAND_HANDLERS[entryHandler(entry)]).toBe(handler);
    expect(table.rows[entryId(entry)]?.handler).toBe(handler);
  });
  it.each([
    ['RCS', RCS],
    ['BCS', BCS],
    ['VCS', VCS],
    ['VECS', VECS],
  ] as const)('says in its entry what it says itself, for every command of %s', (_name, engine) => {
    const table = compileCommands(SKL, engine);
    const said: unknown[] = [];
    const meant: unknown[] = [];
    for (const [id, row] of table.rows.entries()) {
      if (row === undefined) continue;
      const { name, header, handler = 'plain' } = row;
      const { width, bias, totals } = row.length;
      const entry = table.entries[header >>> 16]!;
      const longest = entryDwords(entry, (header | 0xffff) >>> 0);
      const limits = [table.minDwords[id], table.maxDwords[id]];
      said.push([name, entryId(entry), COMMAND_HANDLERS[entryHandler(entry)], entryIsLimited(entry), limits]);
      said.push([entryDwords(entry, header), longest]);
      meant.push([name, id, handler, totals !== undefined, [totals?.[0] ?? 0, totals?.at(-1) ?? 0]]);
      meant.push([bias, bias + 2 ** width - 1]);
    }
    expect(said).toEqual(meant);
  });
  it('without a handler is plain', () => {
    expect(COMMAND_HANDLERS[entryHandler(compiled([made({})]).entries[FREE >>> 16]!)]).toBe('plain');
  });
  it('is there for its engines and platforms only', () => {
    const row = made({ engines: ENGINE_SET.BCS | ENGINE_SET.VCS });
    const knows = (engine: EngineId, platform = SKL) =>
      commandRow(compiled([row], engine, platform), FREE) !== undefined;
    expect(([RCS, BCS, VCS, VECS, VCS2] as const).map((engine) => knows(engine))).toEqual([
      false,
      true,
      true,
      false,
      true,
    ]);
    expect(knows(BCS, BDW)).toBe(false);
  });
  it('counts its id from 1, and 0 has neither row nor header of a command', () => {
    const table = compileCommands(SKL, RCS);
    expect(table.rows[0]).toBeUndefined();
    expect(table.rows[1]?.name).toBe('MI_NOOP');
    expect(new Set(table.rows.slice(1)).has(undefined)).toBe(false);
    expect(entryId(table.entries[0]!)).toBe(1);
    expect(table).toMatchObject({ platform: SKL, engine: RCS });
    expect(table.minDwords).toHaveLength(table.rows.length);
    expect(table.maxDwords).toHaveLength(table.rows.length);
    expect(table.entries).toHaveLength(0x10000);
  });
});

describe('the command set', () => {
  it.each([
    ['MI_NOOP', 0x00000000, [RCS, BCS, VCS, VECS, VCS2]],
    ['XY_COLOR_BLT', 0x54000000, [BCS]],
    ['3DPRIMITIVE', 0x7b000000, [RCS]],
    ['MEDIA_OBJECT', 0x71000000, [RCS]],
    ['MFX_WAIT', 0x68000000, [VCS, VCS2]],
    ['VEBOX_SURFACE_STATE', 0x74000000, [VECS]],
    ['SFC_STATE', 0x75010000, [VCS, VECS, VCS2]],
  ] as const)('has %s on its engines', (name, header, engines) => {
    const found = ([RCS, BCS, VCS, VECS, VCS2] as const).filter(
      (engine) => commandRow(compileCommands(SKL, engine), header)?.name === name,
    );
    expect(found).toEqual(engines);
  });
});

describe('a row is refused', () => {
  const wrong = (what: string): string => `Command MADE_UP: its ${what} contradicts the table.`;
  it.each([
    ['wider than the lower half of the header', { width: 17, bias: 2 }],
    ['without the header itself', { width: 8, bias: 0 }],
    ['with a bias that an entry can not hold', { width: 8, bias: 32 }],
  ])('with a length %s', (_what, length) => {
    expect(refusal(made({ length }))).toBe(wrong('length rule'));
  });
  it('not with a length at the bounds', () => {
    for (const length of [
      { width: 16, bias: 1 },
      { width: 0, bias: 31 },
    ])
      expect(refusal(made({ length }))).toBe('accepted');
  });
  it.each([
    ['9', 9, 0x1f800000, 0x00400000],
    ['10', 10, 0x5fc00000, 0x00200000],
    ['16', 16, FREE, 0x00008000],
  ] as const)('with a header that has more than its %s opcode bits', (_name, bits, header, next) => {
    expect(refusal(made({ bits, header }))).toBe('accepted');
    for (const more of [next, 1]) expect(refusal(made({ bits, header: (header | more) >>> 0 }))).toBe(wrong('header'));
  });
  it.each([
    ['below what its field can say', [1, 3]],
    ['above what its field can say', [2, 258]],
  ])('with totals %s', (_what, totals) => {
    expect(refusal(made({ length: { width: 8, bias: 2, totals } }))).toBe(wrong('totals'));
  });
  it('not with totals at both ends of what its field can say', () => {
    expect(refusal(made({ length: { width: 8, bias: 2, totals: [2, 257] } }))).toBe('accepted');
  });
  it('on the opcode of another, which is named', () => {
    expect(refusal(made({}), made({ name: 'ANOTHER' }))).toBe(
      'Command ANOTHER: its opcode (also MADE_UP) contradicts the table.',
    );
    expect(refusal(made({ bits: 9, header: 0 }))).toBe(wrong('opcode (also MI_NOOP)'));
    // the last header of the wider one
    const wide = made({ name: 'WIDE', bits: 10, header: 0x5fc00000 });
    expect(refusal(made({ header: 0x5fff0000 }), wide)).toBe(
      'Command WIDE: its opcode (also MADE_UP) contradicts the table.',
    );
  });
  it('not on the opcode of a command of other engines', () => {
    const { RCS: render, BCS: blitter } = ENGINE_SET;
    expect(refusal(made({ engines: render }), made({ name: 'ANOTHER', engines: blitter }))).toBe('accepted');
  });
});
