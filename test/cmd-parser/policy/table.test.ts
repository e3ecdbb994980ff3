/** Lengths: every command in every length around those that are allowed, and how a table says all of it in one number. */
import { describe, expect, it } from 'vitest';
import { createScanResult, decisionOf, type ScanInput, type Trust } from '../../../src/cmd-parser/index.js';
import { compileScanTable, type ScanTable } from '../../../src/cmd-parser/scan-table.js';
import {
  BCS,
  CMD,
  COMMAND_HANDLERS,
  type CommandHandler,
  type CommandRow,
  type CommandTable,
  ENGINES,
  type EngineId,
  type LengthRule,
  PLATFORMS,
  type Platform,
  RCS,
  VCS,
  VECS,
} from '../../../src/hw/index.js';
import { BDW, framesOf, platformNamed, SKL, scannerFor } from '../harness.js';
import { HSW, judge, len, PLACES } from './judge.js';

/** The longest command: a 16-bit field and its bias. */
const words = new Uint32Array(0x10000 + 32);
const result = createScanResult();
const input: ScanInput = {
  engine: RCS,
  trust: 'ring',
  words,
  start: 0,
  end: 0,
  ranges: { lowStart: 0, lowEnd: 0, highStart: 0, highEnd: 0 },
  ggtt: framesOf({}),
  hwspPage: 0,
};

/** Code of a ring that holds one command of so many dwords, all operands zero. */
function codeOf(platform: Platform, engine: EngineId, header: number, end: number): string {
  input.engine = engine;
  input.end = end;
  words[0] = header;
  scannerFor(platform).scan(input, result);
  words[0] = 0;
  return result.code;
}

/** The others have the commands of Skylake. */
const everyTable = [HSW, BDW, SKL, platformNamed('BXT')].flatMap((platform) =>
  ENGINES.map((engine) => [`${platform.name} ${engine.name}`, platform, engine.id] as const),
);

describe('a command that is allowed', () => {
  it.each(everyTable)('runs in its own lengths and in no other: %s', (_name, platform, engine) => {
    const wrong: string[] = [];
    for (const row of scannerFor(platform).tableOf(engine).rows) {
      if (row === undefined || decisionOf(row, 'ring') !== 'allow') continue;
      const { width, bias, totals } = row.length;
      const longest = bias + 2 ** width - 1;
      const allowed = (total: number): boolean => totals === undefined || totals.includes(total);
      const [first, last] = [totals?.[0] ?? bias, totals?.at(-1) ?? longest];
      const tried = [bias, first - 1, first, first + 1, last - 1, last, last + 1, longest, ...(totals ?? [])];
      for (const total of new Set(tried)) {
        if (total < bias || total > longest) continue;
        const header = (row.header | (total - bias)) >>> 0;
        const code = codeOf(platform, engine, header, total);
        if (code !== (allowed(total) ? '' : 'length')) wrong.push(`${row.name} of ${total}: "${code}"`);
        if (result.ok && (result.commands !== 1 || result.dwords !== total)) wrong.push(`${row.name}: totals`);
        if (!allowed(total) && result.command !== row.name) wrong.push(`${row.name}: named ${result.command}`);
      }
    }
    expect(wrong).toEqual([]);
  });
  it.each(everyTable)('does not run where its last dword is missing: %s', (_name, platform, engine) => {
    const wrong: string[] = [];
    for (const row of scannerFor(platform).tableOf(engine).rows) {
      if (row === undefined || decisionOf(row, 'ring') !== 'allow') continue;
      const { bias, totals } = row.length;
      const total = totals?.[0] ?? bias + Math.min(1, row.length.width);
      if (total < 2) continue;
      const code = codeOf(platform, engine, (row.header | (total - bias)) >>> 0, total - 1);
      if (code !== 'truncated' || result.command !== row.name) wrong.push(`${row.name} of ${total}: "${code}"`);
    }
    expect(wrong).toEqual([]);
  });
  it.each(everyTable)(
    'is as long as its length field says, whatever stands beside it: %s',
    (_name, platform, engine) => {
      const wrong: string[] = [];
      for (const row of scannerFor(platform).tableOf(engine).rows) {
        if (row === undefined || decisionOf(row, 'ring') !== 'allow') continue;
        const { width, bias, totals } = row.length;
        const total = totals?.[0] ?? bias;
        // from the length field up to the opcode
        for (let bit = width; bit < 32 - row.bits; bit++) {
          const code = codeOf(platform, engine, (row.header | (1 << bit) | (total - bias)) >>> 0, total);
          if (code !== '' || result.dwords !== total) wrong.push(`${row.name}, bit ${bit}: "${code}"`);
        }
      }
      expect(wrong).toEqual([]);
    },
  );
});

