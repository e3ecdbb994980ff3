import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  P,
  PLATFORMS,
  R,
  READ_BEHAVIOURS,
  REGISTER_ROWS,
  type RegisterRow,
  registerName,
  WRITE_BEHAVIOURS,
} from '../../src/hw/index.js';

interface InventoryRow {
  readonly offset: number;
  readonly bytes: number;
  readonly platforms: number;
  readonly flags: string;
  /** Platforms on which the flags hold. */
  readonly flagged: number;
}

const INVENTORY: readonly InventoryRow[] = readFileSync(new URL('fixtures/gvt-inventory.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => {
    const [offset, bytes, platforms, flags, flagged] = line.split(' ');
    return {
      offset: Number.parseInt(offset!, 16),
      bytes: Number(bytes),
      platforms: Number.parseInt(platforms!, 16),
      flags: flags!,
      flagged: Number.parseInt(flagged!, 16),
    };
  });

/** Dword offsets -> row on one platform. Throws where two rows meet. */
function mapOf(bit: number): Map<number, RegisterRow> {
  const map = new Map<number, RegisterRow>();
  for (const row of REGISTER_ROWS) {
    if (((row.platforms ?? 127) & bit) === 0) continue;
    for (let at = row.offset; at < row.offset + (row.size ?? 4); at += 4) {
      const other = map.get(at);
      if (other) throw new Error(`${row.name} and ${other.name} are both at 0x${at.toString(16)}`);
      map.set(at, row);
    }
  }
  return map;
}

const dwords = function* (row: InventoryRow): Generator<number> {
  for (let at = row.offset & ~3; at < row.offset + row.bytes; at += 4) yield at;
};

const ALL_PLATFORMS = Object.entries(P);
const hex = (offset: number): string => `0x${offset.toString(16)}`;

describe('the register map', () => {
  it.each(ALL_PLATFORMS)('has at most one register at each offset of %s', (_name, bit) => {
    expect(mapOf(bit).size).toBeGreaterThan(1000);
  });

  it.each(ALL_PLATFORMS)('gives each register of %s a name of its own', (_name, bit) => {
    const names = REGISTER_ROWS.filter((row) => ((row.platforms ?? 127) & bit) !== 0).map((row) => row.name);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });

  it('writes names the way the manual of names says', () => {
    const odd = REGISTER_ROWS.filter((row) => !/^[A-Z][A-Za-z0-9_]*$/.test(row.name)).map((row) => row.name);
    expect(odd).toEqual([]);
    const misnumbered = REGISTER_ROWS.filter(
      (row) => row.name.startsWith('REG_') && row.name !== `REG_${hex(row.offset)}`,
    );
    expect(misnumbered).toEqual([]);
  });

  it('names only behaviours that are declared, and each declared behaviour is used', () => {
    const reads = new Set(REGISTER_ROWS.flatMap((row) => row.read ?? []));
    const writes = new Set(REGISTER_ROWS.flatMap((row) => row.write ?? []));
    expect([...reads].sort()).toEqual(Object.keys(READ_BEHAVIOURS).sort());
    expect([...writes].sort()).toEqual(Object.keys(WRITE_BEHAVIOURS).sort());
  });

  it('answers with names that people know', () => {
    const [bdw, skl] = [PLATFORMS.find((p) => p.name === 'BDW')!, PLATFORMS.find((p) => p.name === 'SKL')!];
    expect(registerName(skl, 0x2030)).toBe('RING_TAIL_RCS');
    expect(registerName(skl, 0x22230)).toBe('RING_ELSP_BCS');
    expect(registerName(skl, 0x7119c)).toBe('PLANE_SURF_1_B');
    expect(registerName(skl, 0x6f030)).toBe('DATA_M1_EDP');
    expect(registerName(skl, 0x44308)).toBe('GT0_IIR');
    expect(registerName(skl, 0x42000)).toBe('FUSE_STATUS');
    expect(registerName(bdw, 0x42000)).toBe('DISPLAY_CHICKEN1');
    expect(registerName(skl, 0xb024)).toBe('LNCF_MOCS+0x4');
    expect(registerName(skl, 0x2054)).toBe('RING_PWRCTX_MAXCNT_RCS');
    expect(registerName(skl, 0x7180)).toBe('REG_0x7180');
    expect(registerName(skl, 0x190000)).toBe('0x190000');
  });
});

/** What the inventory, which is of execlist hardware, has not: the GPRs, Haswell's address-space and L3 atomics registers. */
function isOpenedHere(bit: number, { name }: RegisterRow): boolean {
  if (name.startsWith('RING_GPR_')) return true;
  return bit === P.HSW && (name.startsWith('RING_PP_D') || name === 'SCRATCH1' || name === 'ROW_CHICKEN3');
}

describe("GVT-g's inventory", () => {
  it('is complete in the fixture', () => {
    expect(INVENTORY.length).toBe(1261);
  });

  it.each(ALL_PLATFORMS)('is covered by rows on %s', (_name, bit) => {
    const map = mapOf(bit);
    const missing = INVENTORY.filter((row) => (row.platforms & bit) !== 0)
      .flatMap((row) => [...dwords(row)])
      .filter((at) => !map.has(at));
    // On Broxton the second PHY lies inside the range that the inventory gives to the memory controller's mirror.
    const expected = bit === P.BXT ? missing.filter((at) => at >= 0x161000 && at < 0x180000) : [];
    expect(missing.map(hex)).toEqual(expected.map(hex));
  });

  it.each(ALL_PLATFORMS)('opens the same registers to commands on %s, and the context-saved GPRs', (_name, bit) => {
    const map = mapOf(bit);
    const ours = new Set<number>();
    for (const [at, row] of map) {
      if (((row.flags ?? 0) & R.CMD) !== 0 && !isOpenedHere(bit, row)) ours.add(at);
    }
    const theirs = new Set<number>();
    for (const row of INVENTORY) {
      if (!row.flags.includes('C') || (row.flagged & bit) === 0) continue;
      for (const at of dwords(row)) {
        const own = map.get(at);
        if (own === undefined || !isOpenedHere(bit, own)) theirs.add(at);
      }
    }
    expect([...ours].filter((at) => !theirs.has(at)).map(hex)).toEqual([]);
    expect([...theirs].filter((at) => !ours.has(at)).map(hex)).toEqual([]);
  });

  it.each([
    ['M', R.MODE_MASK],
    ['P', R.CMD_PATCH],
    ['G', R.GMADR],
  ])('has its flag %s in our rows', (letter, flag) => {
    const wrong: string[] = [];
    for (const [, bit] of ALL_PLATFORMS) {
      const map = mapOf(bit);
      for (const row of INVENTORY) {
        if (!row.flags.includes(letter) || (row.flagged & bit) === 0) continue;
        for (const at of dwords(row)) if (((map.get(at)?.flags ?? 0) & flag) === 0) wrong.push(`${hex(at)} on ${bit}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});
