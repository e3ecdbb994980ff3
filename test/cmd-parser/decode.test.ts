import { describe, expect, it } from 'vitest';
import { decodePiece, walk } from '../../src/cmd-parser/index.js';
import {
  BBS_PPGTT,
  BCS,
  CMD,
  compileCommands,
  type EngineId,
  MI_USE_GGTT,
  RCS,
  VCS,
  VECS,
} from '../../src/hw/index.js';
import { platformNamed, SKL } from './harness.js';

const table = compileCommands(SKL, RCS);
const AT = 0x8000_0001_2340;

function decode(dwords: readonly number[], options: { table?: typeof table; end?: number } = {}): string[] {
  const read = (address: number): number => dwords[(address - AT) / 4] ?? -1;
  const texts = [...decodePiece(options.table ?? table, read, AT, options.end ?? AT + dwords.length * 4)];
  expect(texts.every((text) => text.endsWith('\n'))).toBe(true);
  return texts.join('').trimEnd().split('\n');
}

/** Numbers from 0 to 1, the same ones for a seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('a printed command', () => {
  it('shows where it is, how long it is, what it is called, and its address with the page tables that it goes through', () => {
    const store = [CMD.MI_STORE_DATA_IMM | 2, 0x1004, 0xffff8001, 7];
    expect(decode(store)).toEqual([
      '0x800000012340     4  MI_STORE_DATA_IMM',
      '                       dw1 47:2    address  0x0000800100001004 ppgtt',
      '                       dw3         data     0x00000007',
    ]);
    expect(decode([store[0]! | MI_USE_GGTT, ...store.slice(1)])).toEqual([
      '0x800000012340     4  MI_STORE_DATA_IMM',
      '                       dw0 22      use global GTT  yes',
      '                       dw1 47:2    address         0x0000800100001004 ggtt',
      '                       dw3         data            0x00000007',
    ]);
  });

  it('has addresses of one dword on Haswell, and bits beside its fields', () => {
    const haswell = compileCommands(platformNamed('HSW'), RCS);
    expect(decode([CMD.MI_BATCH_BUFFER_START | BBS_PPGTT, 0x80001003], { table: haswell })).toEqual([
      '0x800000012340     2  MI_BATCH_BUFFER_START',
      '                       dw0 8       address space  1 per process',
      '                       dw1 31:2    batch          0x0000000080001000 ppgtt',
      '                       dw1         other bits     0x00000003',
    ]);
  });

  it('shows every register of a load by name, with the value that it gets', () => {
    expect(decode([CMD.MI_LOAD_REGISTER_IMM | 3, 0x2358, 7, 0x1f_fffc, 8])).toEqual([
      '0x800000012340     5  MI_LOAD_REGISTER_IMM',
      '                       dw1 22:2    register  0x00002358 RING_TIMESTAMP_RCS',
      '                       dw2         data      0x00000007',
      '                       dw3 22:2    register  0x001ffffc 0x1ffffc',
      '                       dw4         data      0x00000008',
    ]);
  });

  it('shows every address of a list', () => {
    const video = compileCommands(SKL, VCS);
    const lines = decode([0x70020000 | 59, ...new Array<number>(60).fill(0)], { table: video });
    expect(lines[0]).toContain('MFX_PIPE_BUF_ADDR_STATE');
    expect(lines.filter((line) => line.endsWith('0x0000000000000000 ppgtt')).length).toBe(6 + 16 + 3);
  });

  it('has no line below it where there is nothing to say', () => {
    expect(decode([CMD.MI_NOOP])).toEqual(['0x800000012340     1  MI_NOOP']);
    expect(decode([CMD.MI_NOOP | (1 << 22) | 5])).toEqual([
      '0x800000012340     1  MI_NOOP',
      '                       dw0 22      write identification  yes',
      '                       dw0 21:0    identification        0x000005',
    ]);
  });

  const engines: readonly EngineId[] = [RCS, BCS, VCS, VECS];
  it.each(['HSW', 'BDW', 'SKL'].flatMap((name) => engines.map((engine) => ({ name, engine }))))(
    'hides no bit of its operands ($name, engine $engine)',
    ({ name, engine }) => {
      const tested = compileCommands(platformNamed(name), engine);
      const random = randomFrom(engine + 1);
      for (const row of tested.rows) {
        if (row === undefined) continue;
        const { totals, width, bias } = row.length;
        const count = totals?.[Math.floor(random() * totals.length)] ?? (width === 0 ? bias : bias + 5);
        const dwords = [(row.header | (width === 0 ? 0 : count - bias)) >>> 0];
        while (dwords.length < count) dwords.push(Math.floor(random() * 2 ** 32));
        const text = decode(dwords, { table: tested });
        for (let i = 0; i < 24; i++) {
          const dword = Math.floor(random() * count);
          const bit = Math.floor(random() * 32);
          const isOpcode = dword === 0 && (bit >= 32 - row.bits || bit < width);
          if (isOpcode) continue;
          const changed = dwords.map((value, at) => (at === dword ? (value ^ (1 << bit)) >>> 0 : value));
          expect(decode(changed, { table: tested }), `${row.name} dword ${dword} bit ${bit}`).not.toEqual(text);
        }
      }
    },
  );
});

describe('a printed piece', () => {
  it('has its commands one after the other, to the end of the batch', () => {
    expect(decode([CMD.MI_NOOP, CMD.MI_BATCH_BUFFER_END, CMD.MI_ARB_CHECK], { end: Infinity })).toEqual([
      '0x800000012340     1  MI_NOOP',
      '0x800000012344     1  MI_BATCH_BUFFER_END',
    ]);
    expect(decode([CMD.MI_NOOP, CMD.MI_BATCH_BUFFER_END], { end: AT + 4 })).toHaveLength(1);
  });

  it('ends at an unknown header', () => {
    expect(decode([CMD.MI_NOOP, 0xe0000000, CMD.MI_NOOP])).toEqual([
      '0x800000012340     1  MI_NOOP',
      '0x800000012344     ?  unknown header 0xe0000000',
    ]);
  });

  it('ends at a length that the command does not have', () => {
    expect(decode([CMD.MI_STORE_REGISTER_MEM | 9, 0, 0, CMD.MI_NOOP])).toEqual([
      '0x800000012340    11  MI_STORE_REGISTER_MEM: no length of this command, header 0x12000009',
    ]);
  });

  it('ends where memory ends, in a command or between two', () => {
    expect(decode([CMD.MI_NOOP], { end: Infinity })[1]).toBe('0x800000012344        nothing is mapped here');
    const cut = decode([CMD.MI_STORE_DATA_IMM | 2, 5]);
    expect(cut[0]).toContain('MI_STORE_DATA_IMM');
    expect(cut.at(-1)).toBe('0x800000012348        nothing is mapped here');
  });
});

describe('a walk', () => {
  it('visits each command once and stops behind the last', () => {
    const words = Uint32Array.from([CMD.MI_NOOP, CMD.MI_LOAD_REGISTER_IMM | 1, 0, 0, CMD.MI_BATCH_BUFFER_END]);
    const seen: [number, number, string | undefined][] = [];
    const walker = walk(table, words, 0, words.length);
    while (walker.next()) seen.push([walker.at, walker.length, walker.row?.name]);
    expect(seen).toEqual([
      [0, 1, 'MI_NOOP'],
      [1, 3, 'MI_LOAD_REGISTER_IMM'],
      [4, 1, 'MI_BATCH_BUFFER_END'],
    ]);
  });
  it('stops at a header that it does not know', () => {
    const walker = walk(table, Uint32Array.from([0xe0000000, CMD.MI_NOOP]), 0, 2);
    expect(walker.next()).toBe(true);
    expect(walker.row).toBeUndefined();
    expect(walker.next()).toBe(false);
  });
});
