import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { BBS_PPGTT, CMD } from '../../../src/hw/index.js';
import { Corpus } from '../../cmd-parser/corpus.js';
import { type Ran, type RunOptions, xengt } from '../rig.js';
import { bytesOf, deflated, Folder, page, writeCorpus } from './streams.js';

const END = CMD.MI_BATCH_BUFFER_END;
const UNKNOWN = 0xe0000000;

let folder: Folder;
beforeEach(() => {
  folder = new Folder();
});
afterEach(() => folder.drop());

const scan = (args: readonly string[], options: RunOptions = {}): Promise<Ran> => xengt(['scan', ...args], options);

interface Line {
  readonly file: string;
  readonly exec: number | string;
  readonly platform: string;
  readonly engine: string;
  readonly trust: string;
  readonly verdict: string;
  readonly code: string | null;
  readonly reason: string | null;
  readonly commands: number;
  readonly dwords: number;
  readonly segments: readonly unknown[];
  readonly unknown: number;
  readonly patches: number;
}

interface Lines {
  readonly code: number;
  readonly batches: Line[];
  readonly last: Record<string, unknown>;
}

async function json(...args: string[]): Promise<Lines> {
  const { code, out, err } = await scan(['--json', ...args]);
  expect(err).toBe('');
  const lines = out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  return { code, batches: lines.slice(0, -1), last: lines.at(-1) };
}

describe('xengt scan --json of the carried streams', () => {
  const corpus = new Corpus();
  const streams = new Map(
    corpus.streams.map((stream) => [
      `${stream.platform.name.toLowerCase()}/${stream.program}.json ${stream.exec}`,
      stream,
    ]),
  );
  const hex = (value: number): string => `0x${value.toString(16)}`;
  const corpusFolder = new Folder();
  let lines: Lines;
  beforeAll(async () => {
    writeCorpus(corpusFolder);
    lines = await json(corpusFolder.path);
  });
  afterAll(() => corpusFolder.drop());
  const streamOf = (line: Line) => streams.get(`${line.file.slice(corpusFolder.path.length + 1)} ${line.exec}`)!;

  test('gives every batch a verdict, and totals that add up', () => {
    const { code, batches, last } = lines;
    expect(code).toBe(0);
    expect(batches).toHaveLength(corpus.streams.length);
    const sum = (key: 'commands' | 'dwords' | 'unknown'): number => batches.reduce((all, line) => all + line[key], 0);
    const accepted = batches.filter(({ verdict }) => verdict === 'accept').length;
    expect(last).toEqual({
      summary: {
        ...{ batches: batches.length, accepted, rejected: batches.length - accepted },
        ...{ commands: sum('commands'), dwords: sum('dwords'), unknown: sum('unknown') },
        seconds: expect.any(Number),
      },
    });
  });

  test('walks each static batch as the file says: commands, dwords and pieces, nothing unknown', () => {
    const differing = lines.batches
      .map((line) => ({ line, stream: streamOf(line) }))
      .filter(({ stream }) => stream.walk === 'static')
      .map(({ line, stream }) => ({
        got: [line.file, line.exec, line.unknown, line.commands, line.dwords, line.segments],
        wanted: [
          ...[line.file, line.exec, 0, stream.commands, stream.dwords],
          stream.segments.map(([start, end, kind]) => [hex(start), hex(end), kind]),
        ],
      }))
      .filter(({ got, wanted }) => JSON.stringify(got) !== JSON.stringify(wanted));
    expect(differing).toEqual([]);
  });

  test('refuses what never ends, with code and reason', () => {
    const failing = lines.batches.filter((line) => streamOf(line).walk === 'FAIL');
    expect(failing.length).toBeGreaterThan(0);
    for (const line of failing) {
      expect(line).toMatchObject({ verdict: 'reject', code: expect.stringMatching(/^[a-z-]+$/) });
      expect(line.reason).toContain(line.code);
    }
  });
});

