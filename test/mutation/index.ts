/**
 * mutate: shows what the scanner's tests are worth. Every check, bound, mask, constant and verdict code of the scanner is
 * made wrong, one at a time, and a test must fail. `npm run mutate` prints the survivors and the score;
 * `npm run mutate -- --file NAME` takes only the files whose path contains NAME, `--line N` or `--line N-M` only those
 * lines of them, `--sample N` takes every Nth mutation, `--quick` leaves out the tests that take long (most of the time of
 * a run goes into those of survivors), and `--write-docs` writes the whole run's result into docs/scanner.md.
 *
 * What a test noticed in an earlier run is not tried again while the test and all that it runs are the same; `--afresh`
 * forgets it. What has a note in equivalents.ts counts as a survivor without a try; `--doubt` tries it and names the notes
 * that say so wrongly.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { reasonOf, XengtError } from '../../src/base/index.js';
import { packageInfo } from '../../src/control/package-info.js';
import { EQUIVALENTS } from './equivalents.js';
import { forManual, forTerminal, isKilled, reasonFor, staleNotes, withSection } from './report.js';
import { runMutations } from './run.js';
import type { Site } from './sites.js';

const USAGE =
  'npm run mutate -- [--file NAME] [--line N[-M]] [--sample N] [--quick] [--jobs N] [--afresh] [--doubt] [--write-docs]';
const SOURCES = 'src/cmd-parser';
const TESTS = 'test/cmd-parser';
/** Print streams and judge nothing. */
const PRINTERS: readonly string[] = [`${SOURCES}/decode.ts`, `${SOURCES}/walk.ts`];
const TESTS_OF_PRINTERS: readonly string[] = [`${TESTS}/decode.test.ts`];
const COMPILER = 'src/hw/commands/compile.ts';
const PAGE = 'docs/scanner.md';
const FOLDER = '.cache/mutation';
const KILLS = `${FOLDER}/kills.jsonl`;
/** A mutation whose loops are cut off is over in seconds; this is for one that hangs in a library. */
const SILENCE_MS = 120_000;

interface Chosen {
  readonly file: string | undefined;
  readonly lines: readonly [number, number] | undefined;
  readonly jobs: number;
  readonly sample: number;
  readonly quick: boolean;
  readonly afresh: boolean;
  readonly doubt: boolean;
  readonly writeDocs: boolean;
}

function parse(): Chosen {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const texts = { file: text, line: text, jobs: text, sample: text };
  const flags = { quick: flag, afresh: flag, doubt: flag, 'write-docs': flag };
  let values: { [name in keyof typeof texts]?: string } & { [name in keyof typeof flags]?: boolean };
  try {
    ({ values } = parseArgs({ options: { ...texts, ...flags } }));
  } catch (cause) {
    throw new XengtError('XENGT_E_USAGE', `${reasonOf(cause)}\n${USAGE}`, { cause });
  }
  const lines = /^(\d+)(?:-(\d+))?$/.exec(values.line ?? '1');
  const jobs = Number(values.jobs ?? 2);
  const sample = Number(values.sample ?? 1);
  const count = (number: number): boolean => Number.isInteger(number) && number >= 1;
  if (lines === null || !count(jobs) || !count(sample)) throw new XengtError('XENGT_E_USAGE', USAGE);
  const writeDocs = values['write-docs'] ?? false;
  const quick = values.quick ?? false;
  if (writeDocs && (quick || values.file !== undefined || values.line !== undefined)) {
    throw new XengtError('XENGT_E_USAGE', `the page shows one whole run: --write-docs takes no part of it\n${USAGE}`);
  }
  return {
    file: values.file,
    lines: values.line === undefined ? undefined : [Number(lines[1]), Number(lines[2] ?? lines[1])],
    jobs,
    sample,
    quick,
    afresh: values.afresh ?? false,
    doubt: values.doubt ?? false,
    writeDocs,
  };
}

function filesIn(root: string, folder: string, ending: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => `${folder}/${name}`)
    .sort();
}

async function main(): Promise<void> {
  const { file, lines, jobs, sample, quick, afresh, doubt, writeDocs } = parse();
  const { root } = packageInfo();
  const sources = [...filesIn(root, SOURCES, '.ts'), COMPILER].filter(
    (name) => !PRINTERS.includes(name) && (file === undefined || name.includes(file)),
  );
  if (sources.length === 0)
    throw new XengtError('XENGT_E_USAGE', `no file of the scanner is named "${file}"\n${USAGE}`);
  const chosen = ({ line }: Site): boolean => lines === undefined || (line >= lines[0] && line <= lines[1]);
  const from = performance.now();
  if (afresh) rmSync(join(root, KILLS), { force: true });
  const run = await runMutations({
    root,
    folder: FOLDER,
    kills: KILLS,
    sources,
    tests: filesIn(root, TESTS, '.test.ts').filter((name) => !TESTS_OF_PRINTERS.includes(name)),
    chosen,
    sample,
    quick,
    argued: (site, variant) => !doubt && reasonFor({ site, variant }, EQUIVALENTS) !== undefined,
    processes: jobs,
    silenceMs: SILENCE_MS,
    progress: (done, all, last) => {
      if (done % 50 === 0) console.error(`${done} of ${all}, ${((performance.now() - from) / 1000).toFixed(0)} s`);
      if (isKilled(last.fate) || reasonFor(last, EQUIVALENTS) !== undefined) return;
      console.error(`${last.site.file}:${last.site.line}: ${last.site.variants[last.variant]!.change} [${last.fate}]`);
    },
  });
  console.log(forTerminal(run, EQUIVALENTS));
  if (doubt && file === undefined && lines === undefined && sample === 1) {
    for (const { file: where, change } of staleNotes(run, EQUIVALENTS)) {
      console.log(`test/mutation/equivalents.ts has a note on "${change}" in ${where}, but that does not survive`);
    }
  }
  if (!writeDocs) return;
  const page = join(root, PAGE);
  writeFileSync(page, withSection(readFileSync(page, 'utf8'), forManual(run, EQUIVALENTS)));
  console.log(`${PAGE} is written.`);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof XengtError)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
}
