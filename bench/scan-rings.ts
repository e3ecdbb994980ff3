/** The command scanner: what judging a command costs beside walking over it by header lengths alone. */
import { type CommandWalker, createScanResult, type ScanInput, Scanner, walk } from '../src/cmd-parser/index.js';
import { BBS_PPGTT, CMD, type EngineId, MI_USE_GGTT, RCS, REGISTER_ROWS } from '../src/hw/index.js';
import { commandAccess } from '../src/mediator/command-access.js';
import { compilePolicy } from '../src/mmio/index.js';
import { vgpuHandlers } from '../src/vgpu/index.js';
import { PLATFORM } from './guest.js';
import { compare, type Effort, type Subject, type Table } from './measure.js';

const RANGES = { lowStart: 0x0400_0000, lowEnd: 0x0800_0000, highStart: 0x2000_0000, highEnd: 0x3000_0000 };
const TIMELINE = RANGES.lowStart + 0x4000;
const BATCH = RANGES.lowStart + 0x100000;
const HWSP = 0x0010_0000;
const STORE_INDEXED = 1 << 21;
const len = (dwords: number): number => dwords - 2;
const repeat = (times: number, dwords: readonly number[]): number[] =>
  Array.from({ length: times }, () => dwords).flat();

const flush = [CMD.PIPE_CONTROL | len(6), (1 << 24) | STORE_INDEXED | (1 << 14) | (1 << 20), 0xd0, 0, 0, 0];
/** One request as i915 puts it into a ring: flush, seqno, a batch of the user's, breadcrumb, interrupt. */
const REQUEST = [
  ...flush,
  ...[CMD.MI_STORE_DATA_IMM | MI_USE_GGTT | len(4), TIMELINE, 0, 16, CMD.MI_NOOP, CMD.MI_ARB_CHECK],
  ...flush,
  ...[CMD.MI_ARB_ON_OFF | 1, CMD.MI_BATCH_BUFFER_START | BBS_PPGTT | len(3), 0x12340000, 0xffff],
  ...[CMD.MI_ARB_ON_OFF, CMD.MI_NOOP],
  ...[CMD.PIPE_CONTROL | len(6), (1 << 24) | (1 << 20) | (1 << 14) | (1 << 12), TIMELINE, 0, 0, 0],
  ...[CMD.MI_USER_INTERRUPT, CMD.MI_ARB_CHECK, CMD.MI_NOOP],
];
/** Render state and a draw: plain commands of middling length, as privileged state batches are made of. */
const STATE = [
  ...[CMD.PIPE_CONTROL | len(6), 1 << 20, 0, 0, 0, 0],
  ...[CMD.STATE_BASE_ADDRESS | len(19), ...new Array<number>(18).fill(1)],
  ...[0x78100000 | len(9), ...new Array<number>(8).fill(0)],
  ...[CMD['3DPRIMITIVE'] | len(7), ...new Array<number>(6).fill(0)],
];
/** Register loads: every pair is looked up. */
const LOADS = [CMD.MI_LOAD_REGISTER_IMM | len(1 + 2 * 32), ...repeat(32, [0xb020, 0x00300030])];

interface Stream {
  readonly name: string;
  readonly ring: readonly number[];
  readonly batch: readonly number[];
}

const STREAMS: readonly Stream[] = [
  { name: 'requests in the ring', ring: repeat(64, REQUEST), batch: [] },
  {
    name: 'privileged state batch',
    ring: [CMD.MI_BATCH_BUFFER_START | len(3), BATCH, 0, CMD.MI_NOOP],
    batch: [...repeat(200, STATE), CMD.MI_BATCH_BUFFER_END, CMD.MI_NOOP],
  },
  { name: 'register loads', ring: repeat(32, LOADS), batch: [] },
];

function count(walker: CommandWalker): number {
  let commands = 0;
  while (walker.next()) commands++;
  return commands;
}

/** Scans one stream again and again; an operation is a command. */
class Bench {
  readonly #scanner: Scanner;
  readonly #engine: EngineId = RCS;
  readonly #ring: Uint32Array;
  readonly #batch: Uint32Array;
  readonly #words: Uint32Array;
  readonly #commands: number;
  readonly #result = createScanResult();
  readonly #input: ScanInput;

  constructor(scanner: Scanner, stream: Stream) {
    this.#scanner = scanner;
    this.#ring = Uint32Array.from(stream.ring);
    this.#words = this.#ring.slice();
    // Whole pages, as the scanner copies them.
    this.#batch = new Uint32Array(Math.ceil(stream.batch.length / 1024) * 1024);
    this.#batch.set(stream.batch);
    const batch = this.#batch;
    this.#input = {
      engine: this.#engine,
      trust: 'ring',
      words: this.#words,
      start: 0,
      end: this.#words.length,
      ranges: RANGES,
      ggtt: {
        words: batch,
        locate: (page) => {
          const at = (page - BATCH / 4096) * 1024;
          return at >= 0 && at < batch.length ? at : -1;
        },
      },
      hwspPage: HWSP,
    };
    this.#scan();
    this.#commands = this.#result.commands;
  }

  #scan(): void {
    // The scanner patches what it scans, so it starts from a fresh copy, as the dispatcher makes one.
    this.#words.set(this.#ring);
    if (!this.#scanner.scan(this.#input, this.#result)) throw new Error(this.#result.message);
  }

  subjects(name: string): [baseline: Subject, subject: Subject] {
    const table = this.#scanner.tableOf(this.#engine);
    const walked = `header walk, ${name}`;
    const batchDwords = this.#result.batches[0]?.dwords ?? 0;
    return [
      {
        label: walked,
        loop: (operations) => {
          let done = 0;
          while (done < operations) {
            this.#words.set(this.#ring);
            done += count(walk(table, this.#words, 0, this.#words.length));
            if (batchDwords > 0) done += count(walk(table, this.#batch, 0, batchDwords));
          }
          return done;
        },
      },
      {
        label: `scan, ${name}`,
        against: [walked],
        loop: (operations) => {
          for (let done = 0; done < operations; done += this.#commands) this.#scan();
          return this.#result.commands;
        },
      },
    ];
  }
}

export function scanRings(effort: Effort): Table {
  const policy = compilePolicy(PLATFORM, REGISTER_ROWS, vgpuHandlers);
  const shared = new Scanner(PLATFORM, commandAccess(policy));
  const pairs = STREAMS.map((stream) => new Bench(shared, stream).subjects(stream.name));
  return compare(
    pairs.map(([baseline]) => baseline),
    pairs.map(([, subject]) => subject),
    effort,
  );
}