describe('xengt scan --json', () => {
  test('says of each batch exactly this', async () => {
    const file = folder.write('a.bin', bytesOf([CMD.MI_NOOP, CMD.MI_ARB_CHECK, END]));
    const { code, batches, last } = await json('--platform', 'kbl', '--engine', 'copy', '--address', '0x1000', file);
    expect(code).toBe(0);
    expect(batches).toEqual([
      {
        ...{ file, exec: 0, platform: 'kbl', engine: 'copy', trust: 'ppgtt', verdict: 'accept', code: null },
        ...{
          reason: null,
          commands: 3,
          dwords: 3,
          segments: [['0x1000', '0x100c', 'primary']],
          unknown: 0,
          patches: 0,
        },
      },
    ]);
    expect(Object.keys(last)).toEqual(['summary']);
    expect(Object.keys(last.summary as object)).toEqual(
      ['batches', 'accepted', 'rejected', 'commands', 'dwords', 'unknown', 'seconds'], // in the documented order
    );
  });

  test('judges at the trust that the platform runs batches at, or at the one that is given', async () => {
    const file = folder.write('a.bin', bytesOf([END]));
    const trusts = async (...args: string[]): Promise<string[]> =>
      (await json(...args, file)).batches.map(({ trust }) => trust);
    expect(await trusts('--platform', 'HSW')).toEqual(['haswell']);
    expect(await trusts('--platform', 'BXT')).toEqual(['ppgtt']);
    expect(await trusts('--trust', 'ring')).toEqual(['ring']);
    // MI_UPDATE_GTT: no batch of a process may even try, a ring may not either
    const update = folder.write('b.bin', bytesOf([CMD.MI_UPDATE_GTT | 1, 0, 0, END]));
    expect((await json('--trust', 'ring', update)).batches).toMatchObject([
      { verdict: 'reject', code: 'refused-command', commands: 2, dwords: 4 },
    ]);
  });

  test('chooses among batches that say their own platform and engine', async () => {
    writeCorpus(folder);
    const { batches } = await json('--platform', 'SKL', '--engine', 'video', folder.path);
    expect(batches.length).toBeGreaterThan(0);
    expect(new Set(batches.map(({ platform, engine }) => `${platform} ${engine}`))).toEqual(new Set(['skl video']));
  });

  test('a file that can not be read has its line, and does not stop the others', async () => {
    const good = folder.write('good.bin', bytesOf([END]));
    const bad = folder.write('bad.bin', Uint8Array.of(1));
    const { code, out } = await scan(['--json', bad, `${folder.path}/none`, good]);
    expect(code).toBe(65);
    const lines = out.split('\n');
    expect(JSON.parse(lines[0]!)).toEqual({
      file: bad,
      error: { code: 'XENGT_E_STREAM', message: `${bad}: its 1 bytes are not whole dwords` },
    });
    expect(JSON.parse(lines[1]!)).toMatchObject({ file: `${folder.path}/none`, error: { code: 'XENGT_E_IO' } });
    expect(JSON.parse(lines[2]!)).toMatchObject({ file: good, verdict: 'accept' });
    expect(JSON.parse(lines[3]!)).toMatchObject({ summary: { batches: 1, accepted: 1 } });
    expect((await scan([`${folder.path}/none`, good])).code).toBe(74);
    expect((await scan([new Folder().path])).code).toBe(65);
  });

  test('an unknown header is counted and refused', async () => {
    const { batches } = await json(folder.write('a.bin', bytesOf([CMD.MI_NOOP, UNKNOWN, END])));
    expect(batches).toMatchObject([{ verdict: 'reject', code: 'unknown-command', unknown: 1 }]);
  });

  test("batch and ring of an error state: the ring may not do what only the GPU's owner may", async () => {
    const state = [
      'PCI ID: 0x1912',
      'bcs0 command stream:\n  START: 0x00010000\n  HEAD:  0x00000000\n  TAIL:  0x00000010',
      `bcs0 --- batch = 0x00000000 00100000\n${deflated(page([CMD.MI_NOOP, END]))}`,
      `bcs0 --- ring = 0x00000000 00010000\n${deflated(page([0, CMD.MI_UPDATE_GTT | 1, 0, 0, END]))}`,
    ].join('\n');
    const { code, batches } = await json(folder.write('error', state));
    expect(code).toBe(0);
    expect(batches).toMatchObject([
      { exec: 'bcs0 batch', platform: 'skl', engine: 'copy', trust: 'ppgtt', verdict: 'accept', commands: 2 },
      { exec: 'bcs0 ring', trust: 'ring', verdict: 'reject', code: 'refused-command' },
    ]);
    expect(batches[1]!.segments).toEqual([['0x10000', '0x10010', 'primary']]);
  });
});