describe('a command that is looked at', () => {
  it.each(everyTable)(
    'is refused in every length that it has not, before it is looked at: %s',
    (_name, platform, engine) => {
      const wrong: string[] = [];
      for (const row of scannerFor(platform).tableOf(engine).rows) {
        if (row?.length.totals === undefined || decisionOf(row, 'ring') === 'allow') continue;
        const { bias, totals, width } = row.length;
        for (let total = bias; total <= Math.min(bias + 2 ** width - 1, totals.at(-1)! + 2); total++) {
          const code = codeOf(platform, engine, (row.header | (total - bias)) >>> 0, total);
          if ((code === 'length') === totals.includes(total)) wrong.push(`${row.name} of ${total}: "${code}"`);
        }
      }
      // of MI_ATOMIC the eleven-dword form is for inline data only, of MI_FLUSH_DW two dwords have room for no write
      expect(wrong.filter((line) => !line.startsWith('MI_ATOMIC of 11'))).toEqual([]);
    },
  );
  it.each(PLACES)('has its own idea of odd and even: MI_LOAD_REGISTER_IMM in %s', (place) => {
    const gpr = 0x2600;
    for (const pairs of [1, 2, 16]) {
      const body = Array.from({ length: pairs }, (_, i) => [gpr + 4 * i, 7]).flat();
      expect(judge(place, [CMD.MI_LOAD_REGISTER_IMM | len(1 + body.length), ...body]).ok).toBe(true);
      expect(judge(place, [CMD.MI_LOAD_REGISTER_IMM | len(2 + body.length), ...body, gpr])).toMatchObject({
        code: 'length',
        command: 'MI_LOAD_REGISTER_IMM',
      });
    }
  });
  it('MI_ATOMIC brings its data or does not, and its length agrees', () => {
    const atomic = (dwords: number, bits: number): string =>
      judge('ring', [CMD.MI_ATOMIC | bits | len(dwords), ...new Array<number>(dwords - 1).fill(0)]).code;
    expect([atomic(3, 0), atomic(11, 1 << 18), atomic(3, 1 << 18), atomic(11, 0), atomic(4, 0)]).toEqual([
      '',
      '',
      'length',
      'length',
      'length',
    ]);
  });
});

