import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Frames, read32, type XengtError } from '../../../src/base/index.js';
import { type Batch, readStreams } from '../../../src/control/scan/index.js';
import { BCS, CMD, platformByName, RCS, VCS } from '../../../src/hw/index.js';
import { ascii85, bytesOf, deflated, dumped, Folder, page, writeCorpus } from './streams.js';

const SKL = platformByName('SKL')!;
const END = CMD.MI_BATCH_BUFFER_END;

let folder: Folder;
beforeEach(() => {
  folder = new Folder();
});
afterEach(() => folder.drop());

interface Read {
  readonly batches: Batch[];
  readonly errors: string[];
}

function read(...paths: string[]): Read {
  const batches: Batch[] = [];
  const errors: XengtError[] = [];
  for (const found of readStreams(paths, { platform: SKL, engine: RCS, address: 0x1008 })) {
    if ('error' in found) errors.push(found.error);
    else batches.push(...found.batches);
  }
  return { batches, errors: errors.map((error) => `${error.code} ${error.message.replaceAll(folder.path, '')}`) };
}

const dwords = (memory: Frames, address: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => read32(memory, address + i * 4, -1));

/** The only batch of a file that can be read. */
function only(path: string): Batch {
  const { batches, errors } = read(path);
  expect(errors).toEqual([]);
  expect(batches).toHaveLength(1);
  return batches[0]!;
}

function refusal(name: string, contents: string | Uint8Array): string {
  const { batches, errors } = read(folder.write(name, contents));
  expect(batches).toEqual([]);
  expect(errors).toHaveLength(1);
  return errors[0]!;
}

describe('a corpus', () => {
  const exec = (changes: object = {}): object => ({
    ...{ seq: 3, engine: 'copy', batch_addr: '0x101ff8', objects: [['0x100000', 8192, '0x8', 0]] },
    ...{ memory: [['0x101000', [0, -1]]], segments: [['0x101ff8', '0x102004', 'primary']], commands: 2, dwords: 3 },
    ...{ walk: 'static' },
    ...changes,
  });
  const file = (execs: object[], changes: object = {}): string => {
    const json = { format: 'i915-batch-corpus-1', platform: 'skl', pages_file: 'p.bin', execs, ...changes };
    return JSON.stringify(json, null, 1);
  };
  beforeEach(() => {
    folder.write('p.bin', bytesOf([...new Array<number>(1023).fill(7), 8]));
  });

  test('is read by file, by folder and by the folder above', () => {
    const root = join(folder.path, 'corpus');
    const count = writeCorpus(folder, 'corpus');
    const all = read(root).batches;
    expect(all).toHaveLength(count);
    const names = (batches: readonly Batch[]): string[] => batches.map(({ file, exec }) => `${file} ${exec}`);
    expect(names(read(join(root, 'skl')).batches)).toEqual(names(all.filter(({ platform }) => platform === SKL)));
    const { file: first } = all.find(({ engine }) => engine === VCS)!;
    expect(read(first).batches.every((batch) => batch.file === first && batch.engine === VCS)).toBe(true);
  });

  test('says where each batch lies, what its pages hold and what its own ranges are', () => {
    const batch = only(folder.write('a.json', file([exec()])));
    expect(batch).toMatchObject({ exec: 3, platform: SKL, engine: BCS, address: 0x101ff8 });
    expect(batch.ranges).toEqual({ lowStart: 0x100000, lowEnd: 0x102000, highStart: 0, highEnd: 0 });
    expect(dwords(batch.memory, 0x101ff8, 4)).toEqual([7, 8, 0, 0]);
    expect(dwords(batch.memory, 0x100ffc, 1)).toEqual([-1]);
    expect(dwords(batch.memory, 0x103000, 1)).toEqual([-1]);
    expect(batch.expected).toEqual({
      ...{ walk: 'static', commands: 2, dwords: 3 },
      segments: [[0x101ff8, 0x102004, 'primary']],
    });
  });

  test('that is broken is refused by the key that is wrong', () => {
    const wrong = (execs: object[], changes: object = {}): string => refusal('a.json', file(execs, changes));
    expect(wrong([], { format: 'x' })).toBe(
      'XENGT_E_STREAM /a.json, format: it is "i915-batch-corpus-1" in the files that can be read',
    );
    expect(wrong([], { platform: 'z80' })).toContain('/a.json, platform: z80 is not a known platform');
    expect(wrong([], { pages_file: '../p.bin' })).toContain('pages_file: it names a file of the same folder');
    expect(wrong([], { pages_file: 'q.bin' })).toMatch(/^XENGT_E_IO \/q\.bin can not be read: ENOENT/);
    expect(wrong([exec(), exec({ engine: 'x' })])).toContain('execs[1].engine: it is one of render, copy, video');
    expect(wrong([exec({ batch_addr: '0x2' })])).toContain('execs[0].batch_addr: a batch starts at a multiple of 4');
    expect(wrong([exec({ batch_addr: 12 })])).toContain('execs[0].batch_addr: it is an address of 48 bits in hex');
    expect(wrong([exec({ memory: [['0x1', [0]]] })])).toContain('execs[0].memory[0][0]: a run starts at a multiple');
    expect(wrong([exec({ memory: [['0x0', [0, 1]]] })])).toContain(
      'execs[0].memory[0][1]: page 1 of it has no contents',
    );
    expect(
      wrong([
        exec({
          memory: [
            ['0x0', [0, 0]],
            ['0x1000', [0]],
          ],
        }),
      ]),
    ).toContain('page 0x1 is there twice');
    expect(wrong([exec({ seq: -1 })])).toContain('execs[0].seq: it is a whole number from 0');
    expect(wrong([exec({ objects: [7] })])).toContain('execs[0].objects[0]: it is an object or a list');
    folder.write('p.bin', new Uint8Array(4095));
    expect(wrong([exec()])).toContain('/p.bin: its 4095 bytes are not whole pages of 4096');
  });

  test('that is cut off is refused by the line where it ends', () => {
    expect(refusal('a.json', file([exec()]).slice(0, -20))).toMatch(
      /^XENGT_E_STREAM \/a\.json, line \d\d: it is not JSON: /,
    );
  });

  test('of which one file is broken is read but for that file', () => {
    folder.write('a.json', file([exec()]));
    folder.write('b.json', '{');
    folder.write('c/d.json', '[]');
    folder.write('README.md', 'words');
    const { batches, errors } = read(join(folder.path, 'none'), folder.path);
    expect(batches.map((batch) => batch.exec)).toEqual([3]);
    expect(errors.map((error) => /\/[a-z./]+/.exec(error)?.[0])).toEqual(['/none', '/b.json', '/c/d.json']);
  });
});

