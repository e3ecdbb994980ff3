/** Replay: how fast the traps of a recorded guest are answered when nobody has to wait, beside the guest as it was recorded. */
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { packageInfo } from '../src/control/package-info.js';
import { JournalReader } from '../src/hypervisor/index.js';
import { replayFile } from '../src/mediator/index.js';
import { type Effort, median, type Row, skip, spreadOf, type Table } from './measure.js';

/** A journal is replayed until it has had its rounds, or this is used up. At least once. */
const BUDGET_NS = 4e9;
const MOST_ROUNDS = 5;

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

function measure(file: string, effort: Effort): Row[] {
  const replays: number[] = [];
  const reads: number[] = [];
  let spent = 0;
  let { value: report, ns } = timed(() => replayFile(file));
  for (;;) {
    replays.push(ns);
    const read = timed(() => readOnly(file)).ns;
    reads.push(read);
    spent += ns + read;
    if (replays.length === Math.min(MOST_ROUNDS, effort.rounds) || spent + ns + read > BUDGET_NS) break;
    ({ value: report, ns } = timed(() => replayFile(file)));
  }
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