describe('a header', () => {
  it('is the same command on Skylake and on those that came with its graphics', () => {
    for (const engine of ENGINES) {
      const { rows } = scannerFor(SKL).tableOf(engine.id);
      for (const name of ['KBL', 'CFL', 'CML'] as const) {
        expect(scannerFor(platformNamed(name)).tableOf(engine.id).rows).toEqual(rows);
      }
    }
  });
  it.each([
    ['XY_FAST_COPY_BLT', 0x50800008, BCS, ['SKL', 'KBL', 'CFL', 'CML', 'BXT']],
    ['MI_COPY_MEM_MEM', 0x17000003, RCS, ['BDW', 'SKL', 'KBL', 'CFL', 'CML', 'BXT']],
    ['MI_FORCE_WAKEUP', 0x0e800000, RCS, ['SKL', 'KBL', 'CFL', 'CML', 'BXT']],
    ['3DPRIMITIVE', 0x7b000005, RCS, ['HSW', 'BDW', 'SKL', 'KBL', 'CFL', 'CML', 'BXT']],
  ] as const)('of %s is known where the command exists', (_name, header, engine, platforms) => {
    const knowing = PLATFORMS.filter((platform) => codeOf(platform, engine, header, 10) !== 'unknown-command');
    expect(knowing.map(({ name }) => name).sort()).toEqual([...platforms].sort());
  });
  it('of a type that no command has is unknown to every engine', () => {
    for (const platform of [HSW, SKL]) {
      for (const engine of [RCS, BCS, VCS, VECS] as const) {
        for (const type of [1, 4, 5, 6, 7]) {
          expect(codeOf(platform, engine, (type << 29) >>> 0, 1)).toBe('unknown-command');
          expect(codeOf(platform, engine, ((type << 29) | 0x1fff0000) >>> 0, 1)).toBe('unknown-command');
        }
        expect(codeOf(platform, engine, 0xffffffff, 1)).toBe('unknown-command');
        expect(result).toMatchObject({ unknown: 1, commands: 0 });
      }
    }
  });
  it.each(PLACES)('MI_MATH in %s has any operands: they name nothing but general-purpose registers', (place) => {
    const operands = [0xffffffff, 0x08000000, 0x12345678];
    expect(judge(place, [CMD.MI_MATH | len(4), ...operands])).toMatchObject({ ok: true, patches: 0 });
  });
  it('MI_MATH is as long as Haswell can read it, and elsewhere as its field says', () => {
    expect(codeOf(HSW, RCS, CMD.MI_MATH | 63, 65)).toBe('');
    expect(codeOf(HSW, RCS, CMD.MI_MATH | 64, 66)).toBe('length');
    expect(codeOf(SKL, RCS, CMD.MI_MATH | 255, 257)).toBe('');
  });
});

// --- the compiled form

const ACTION_OF_REJECT = 1;

/** One row, compiled as the only command of an engine. */
function tableWith(length: LengthRule, extra: Partial<CommandRow> = {}, trust: Trust = 'ring'): ScanTable {
  const row: CommandRow = {
    name: 'MADE_UP',
    header: 0x00010000,
    bits: 16,
    engines: 1,
    platforms: SKL.bit,
    length,
    cost: 'state',
    ...extra,
  };
  const entries = Uint32Array.of(0, 1 << 17, 0, 0);
  const commands: CommandTable = {
    platform: SKL,
    engine: RCS,
    entries,
    rows: [undefined, row],
    minDwords: new Uint32Array(2),
    maxDwords: new Uint32Array(2),
  };
  return compileScanTable(commands, trust, { access: new Uint8Array(0), mustBeZero: () => 0 });
}