describe('bare dwords', () => {
  test('are read from a file of little-endian dwords', () => {
    const batch = only(folder.write('a.bin', Uint8Array.from([4, 3, 2, 1, 0, 0, 0, 5])));
    expect(batch).toMatchObject({ exec: 0, platform: SKL, engine: RCS, address: 0x1008 });
    expect(dwords(batch.memory, 0x1004, 5)).toEqual([0, 0x01020304, END, 0, 0]);
    expect(dwords(batch.memory, 0x2000, 1)).toEqual([-1]);
  });

  test('are read from text', () => {
    const batch = only(folder.write('a.txt', '# two commands\n0x11000001 2358,\n  DEADBEEF # a value\n\n05000000'));
    expect(dwords(batch.memory, 0x1008, 4)).toEqual([0x11000001, 0x2358, 0xdeadbeef, END]);
  });

  test('that are none are refused by line', () => {
    expect(refusal('a.bin', new Uint8Array(6))).toBe('XENGT_E_STREAM /a.bin: its 6 bytes are not whole dwords');
    expect(refusal('a.bin', '')).toContain('/a.bin: it holds no dwords');
    expect(refusal('a.txt', '# none\n')).toContain('/a.txt: it holds no dwords');
    expect(refusal('a.txt', '0\n1 2\n3 word')).toContain('/a.txt, line 3: "word" is no dword in hex');
    expect(refusal('a.txt', '123456789')).toContain('line 1: "123456789" is no dword in hex');
  });
});

