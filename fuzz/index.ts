/**
 * fuzz: hostile input for what stands between guests and the device, made from real streams and from the command tables,
 * judged by oracles that share nothing with what they judge.
 *
 *   npm run fuzz -- --target scanner --seconds N --seed S [--cases N] [--workers N]
 *   npm run fuzz -- --target scanner --seed S --case K      one case by itself
 *   npm run fuzz -- --target scanner --minimise FILE        a case from a file, made smaller in place
 *
 * What is found is minimised and written to run/fuzz/, and the exit code is 1.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { reasonOf, XengtError } from '../src/base/index.js';
import { packageInfo } from '../src/control/package-info.js';
import { Campaign, type Tally } from './campaign.js';
import { type CaseFile, type FuzzCase, fromFile, toFile } from './case.js';
import { minimise } from './minimise.js';
import { runThreads } from './threads.js';

const USAGE =
  'npm run fuzz -- --target scanner [--seconds N] [--seed S] [--cases N] [--workers N] [--case K] [--minimise FILE]';
const DEFAULT_SECONDS = 30;
const DEFAULT_WORKERS = 2;

interface Wanted {
  readonly seconds: number;
  readonly seed: number;
  readonly cases: number;
  readonly workers: number;
  readonly case: number | null;
  readonly minimise: string | null;
}

function number(name: string, text: string | undefined, otherwise: number, least: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < least)
    throw new XengtError('XENGT_E_USAGE', `--${name} is a whole number from ${least} on, not "${text}"\n${USAGE}`);
  return value;
}

function parse(): Wanted {
  const option = { type: 'string' } as const;
  let values: Partial<Record<'target' | 'seconds' | 'seed' | 'cases' | 'workers' | 'case' | 'minimise', string>>;
  try {
    ({ values } = parseArgs({
      options: {
        target: option,
        seconds: option,
        seed: option,
        cases: option,
        workers: option,
        case: option,
        minimise: option,
      },
    }));
  } catch (cause) {
    throw new XengtError('XENGT_E_USAGE', `${reasonOf(cause)}\n${USAGE}`, { cause });
  }
  if (values.target !== 'scanner')
    throw new XengtError('XENGT_E_USAGE', `there is no target "${values.target ?? ''}"; there is: scanner\n${USAGE}`);
  // As many as asked for take as long as they take; otherwise time is the measure.
  const seconds = values.cases === undefined ? DEFAULT_SECONDS : 2 ** 31 / 1000 - 1;
  return {
    seconds: number('seconds', values.seconds, seconds, 1),
    seed: number('seed', values.seed, 1, 0),
    cases: number('cases', values.cases, Number.MAX_SAFE_INTEGER, 1),
    workers: number('workers', values.workers, DEFAULT_WORKERS, 1),
    case: values.case === undefined ? null : number('case', values.case, 0, 0),
    minimise: values.minimise ?? null,
  };
}

const rate = (tally: Tally, seconds: number): string =>
  `${tally.cases} cases, ${Math.round(tally.cases / Math.max(seconds, 0.001))} a second`;

function summary(tally: Tally, seconds: number): string {
  const names = Object.keys(tally.outcomes).sort();
  const accepted = names
    .filter((name) => name.includes('accepted'))
    .reduce((sum, name) => sum + tally.outcomes[name]!, 0);
  const lines = names.map((name) => `  ${name.padEnd(36)} ${tally.outcomes[name]}`);
  return [
    `${rate(tally, seconds)}, in ${seconds.toFixed(1)} s`,
    `${accepted} accepted, ${tally.cases - accepted} refused, ${tally.commands} commands executed, slowest ${tally.slowest.toFixed(1)} ms`,
    ...lines,
  ].join('\n');
}

/** The smallest case that fails as this one does, as a file. */
function smallest(campaign: Campaign, fuzzCase: FuzzCase, about: Partial<CaseFile>): CaseFile {
  const { judge } = campaign;
  const kind = judge.judge(fuzzCase).finding?.kind;
  if (kind === undefined) return toFile(fuzzCase, about);
  const least = minimise(fuzzCase, (candidate) => judge.judge(candidate).finding?.kind === kind);
  const detail = judge.judge(least).finding?.detail ?? '';
  return toFile(least, { ...about, kind, detail });
}

function keep(file: CaseFile): string {
  const folder = join(packageInfo().root, 'run', 'fuzz');
  mkdirSync(folder, { recursive: true });
  const name = join(folder, `${file.kind}-${file.seed}-${file.case}.json`);
  writeFileSync(name, `${JSON.stringify(file, null, 2)}\n`);
  return name;
}

/** @returns whether the case fails */
function minimiseFile(name: string, seed: number): boolean {
  const file = JSON.parse(readFileSync(name, 'utf8')) as CaseFile;
  const campaign = new Campaign(seed);
  const fuzzCase = fromFile(file);
  const { finding } = campaign.judge.judge(fuzzCase);
  if (finding === null) {
    console.log(`${name} passes.`);
    return false;
  }
  const { seed: of, case: number } = file;
  const about = { ...(of === undefined ? {} : { seed: of }), ...(number === undefined ? {} : { case: number }) };
  writeFileSync(name, `${JSON.stringify(smallest(campaign, fuzzCase, about), null, 2)}\n`);
  console.log(`${name}: ${finding.kind}: ${finding.detail}`);
  return true;
}

/** @returns whether the case fails */
function one(wanted: Wanted, index: number): boolean {
  const campaign = new Campaign(wanted.seed);
  const finding = campaign.run(index, 1, 1);
  const fuzzCase = campaign.make(index);
  console.log(JSON.stringify(toFile(fuzzCase), null, 2));
  console.log(summary(campaign.tally, 1));
  if (finding !== null) console.log(`${finding.kind}: ${finding.detail}`);
  return finding !== null;
}

async function main(): Promise<void> {
  const wanted = parse();
  if (wanted.minimise !== null) {
    if (minimiseFile(wanted.minimise, wanted.seed)) process.exitCode = 1;
    return;
  }
  if (wanted.case !== null) {
    if (one(wanted, wanted.case)) process.exitCode = 1;
    return;
  }
  const { seed, seconds, cases, workers } = wanted;
  const progress = (tally: Tally, passed: number): void =>
    console.log(`${passed.toFixed(0)} s: ${rate(tally, passed)}`);
  const end = await runThreads({ seed, seconds, cases, workers, progress });
  console.log(summary(end.tally, end.seconds));
  if (end.finding === null) {
    console.log('nothing found');
    return;
  }
  const { kind, detail } = end.finding;
  console.log(`FOUND in case ${end.finding.case} of seed ${seed}: ${kind}: ${detail}`);
  const file = smallest(new Campaign(seed), fromFile(end.finding.file), { kind, detail, seed, case: end.finding.case });
  console.log(`${file.detail}\nminimised in ${keep(file)}`);
  process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  if (!(error instanceof XengtError)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
}
