/** What the rows say, held against an inventory and against themselves. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  BCS,
  COMMANDS,
  type CommandRow,
  commandRow,
  compileCommands,
  ENGINES,
  EXTENT_RULES,
  PLATFORMS,
  platformByName,
  RCS,
  VCS,
} from '../../src/hw/index.js';

interface InventoryRow {
  readonly header: number;
  readonly bits: number;
  readonly engines: readonly string[];
  readonly gen9Only: boolean;
  readonly length: string;
  readonly name: string;
}

const INVENTORY: readonly InventoryRow[] = readFileSync(new URL('fixtures/gvt-commands.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => {
    const [header, bits, engines, gen, length, name] = line.split(' ');
    return {
      header: Number(header),
      bits: Number(bits),
      engines: engines!.split(','),
      gen9Only: gen === '9',
      length: length!,
      name: name!,
    };
  });

/** Where we differ, and why. */
const ONLY_ON_RCS = new Set(['3DSTATE_VF_STATISTICS_GM45']); // a 3D command: other engines have no vertex fetcher
const OTHER_LENGTH = new Set([
  'MFX_WAIT', // one dword by its subtype
  'MI_LOAD_SCAN_LINES_INCL', // two dwords by a length field of 6 bits
]);

const lengthText = ({ width, bias, totals }: CommandRow['length'], form: string): string => {
  if (width === 0) return `=${bias}`;
  return form.includes(':') ? `w${width}:${totals?.join()}` : `w${width}`;
};
const id = (row: CommandRow): string => `${row.name} on platforms ${row.platforms}`;
const largest = ({ width, bias, totals }: CommandRow['length']): number => totals?.at(-1) ?? bias + 2 ** width - 1;
const rowOf = (platform: string, engine: 0 | 1 | 2 | 3, name: string): CommandRow => {
  const table = compileCommands(platformByName(platform)!, engine);
  return table.rows.find((row) => row?.name === name)!;
};

describe('the inventory of commands', () => {
  it('has a row for each of its 225 on every platform and engine that it names', () => {
    expect(INVENTORY.length).toBe(225);
    const missing: string[] = [];
    for (const platform of PLATFORMS.filter(({ gen }) => gen >= 8)) {
      for (const engine of ENGINES) {
        const table = compileCommands(platform, engine.id);
        for (const entry of INVENTORY) {
          if (!entry.engines.includes(engine.name) || (entry.gen9Only && platform.gen !== 9)) continue;
          if (ONLY_ON_RCS.has(entry.name) && engine.id !== RCS) continue;
          const row = commandRow(table, entry.header);
          if (row === undefined || row.header !== entry.header || row.bits !== entry.bits)
            missing.push(`${entry.name} on ${platform.name} ${engine.name}: ${row?.name}`);
        }
      }
    }
    expect(missing).toEqual([]);
  });
  it('agrees on how long each is', () => {
    const different: string[] = [];
    for (const entry of INVENTORY) {
      const engine = ENGINES.find(({ name }) => name === entry.engines[0])!.id;
      const row = commandRow(compileCommands(platformByName('SKL')!, engine), entry.header)!;
      const ours = lengthText(row.length, entry.length);
      if (ours !== entry.length && !OTHER_LENGTH.has(entry.name))
        different.push(`${entry.name} ${ours} ${entry.length}`);
    }
    expect(different).toEqual([]);
  });
});

describe('each row', () => {
  it('has a header of its own on its platforms and engines', () => {
    const overlaps: string[] = [];
    COMMANDS.forEach((row, i) => {
      for (const other of COMMANDS.slice(i + 1)) {
        if ((row.platforms & other.platforms) === 0 || (row.engines & other.engines) === 0) continue;
        const bits = Math.min(row.bits, other.bits);
        if (row.header >>> (32 - bits) === other.header >>> (32 - bits)) overlaps.push(`${row.name} ${other.name}`);
      }
    });
    expect(overlaps).toEqual([]);
  });
  it('allows totals that its length field can say, in ascending order', () => {
    for (const row of COMMANDS) {
      const { width, bias, totals } = row.length;
      expect(width, id(row)).toBeLessThanOrEqual(32 - row.bits);
      if (totals === undefined) continue;
      expect(totals.length, id(row)).toBeGreaterThan(0);
      expect(
        totals.every((total, i) => i === 0 || total > totals[i - 1]!),
        id(row),
      ).toBe(true);
      expect(totals[0], id(row)).toBeGreaterThanOrEqual(bias);
      expect(totals.at(-1), id(row)).toBeLessThanOrEqual(bias + 2 ** width - 1);
    }
  });
  it('has its addresses behind its header and within its largest form', () => {
    for (const row of COMMANDS) {
      for (const { dword, bits, every, times, align, bound, extent, select, space } of row.addresses ?? []) {
        const size = bits / 32 > 1 ? 2 : 1;
        expect(dword, id(row)).toBeGreaterThanOrEqual(1);
        expect(dword + size + (every ?? 0) * ((times ?? 1) - 1), id(row)).toBeLessThanOrEqual(largest(row.length));
        if (times !== undefined) expect(every, id(row)).toBeGreaterThanOrEqual(size);
        expect(Math.log2(align) % 1, id(row)).toBe(0);
        expect(bound !== undefined, id(row)).toBe(extent === 'endAddress' || extent === 'byteSize');
        expect(bound ?? dword + size, id(row)).toBe(dword + size);
        expect(select !== undefined, id(row)).toBe(space === 'select');
      }
    }
  });
  it('has addresses that do not share a dword', () => {
    for (const row of COMMANDS) {
      const taken = (row.addresses ?? []).flatMap(({ dword, bits, every = 0, times = 1 }) =>
        Array.from({ length: times }, (_, i) => dword + i * every).flatMap((at) => (bits === 48 ? [at, at + 1] : [at])),
      );
      expect(new Set(taken).size, id(row)).toBe(taken.length);
    }
  });
  it('has its registers within its smallest form', () => {
    for (const row of COMMANDS) {
      for (const { dword, when } of row.registers ?? []) {
        expect(dword, id(row)).toBeGreaterThanOrEqual(1);
        expect(Math.max(dword, when?.dword ?? 0), id(row)).toBeLessThan(row.length.totals?.[0] ?? largest(row.length));
      }
    }
  });
  it('that belongs to Haswell alone has addresses of 32 bits where others have 48', () => {
    for (const row of COMMANDS.filter(({ platforms }) => platforms === 1)) {
      const other = COMMANDS.find(({ name, platforms }) => name === row.name && platforms !== 1);
      const count = row.addresses?.length ?? 0;
      // One that differs in its handler alone has the others' addresses.
      const alike = other?.addresses?.every((address, i) => address === row.addresses?.[i]) ?? true;
      if (count === 0 || other === undefined || alike) continue;
      expect(
        row.addresses!.every(({ bits }) => bits === 32),
        id(row),
      ).toBe(true);
      expect(
        other.addresses!.every(({ bits }) => bits === 48),
        id(other),
      ).toBe(true);
    }
  });
});