describe('xengt scan for people', () => {
  test('aligns a line per batch and ends with the totals', async () => {
    const good = folder.write('good.bin', bytesOf([END]));
    const bad = folder.write('bad.hex', 'E0000000');
    const { out } = await scan([folder.path]);
    const lines = out.trimEnd().split('\n');
    expect(lines[0]).toBe('verdict  platform  engine         trust    commands   dwords  patches  batch');
    expect(lines[1]).toMatch(/^reject {3}SKL {7}render {9}ppgtt {3,}\d+ +\d+ {8}0 {2}/);
    expect(lines[1]).toContain(`  ${bad} #0`);
    expect(lines[2]).toMatch(/^ {9}RCS .* refused \[unknown-command\]/);
    expect(lines[3]).toBe(`accept   SKL       render         ppgtt           1        1        0  ${good} #0`);
    expect(lines[4]).toMatch(
      /^2 batches: 1 accepted, 1 rejected; \d commands, \d dwords, 1 unknown headers, [\d.]+ s$/,
    );
  });

  test('--print decodes what was executed', async () => {
    const stream = [0x11000001, 0x2358, 7, END, 0xffffffff];
    const { code, out } = await scan(['--print', '--address', '1000', folder.write('a.bin', bytesOf(stream))]);
    expect(code).toBe(0);
    expect(out).toContain('primary 0x000000001000 to 0x000000001010');
    expect(out).toMatch(/^ *0x000000001000 +3 {2}MI_LOAD_REGISTER_IMM$/m);
    expect(out).toMatch(/RING_TIMESTAMP/);
    expect(out).toMatch(/^ *0x00000000100c +1 {2}MI_BATCH_BUFFER_END$/m);
    expect(out).not.toContain('ffffffff');
  });

  test('--print shows an unknown header and ends there', async () => {
    const { out } = await scan(['--print', folder.write('a.bin', bytesOf([CMD.MI_NOOP, UNKNOWN, END]))]);
    expect(out).toMatch(/^ *0x000000000000 +1 {2}MI_NOOP$/m);
    expect(out).toMatch(/^ *0x000000000004 +\? {2}unknown header 0xe0000000$/m);
    expect(out).not.toContain('MI_BATCH_BUFFER_END');
  });

  test('--print goes on to where a walk was stopped behind jumps', async () => {
    const jump = (target: number, second = 0): number[] => [
      CMD.MI_BATCH_BUFFER_START | second | BBS_PPGTT | 1,
      target,
      0,
    ];
    const stream = page([...jump(0x100), CMD.MI_NOOP]);
    stream.splice(0x40, 4, ...jump(0x200, 1 << 22), UNKNOWN); // calls, and is broken behind
    stream.splice(0x80, 2, CMD.MI_ARB_CHECK, END);
    const { out } = await scan(['--print', folder.write('a.bin', bytesOf(stream))]);
    const pieces = out.split('\n').filter((line) => /^ {2}\S/.test(line));
    expect(pieces).toEqual([
      '  primary 0x000000000000 to 0x00000000000c',
      '  chain 0x000000000100 to 0x00000000010c',
      '  second_level 0x000000000200 to 0x000000000208',
      '  from 0x00000000010c, not walked to an end',
    ]);
    expect(out).toMatch(/^ *0x00000000010c +\? {2}unknown header 0xe0000000$/m);
  });

  test('--print shows a ring in the order of execution, around its end', async () => {
    const ring = page([CMD.MI_ARB_CHECK]);
    ring[1023] = CMD.MI_USER_INTERRUPT;
    const state = [
      'PCI ID: 0x1912\nrcs0 command stream:\n  HEAD:  0x00000ffc\n  TAIL:  0x00000004',
      `rcs0 --- ring = 0x00000000 00010000\n${deflated(ring)}`,
    ].join('\n');
    const { out } = await scan(['--print', folder.write('error', state)]);
    expect(out).toMatch(
      /0x000000010ffc +1 {2}MI_USER_INTERRUPT\n.*to 0x000000010004\n *0x000000010000 +1 {2}MI_ARB_CHECK\n/,
    );
  });

  test('what it does not understand of the command line is refused', async () => {
    for (const args of [
      [],
      ['--platform', 'Z80', 'a'],
      ['--engine', 'x', 'a'],
      ['--trust', 'x', 'a'],
      ['--address', '2', 'a'],
    ])
      expect((await scan(args)).code, args.join(' ')).toBe(2);
    expect(await scan(['--json', '--print', 'a'])).toMatchObject({ code: 2, out: '' });
    expect((await scan(['--help'])).out).toContain('choose among their batches');
  });

  test('stops between two files when it is interrupted', async () => {
    writeCorpus(folder);
    const interrupt = new AbortController();
    const run = scan([folder.path], { interrupt: interrupt.signal });
    setImmediate(() => interrupt.abort());
    const { code, out } = await run;
    expect(code).toBe(1);
    expect(out).not.toContain('batches:');
  });
});
