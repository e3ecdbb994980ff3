/**
 * Judging the batches of real drivers, program after program, beside a bare header walk over the same commands where they
 * lie, and beside copying them.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Frames } from '../src/base/index.js';
import {
  type BatchInput,
  type ContentVersions,
  createScanResult,
  Scanner,
  VerdictCache,
  WINDOW_DWORDS,
} from '../src/cmd-parser/index.js';
import { packageInfo } from '../src/control/package-info.js';
import type { Platform } from '../src/hw/index.js';
import { Corpus, type Stream } from '../test/cmd-parser/corpus.js';
import { compare, type Effort, median, type Row, type Subject, spreadOf, type Table } from './measure.js';

/** One batch with where its dwords lie: pieces between jumps and page ends, as dword ranges of `words`. */
interface Batch {
  readonly scanner: Scanner;
  readonly input: BatchInput;
  readonly words: Uint32Array;
  readonly pieces: Int32Array;
  readonly views: readonly Uint32Array[];
  /** By header >>> 16: width of the length field and bias, in one number. */
  readonly lengths: Uint32Array;
  readonly commands: number;
  readonly dwords: number;
}

const corpus = new Corpus(pathToFileURL(join(packageInfo().root, 'test/fixtures/corpus/streams.bin.br')));
const scanners = new Map<Platform, Scanner>();
const result = createScanResult();
const RANGES = { lowStart: 0, lowEnd: 0, highStart: 0, highEnd: 0 };

function scannerFor(platform: Platform): Scanner {
  let scanner = scanners.get(platform);
  if (scanner === undefined) {
    // Batches of processes go by the scanner's own list of registers.
    scanner = new Scanner(platform, new Uint8Array(WINDOW_DWORDS));
    scanners.set(platform, scanner);
  }
  return scanner;
}

/** A stream's pages by a short search: what locating costs is not the subject here. */
function framesOf(stream: Stream): Frames {
  const { words, locate } = corpus.memoryOf(stream);
  const pages = Float64Array.from(stream.memory, ([page]) => page);
  const at = Int32Array.from(stream.memory, ([page]) => locate(page));
  return {
    words,
    locate: (page) => {
      for (let i = 0; i < pages.length; i++) if (pages[i] === page) return at[i]!;
      return -1;
    },
  };
}

function piecesOf(stream: Stream, memory: Frames): Int32Array {
  const pieces: number[] = [];
  for (const [start, end] of stream.segments) {
    for (let from = start; from < end; ) {
      const page = Math.floor(from / 4096);
      const to = Math.min(end, (page + 1) * 4096);
      const at = memory.locate(page) - page * 1024;
      pieces.push(at + from / 4, at + to / 4);
      from = to;
    }
  }
  return Int32Array.from(pieces);
}

/** The batches that are accepted, in place or as copies; with a cache, all their verdicts are kept in it. */
function batchesOf(copy: boolean, versions?: ContentVersions, keep = false): Batch[] {
  const batches: Batch[] = [];
  // Room for the whole corpus: what is thrown away is not the subject here.
  const cache = keep ? new VerdictCache(versions, { entries: 4096, bytes: 64 << 20 }) : undefined;
  corpus.streams.forEach((stream, i) => {
    const haswell = stream.platform.gen === 7;
    if (haswell && !copy) return;
    const scanner = scannerFor(stream.platform);
    const memory = framesOf(stream);
    const input: BatchInput = {
      engine: stream.engine,
      trust: haswell ? 'haswell' : 'ppgtt',
      address: stream.start,
      memory,
      space: i + 1,
      ranges: RANGES,
      hwspPage: 0,
      copy,
      cache,
    };
    if (!scanner.scanBatch(input, result)) return;
    const pieces = piecesOf(stream, memory);
    const views: Uint32Array[] = [];
    for (let p = 0; p < pieces.length; p += 2) views.push(memory.words.subarray(pieces[p]!, pieces[p + 1]!));
    const lengths = scanner.tableOf(stream.engine).entries;
    const { commands, dwords } = result;
    batches.push({ scanner, input, words: memory.words, pieces, views, lengths, commands, dwords });
  });
  if (cache === undefined) return batches;
  // The second start keeps, the third must find.
  for (let start = 0; start < 2; start++) for (const batch of batches) judge(batch);
  if (cache.hits !== batches.length) throw new Error(`${cache.hits} of ${batches.length} verdicts were kept`);
  return batches;
}