describe('an entry of a compiled table', () => {
  const shortest = 0x1ff;
  const entry = (length: LengthRule, extra: Partial<CommandRow> = {}) => tableWith(length, extra).entries[1]!;
  const field8 = (...totals: number[]): LengthRule =>
    totals.length === 0 ? { width: 8, bias: 2 } : { width: 8, bias: 2, totals };

  it('of a command with a common length field holds its smallest field and how many more there are', () => {
    expect(entry(field8())).toBe(0 | (255 << 9));
    expect(entry(field8(2))).toBe(0);
    expect(entry(field8(7))).toBe(5);
    expect(entry(field8(3, 4, 5))).toBe(1 | (2 << 9));
    expect(entry(field8(2, 3))).toBe(1 << 9);
    expect(entry(field8(257))).toBe(255);
  });
  it('of a command of one dword, and of no command, is a number of its own', () => {
    expect(entry({ width: 0, bias: 1 })).toBe(shortest | (1 << 9));
    const { entries } = tableWith({ width: 0, bias: 1 });
    expect([entries[0], entries[2], entries[3]]).toEqual([shortest, shortest, shortest]);
    expect(entries).toHaveLength(4);
  });
  const other = (width: number, bias: number, gaps: number, action: number): number =>
    shortest | (width << 10) | (bias << 15) | (gaps << 20) | (action << 21);
  it('of any other shape holds width, bias, gaps and action', () => {
    expect(entry({ width: 0, bias: 2 })).toBe(other(0, 2, 0, 0));
    expect(entry({ width: 1, bias: 1 })).toBe(other(1, 1, 0, 0));
    expect(entry({ width: 9, bias: 2 })).toBe(other(9, 2, 0, 0));
    expect(entry({ width: 7, bias: 2 })).toBe(other(7, 2, 0, 0));
    expect(entry({ width: 16, bias: 31 })).toBe(other(16, 31, 0, 0));
    expect(entry({ width: 8, bias: 1 })).toBe(other(8, 1, 0, 0));
    expect(entry({ width: 8, bias: 3 })).toBe(other(8, 3, 0, 0));
    expect(entry(field8(3, 5))).toBe(other(8, 2, 1, 0));
    expect(entry(field8(3, 4, 6))).toBe(other(8, 2, 1, 0));
    expect(entry({ width: 9, bias: 2, totals: [3, 4] })).toBe(other(9, 2, 0, 0));
    expect(entry({ width: 9, bias: 2, totals: [3, 5] })).toBe(other(9, 2, 1, 0));
  });
  it('of a command that is not simply allowed holds what is done with it', () => {
    expect(entry(field8(), { handler: 'refuse' })).toBe(other(8, 2, 0, ACTION_OF_REJECT));
    expect(entry({ width: 0, bias: 1 }, { handler: 'refuse' })).toBe(other(0, 1, 0, ACTION_OF_REJECT));
  });
  it('tells handlers apart: only those that are taken out alike, or refused alike, share a number', () => {
    const actions = new Map<number, CommandHandler[]>();
    for (const handler of COMMAND_HANDLERS) {
      const action = (entry({ width: 0, bias: 1 }, { handler }) >>> 21) & 63;
      if (handler !== 'plain') actions.set(action, [...(actions.get(action) ?? []), handler]);
    }
    const shared = [...actions.values()].filter((handlers) => handlers.length > 1);
    expect(shared).toEqual([['waitForEvent', 'loadScanLines']]);
    expect(actions.get(ACTION_OF_REJECT)).toEqual(['refuse']);
  });
  it('names its command, and with it the lengths that are checked one by one', () => {
    const { ids, least, most, totals } = tableWith(field8(3, 5));
    expect([ids[0], ids[1], ids[2]]).toEqual([0, 1, 0]);
    expect([least[1], most[1], totals[1]]).toEqual([3, 5, [3, 5]]);
    const open = tableWith({ width: 6, bias: 2 });
    expect([open.least[1], open.most[1], open.totals[1]]).toEqual([2, 65, []]);
    expect(open.totals[0]).toEqual([]);
    const fixed = tableWith({ width: 0, bias: 4 });
    expect([fixed.least[1], fixed.most[1]]).toEqual([4, 4]);
    const wide = tableWith({ width: 16, bias: 2 });
    expect([wide.least[1], wide.most[1]]).toEqual([2, 65537]);
  });
  it('knows where addresses stand, and whether a high half follows', () => {
    const place = { space: 'ppgtt', align: 1, extent: 4, access: 'read' } as const;
    const where = (addresses: CommandRow['addresses']): number[] => {
      const table = tableWith(field8(), addresses === undefined ? {} : { addresses });
      return [table.addressAt[1]!, table.addressWide[1]!, table.secondAt[1]!];
    };
    expect(where(undefined)).toEqual([0, 0, 0]);
    expect(where([{ dword: 2, bits: 32, ...place }])).toEqual([2, 0, 0]);
    expect(where([{ dword: 1, bits: 48, ...place }])).toEqual([1, 1, 0]);
    expect(
      where([
        { dword: 1, bits: 48, ...place },
        { dword: 3, bits: 48, ...place },
      ]),
    ).toEqual([1, 1, 3]);
  });
  it('belongs to its trust', () => {
    const process = tableWith(field8(), { name: 'MI_LOAD_URB_MEM', handler: 'refuse' }, 'ppgtt');
    expect(process.trust).toBe('ppgtt');
    expect(process.entries[1]).toBe(255 << 9);
    expect(tableWith(field8(), { name: 'MI_LOAD_URB_MEM', handler: 'refuse' }, 'wa').entries[1]).toBe(
      other(8, 2, 0, ACTION_OF_REJECT),
    );
  });
});
