/** Replay: how fast the traps of a recorded guest are answered when nobody has to wait, beside the guest as it was recorded. */
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { packageInfo } from '../src/control/package-info.js';
import { JournalReader } from '../src/hypervisor/index.js';
import { type ReplayResult, replayFile } from '../src/mediator/index.js';
import { type Effort, median, type Row, skip, spreadOf, type Table } from './measure.js';

/** A journal is replayed until it has had its rounds, or this is used up; at least once. */
const BUDGET_NS = 3e9;
const MOST_ROUNDS = 11;

function timed<T>(work: () => T): { ns: number; value: T } {
  const start = process.hrtime();
  const value = work();
  const [s, ns] = process.hrtime(start);
  return { ns: s * 1e9 + ns, value };
}

/** Unpacks and reads a journal without doing anything of what it says. */
function readOnly(file: string): number {
  const journal = new JournalReader(file);
  let records = 0;
  while (journal.next()) records++;
  return records;
}

interface Round {
  readonly report: ReplayResult;
  readonly replayNs: number;
  readonly readNs: number;
}

function round(file: string): Round {
  const { ns: replayNs, value: report } = timed(() => replayFile(file));
  return { report, replayNs, readNs: timed(() => readOnly(file)).ns };
}

/** The first round only teaches the compiler, unless there is no time for more. */
function rounds(file: string, most: number): Round[] {
  const first = round(file);
  const all: Round[] = [];
  for (let left = BUDGET_NS - first.replayNs - first.readNs; left > 0 && all.length < most; ) {
    const one = round(file);
    all.push(one);
    left -= one.replayNs + one.readNs;
  }
  return all.length > 0 ? all : [first];
}

function measure(file: string, effort: Effort): Row[] {
  const all = rounds(file, Math.min(MOST_ROUNDS, effort.rounds));
  const { report } = all[0]!;
  const replays = all.map(({ replayNs }) => replayNs);
  const reads = all.map(({ readNs }) => readNs);
  const time = median(replays);
  const recorded = report.recordedNs / 1e9;
  const name = basename(file, '.xj');
  const readLabel = `${name}, read without replay`;
  const note = [
    `${recorded.toFixed(1)} s recorded`,
    `${(report.recordedNs / time).toFixed(1)} times as fast as the recorded guest`,
    `${report.events} events, ${(time / report.events / 1000).toFixed(2)} µs each`,
    ...(report.differing > 0 ? [`${report.differing} answers differ`] : []),
  ].join('; ');
  return [
    {
      label: `${name}, replayed`,
      ns: time,
      spread: spreadOf(replays),
      ratios: [
        { baseline: 'the recorded guest', times: time / report.recordedNs },
        { baseline: readLabel, times: median(replays.map((one, i) => one / reads[i]!)) },
      ],
      note,
    },
    { label: readLabel, ns: median(reads), spread: spreadOf(reads), ratios: [] },
  ];
}

export function replay(effort: Effort): Table {
  const folder = join(packageInfo().root, 'assets', 'journals');
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.xj')) : [];
  if (files.length === 0) return skip('there is no journal in assets/journals');
  return { rows: files.sort().flatMap((name) => measure(join(folder, name), effort)), skipped: null };
}