/** The least that finding the commands can cost with a table: no command is looked at. */
function walk({ words, pieces, lengths }: Batch): number {
  let commands = 0;
  let over = 0;
  for (let p = 0; p < pieces.length; p += 2) {
    const end = pieces[p + 1]!;
    let at = (pieces[p]! + over) | 0;
    for (; at < end; commands++) {
      const header = words[at]!;
      const entry = lengths[header >>> 16]!;
      at += (header & ((1 << (entry & 31)) - 1)) + ((entry >>> 5) & 31);
    }
    over = at - end;
  }
  return commands;
}

const copied = new Uint32Array(1 << 20);
function copyOut({ views }: Batch): number {
  let at = 0;
  for (let i = 0; i < views.length; i++) {
    copied.set(views[i]!, at);
    at += views[i]!.length;
  }
  return copied[0]!;
}

function judge({ scanner, input }: Batch): number {
  scanner.scanBatch(input, result);
  return result.commands;
}

/** An operation is a command; who is next goes on where the last one was. */
function over(batches: readonly Batch[], label: string, each: (batch: Batch) => number, against?: string[]): Subject {
  let next = 0;
  const loop = (count: number): number => {
    let sum = 0;
    for (let done = 0; done < count; ) {
      const batch = batches[next]!;
      next = next + 1 === batches.length ? 0 : next + 1;
      sum += each(batch);
      done += batch.commands;
    }
    return sum;
  };
  return against === undefined ? { label, loop } : { label, loop, against };
}

/** Bytes that displace everything else from the caches. */
const DISPLACING = new Uint32Array(64 << 18);
function coldPass(batches: readonly Batch[], each: (batch: Batch) => number): number {
  for (let i = 0; i < DISPLACING.length; i += 16) DISPLACING[i]!++;
  const start = process.hrtime.bigint();
  for (const batch of batches) each(batch);
  return Number(process.hrtime.bigint() - start);
}

function coldRows(batches: readonly Batch[], effort: Effort): Row[] {
  const commands = batches.reduce((sum, batch) => sum + batch.commands, 0);
  const walked: number[] = [];
  const judged: number[] = [];
  for (let round = 0; round < effort.rounds; round++) {
    walked.push(coldPass(batches, walk) / commands);
    judged.push(coldPass(batches, judge) / commands);
  }
  const times = median(judged.map((ns, round) => ns / walked[round]!));
  return [
    {
      label: COLD,
      ns: median(judged),
      spread: spreadOf(judged),
      ratios: [{ baseline: COLD_WALK, times }],
    },
    { label: COLD_WALK, ns: median(walked), spread: spreadOf(walked), ratios: [] },
  ];
}

const WALK = 'header walk';
const COPY = 'memory copy';
const COLD = 'copied and judged, caches cold';
const COLD_WALK = 'header walk, caches cold';

export function scan(effort: Effort): Table {
  const inPlace = batchesOf(false);
  const copies = batchesOf(true);
  const compared = batchesOf(true, undefined, true);
  const counted = batchesOf(true, { versionOf: () => 1 }, true);
  const cold = coldRows(copies, effort);
  const { rows } = compare(
    [over(copies, WALK, walk), over(copies, COPY, copyOut)],
    [
      over(inPlace, 'judged in place', judge),
      over(copies, 'copied and judged', judge),
      over(compared, 'verdict reused, every dword compared', judge),
      over(counted, 'verdict reused, by page version', judge),
    ],
    effort,
  );
  const dwords = copies.reduce((sum, batch) => sum + batch.dwords, 0);
  const commands = copies.reduce((sum, batch) => sum + batch.commands, 0);
  const coldNs = cold[0]!.ns;
  return {
    rows: [...rows, ...cold].map((row) => {
      const rate = `${(1e3 / row.ns).toFixed(0)} million commands/s, ${((4 * dwords) / commands / row.ns).toFixed(1)} GB/s`;
      const saved = row.label.startsWith('verdict')
        ? `; a cold scan takes ${(coldNs / row.ns).toFixed(1)}× as long`
        : '';
      return { ...row, note: rate + saved };
    }),
    skipped: null,
  };
}