describe('an error state of i915', () => {
  const BATCH = [CMD.MI_NOOP, 0x11000001, 0x2358, 7, END];
  const RING = [END, END, CMD.MI_ARB_CHECK, CMD.MI_NOOP, 0, 0];
  const head =
    'GPU HANG: ecode 9:1:0x85dffffb, in glxgears [1675]\nKernel: 6.12.0\nPCI ID: 0x1912\nPCI Revision: 0x06\n';
  const registers = (name: string, lines: string): string => `${name} command stream:\n${lines}`;

  test('of today: buffers are deflated, addresses have two halves', () => {
    const state = [
      head + registers('rcs0', '  CCID:  0x00000000\n  START: 0x00010000\n  HEAD:  0x00200008 [0x00000004]'),
      '  TAIL:  0x00000010 [0x0000000c, 0x00000010]\n  CTL:   0x00000001',
      `rcs0 --- batch = 0xffff8000 00100000\ngtt_page_sizes = 0x00010000\n${deflated(page(BATCH))}`,
      `rcs0 --- user = 0x00000000 00200000\n${deflated(page([9]))}`,
      `rcs0 --- ring = 0x00000000 00010000\n${deflated(page(RING))}`,
      `global --- HW Status = 0x00000000 00011000\n${deflated(page([5]))}`,
    ].join('\n');
    const { batches, errors } = read(folder.write('error', state));
    expect(errors).toEqual([]);
    expect(batches.map(({ exec, platform, engine, address }) => [exec, platform, engine, address])).toEqual([
      ['rcs0 batch', SKL, RCS, 0x800000100000],
      ['rcs0 ring', SKL, RCS, 0x10004],
    ]);
    expect(dwords(batches[0]!.memory, 0x800000100000, 5)).toEqual(BATCH);
    expect(dwords(batches[0]!.memory, 0x200000, 1)).toEqual([9]);
    expect(dwords(batches[0]!.memory, 0x11000, 1)).toEqual([-1]);
    expect([...batches[1]!.ring!.words]).toEqual([END, CMD.MI_ARB_CHECK, CMD.MI_NOOP]);
    expect(dwords(batches[1]!.memory, 0x11000, 1)).toEqual([5]);
  });

  test('of Linux 4.9 and before: a line per dword', () => {
    const state = [
      'Time: 1526686410 s 103856 us',
      'PCI ID: 0x0412',
      registers('render', '  HEAD:  0x00000ffc [0x00000ff8]\n  TAIL:  0x00000008 [0x00000000, 0x00000008]'),
      `render ring (submitted by X [885]) --- gtt_offset = 0x01900000\n${dumped(page(BATCH))}`,
      'render ring --- 1 requests',
      `render ring --- ringbuffer = 0x00400000\n${dumped(page([3, 4]))}`,
      `blitter ring --- HW Status = 0x00500000\n[0000] 00000001 00000002 00000003 00000004`,
    ].join('\r\n');
    const { batches, errors } = read(folder.write('state.error', state));
    expect(errors).toEqual([]);
    expect(batches.map(({ exec, address }) => [exec, address])).toEqual([
      ['render ring batch', 0x01900000],
      ['render ring ring', 0x00400ff8],
    ]);
    expect(batches[0]!.platform.name).toBe('HSW');
    expect(dwords(batches[0]!.memory, 0x01900000, 5)).toEqual(BATCH);
    expect([...batches[1]!.ring!.words]).toEqual([0, 0, 3, 4]);
    expect(batches[1]!.ring!.segments).toEqual([
      [0x400ff8, 0x401000, 'primary'],
      [0x400000, 0x400008, 'primary'],
    ]);
    expect(dwords(batches[1]!.memory, 0x500000, 4)).toEqual([1, 2, 3, 4]);
  });

  test('with plain ASCII85, and without registers: all of the ring counts', () => {
    const state = `PCI ID: 0x5912\nvcs1 --- ring = 0x00000000 00001000\n~${ascii85(RING)}\n`;
    const { platform, ring } = only(folder.write('dump.txt', state));
    expect(platform.name).toBe('KBL');
    expect([...ring!.words]).toEqual(RING);
  });

  test('of another ring than the registers are of: the request that hung counts', () => {
    const position =
      '  START: 0x00099000\n  HEAD:  0x00000010 [0x00000004]\n  TAIL:  0x00000020 [0x00000008, 0x0000000c]\n';
    const state = `${head}${registers('rcs0', position)}rcs0 --- ring = 0x00000000 00001000\n~${ascii85(RING)}`;
    expect(only(folder.write('error', state)).ring!.segments).toEqual([[0x1004, 0x100c, 'primary']]);
  });

  test('that is broken is refused by line', () => {
    const wrong = (rest: string): string => refusal('error', head + rest);
    expect(refusal('error', 'No error state collected\n')).toContain('it holds no batch and no ring of an engine');
    const batch = 'rcs0 --- batch = 0x00000000 00100000\n';
    expect(refusal('error', `PCI ID: 0x9a49\n${batch}~z`)).toContain('PCI ID 0x9a49 is of no known platform');
    expect(refusal('error', `${batch}~z`)).toContain('it names no PCI ID');
    expect(wrong('~z')).toContain('/error, line 5: contents without a buffer');
    expect(wrong('00000000 :  00000000')).toContain('line 5: contents without a buffer');
    expect(wrong('rcs0 --- batch = 0x00000000 00100004\n')).toContain('line 5: a buffer starts at a multiple of 4096');
    expect(wrong(`${batch}~zz!!`)).toContain('line 6: byte 3 of its ASCII85: the last dword has 2 of 5 digits');
    expect(wrong(`${batch}~!!v!!`)).toContain('line 6: byte 3 of its ASCII85: byte 0x76 is no digit');
    expect(wrong(`${batch}~uuuuu`)).toContain('five digits say more than a dword holds');
    expect(wrong(`${batch}:${ascii85([1, 2, 3])}`)).toContain('line 6: its contents do not inflate: ');
    expect(wrong(`${batch}${deflated(page(BATCH)).slice(0, -20)}`)).toContain('line 6: its contents do not inflate: ');
    expect(wrong(`${batch}00000000 :  00000000\n00000008 :  00000000`)).toContain(
      'line 7: offset 0x4 follows here, not 0x8',
    );
    const beyond = registers(
      'rcs0',
      '  HEAD:  0x00000010 [0x00000004]\n  TAIL:  0x00001000 [0x00000008, 0x0000000c]\n',
    );
    expect(wrong(`${beyond}rcs0 --- ring = 0x00000000 00001000\n~${ascii85(RING)}`)).toContain(
      'line 8: ring offset 0x1000 is no dword of the 24 bytes that were captured',
    );
  });
});
