import { describe, expect, it } from 'vitest';
import { decodePiece, walk } from '../../src/cmd-parser/index.js';
import { BBS_PPGTT, CMD, compileCommands, MI_USE_GGTT, RCS, VCS } from '../../src/hw/index.js';
import { platformNamed, SKL } from './harness.js';

const table = compileCommands(SKL, RCS);
const AT = 0x8000_0001_2340;

function decode(dwords: readonly number[], options: { table?: typeof table; end?: number } = {}): string[] {
  const read = (address: number): number => dwords[(address - AT) / 4] ?? -1;
  const texts = [...decodePiece(options.table ?? table, read, AT, options.end ?? AT + dwords.length * 4)];
  expect(texts.every((text) => text.endsWith('\n'))).toBe(true);
  return texts.join('').trimEnd().split('\n');
}

describe('a printed command', () => {
  it('shows where it is, how long it is, what it is called, and its address with the page tables that it goes through', () => {
    const store = [CMD.MI_STORE_DATA_IMM | 2, 0x1004, 0xffff8001, 7];
    expect(decode(store)).toEqual([
      '0x800000012340     4  MI_STORE_DATA_IMM',
      '                       dw1         Address  0x0000800100001004 ppgtt',
      '                       dw3                  0x00000007',
    ]);
    expect(decode([store[0]! | MI_USE_GGTT, ...store.slice(1)])[1]).toContain('0x0000800100001004 ggtt');
    const start = [CMD.MI_BATCH_BUFFER_START | 1, 0x1000, 0];
    expect(decode(start)[1]).toContain('0x0000000000001000 ggtt');
    expect(decode([start[0]! | BBS_PPGTT, ...start.slice(1)])[1]).toContain('0x0000000000001000 ppgtt');
  });

  it('has addresses of one dword on Haswell', () => {
    const haswell = compileCommands(platformNamed('HSW'), RCS);
    expect(decode([CMD.MI_BATCH_BUFFER_START | BBS_PPGTT, 0x80001003], { table: haswell })).toEqual([
      '0x800000012340     2  MI_BATCH_BUFFER_START',
      expect.stringMatching(/^ {23}dw1 +Address +0x0000000080001000 ppgtt$/),
    ]);
  });

  it('shows every register of a load by name, with the value that it gets', () => {
    expect(decode([CMD.MI_LOAD_REGISTER_IMM | 3, 0x2358, 7, 0x1f_fffc, 8])).toEqual([
      '0x800000012340     5  MI_LOAD_REGISTER_IMM',
      '                       dw1         Register written  0x00002358 RING_TIMESTAMP_RCS',
      '                       dw2         Value             0x00000007',
      '                       dw3         Register written  0x001ffffc 0x1ffffc',
      '                       dw4         Value             0x00000008',
    ]);
    expect(decode([CMD.MI_STORE_REGISTER_MEM | 2, 0x2358, 0x1000, 0])[1]).toMatch(
      /Register read +0x00002358 RING_TIMES/,
    );
  });

  it('shows every address of a list', () => {
    const video = compileCommands(SKL, VCS);
    const lines = decode([0x70020000 | 59, ...new Array<number>(60).fill(0)], { table: video });
    expect(lines[0]).toContain('MFX_PIPE_BUF_ADDR_STATE');
    expect(lines.filter((line) => line.includes('Address')).length).toBe(6 + 16 + 3);
  });

  it('hides no dword', () => {
    const dwords = [0x79170000 | 62, ...Array.from({ length: 63 }, (_, i) => 0xabc000 + i)];
    const text = decode(dwords).join('\n');
    for (let i = 1; i < dwords.length; i++) expect(text).toContain(`0x00${dwords[i]!.toString(16)}`);
  });
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
