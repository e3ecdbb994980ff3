import { describe, expect, it } from 'vitest';
import {
  BCS,
  CMD,
  COMMANDS,
  commandRow,
  compileCommands,
  ENGINES,
  entryDwords,
  entryId,
  PLATFORMS,
  RCS,
  VCS,
  VCS2,
  VECS,
} from '../../src/hw/index.js';

const on = (name: string) => PLATFORMS.find((platform) => platform.name === name)!;

describe('the command tables', () => {
  it('compile for every platform and engine without two rows on one opcode', () => {
    for (const platform of PLATFORMS) {
      for (const engine of ENGINES) {
        const table = compileCommands(platform, engine.id);
        for (let i = 1; i < table.rows.length; i++)
          expect(commandRow(table, table.rows[i]!.header)).toBe(table.rows[i]);
      }
    }
  });
  it('give no name to two commands of one platform', () => {
    for (const platform of PLATFORMS) {
      const names = COMMANDS.filter((row) => (row.platforms & platform.bit) !== 0).map((row) => row.name);
      expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
    }
  });
  it('have names and header constants that agree', () => {
    for (const [name, header] of Object.entries(CMD)) {
      const rows = COMMANDS.filter((row) => row.name === name);
      expect([name, new Set(rows.map((row) => row.header))]).toEqual([name, new Set([header])]);
    }
  });
  it('know no header outside the MI, 2D and 3D types', () => {
    const table = compileCommands(on('SKL'), RCS);
    for (const first of [0x2000, 0x8000, 0xe000]) {
      for (let i = first; i < first + 0x2000; i++) expect(table.entries[i]).toBe(0);
    }
  });
  it('keep engines apart where opcodes mean different things', () => {
    const name = (engine: 0 | 1 | 2 | 3 | 4, header: number) =>
      commandRow(compileCommands(on('SKL'), engine), header)?.name;
    expect(([RCS, BCS, VCS, VECS, VCS2] as const).map((engine) => name(engine, 0x70000000))).toEqual([
      'MEDIA_VFE_STATE',
      undefined,
      'MFX_PIPE_MODE_SELECT',
      undefined,
      'MFX_PIPE_MODE_SELECT',
    ]);
    expect(name(VCS, 0x74000000)).toBe('MFX_VP8_PIC_STATE');
    expect(name(VECS, 0x74000000)).toBe('VEBOX_SURFACE_STATE');
  });
  it('give Gen9 what Gen8 lacks', () => {
    const bdw = compileCommands(on('BDW'), BCS);
    const skl = compileCommands(on('SKL'), BCS);
    expect(commandRow(bdw, CMD.XY_FAST_COPY_BLT)).toBeUndefined();
    expect(commandRow(skl, CMD.XY_FAST_COPY_BLT)?.name).toBe('XY_FAST_COPY_BLT');
    expect(commandRow(compileCommands(on('KBL'), VCS), 0x70850000)?.name).toBe('VDENC_IMG_STATE');
  });
  it.each([
    ['MI_NOOP with an identification', RCS, 0x007fffff, 1],
    ['MI_FLUSH_DW, whose length is 6 bits wide', RCS, 0x130040c2, 4],
    ['MI_STORE_DATA_IMM, 10 bits', RCS, 0x10400009, 11],
    ['PIPELINE_SELECT, always one dword', RCS, 0x69040302, 1],
    ['MFX_QM_STATE, 12 bits', VCS, 0x70070110, 0x112],
    ['MEDIA_OBJECT, 16 bits', RCS, 0x71000414, 0x416],
    ['GPGPU_WALKER, 8 bits', RCS, 0x7105010d, 15],
    ['3DSTATE_SO_DECL_LIST, 9 bits', RCS, 0x79170105, 0x107],
  ] as const)('tell the length of %s', (_name, engine, header, dwords) => {
    const entry = compileCommands(on('SKL'), engine).entries[header >>> 16]!;
    expect(entryId(entry)).toBeGreaterThan(0);
    expect(entryDwords(entry, header)).toBe(dwords);
  });
});