describe('the extents of accesses', () => {
  it('use every rule of the closed list', () => {
    const used = new Set(COMMANDS.flatMap((row) => row.addresses ?? []).map(({ extent }) => extent));
    expect(EXTENT_RULES.filter((rule) => !used.has(rule))).toEqual([]);
  });
});

describe('where Haswell has a form of its own', () => {
  it.each([
    [RCS, 'MI_STORE_DATA_IMM', [4, 5], [2], []],
    [RCS, 'MI_STORE_REGISTER_MEM', [3], [2], [1]],
    [RCS, 'MI_LOAD_REGISTER_MEM', [3], [2], [1]],
    [BCS, 'MI_FLUSH_DW', [3, 4], [1], []],
    [VCS, 'MI_BATCH_BUFFER_START', [2], [1], []],
    [RCS, 'MI_CONDITIONAL_BATCH_BUFFER_END', [3], [2], []],
    [RCS, 'MI_REPORT_PERF_COUNT', [3], [1], []],
    [RCS, 'PIPE_CONTROL', [4, 5], [2], [2]],
    [RCS, 'STATE_BASE_ADDRESS', [10], [1], []],
    [RCS, '3DSTATE_MULTISAMPLE', [4], [], []],
    [RCS, '3DSTATE_INDEX_BUFFER', [3], [1], []],
    [RCS, 'GPGPU_WALKER', [11], [], []],
    [BCS, 'XY_SRC_COPY_BLT', [8], [4, 7], []],
    [BCS, 'XY_COLOR_BLT', [6], [4], []],
    [BCS, 'XY_FULL_BLT', [9], [4, 7, 8], []],
  ] as const)('engine %i: %s', (engine, name, totals, addresses, registers) => {
    const row = rowOf('HSW', engine, name);
    expect(row.length.totals).toEqual(totals);
    expect((row.addresses ?? []).map(({ dword }) => dword)).toEqual(addresses);
    expect((row.registers ?? []).map(({ dword }) => dword)).toEqual(registers);
  });
  it('the same commands are longer later, and their operands elsewhere', () => {
    expect(rowOf('BDW', BCS, 'XY_FULL_BLT')).toMatchObject({ length: { totals: [12] } });
    expect(rowOf('BDW', BCS, 'XY_FULL_BLT').addresses!.map(({ dword }) => dword)).toEqual([4, 8, 10]);
    expect(rowOf('SKL', RCS, 'MI_STORE_DATA_IMM').addresses!.map(({ dword }) => dword)).toEqual([1]);
    expect(rowOf('BDW', RCS, '3DSTATE_MULTISAMPLE').header).toBe(0x780d0000);
    expect(rowOf('HSW', RCS, '3DSTATE_MULTISAMPLE').header).toBe(0x790d0000);
  });
  it.each(['MI_SEMAPHORE_WAIT', 'MI_COPY_MEM_MEM', 'MI_ATOMIC', '3DSTATE_RASTER', '3DSTATE_PS_EXTRA'])(
    '%s is not known to it',
    (name) => {
      expect(rowOf('HSW', RCS, name)).toBeUndefined();
      expect(rowOf('BDW', RCS, name)).toBeDefined();
    },
  );
  it('nor is anything of VP9, HEVC and VDENC', () => {
    const names = compileCommands(platformByName('HSW')!, VCS).rows.map((row) => row?.name ?? '');
    expect(names.filter((name) => /^(HCP|HUC|VDENC|SFC|MFX_VP8)_/.test(name))).toEqual([]);
  });
});
