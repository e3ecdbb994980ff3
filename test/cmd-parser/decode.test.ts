import { describe, expect, it } from 'vitest';
import { decodeLine, walk } from '../../src/cmd-parser/index.js';
import { CMD, compileCommands, RCS } from '../../src/hw/index.js';
import { SKL } from './harness.js';

const table = compileCommands(SKL, RCS);

describe('a printed command', () => {
  it('shows where it is, its name, its dwords and its addresses', () => {
    const words = Uint32Array.from([CMD.MI_STORE_DATA_IMM | 2, 0x1000, 0x8001, 7]);
    expect(decodeLine(table, words, 0, 0x12340)).toBe(
      `000000012340: ${'MI_STORE_DATA_IMM'.padEnd(40)} 10000002 00001000 00008001 00000007 dw1=0x800100001000`,
    );
  });
  it('is cut short when it is long', () => {
    const words = new Uint32Array(64);
    words[0] = 0x79170000 | 62;
    expect(decodeLine(table, words, 0)).toContain('... 64 dwords');
  });
  it('says so when its header is unknown, and when its end is missing', () => {
    expect(decodeLine(table, Uint32Array.from([0xe0000000]), 0)).toBe('000000000000: e0000000  unknown');
    expect(decodeLine(table, Uint32Array.from([CMD.MI_STORE_DATA_IMM | 2, 5]), 0)).toContain('MI_STORE_DATA_IMM');
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
