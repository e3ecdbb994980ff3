/**
 * All subtests of the tests that concern this device, and the table of them. What was found is kept in the cache, test by
 * test, so that a run that takes hours can be continued and single tests can be done again.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder, projectRoot } from '../paths.js';
import { showProgress } from '../provision/index.js';
import { parseTestLog, type SubtestResult } from './log.js';
import { type IgtMachine, putsToSleep } from './machine.js';
import { INVALID, verdictOf } from './outcome.js';
import { render } from './table.js';

const FAMILIES = ['gem_', 'i915_', 'kms_', 'prime_', 'syncobj_'];
/** A test goes on behind a subtest that did not end, so many times. */
const MOST_PIECES = 3;
/** One argument of a program holds 128 KiB. */
const MOST_BYTES_OF_NAMES = 100_000;

export interface TestReport {
  readonly test: string;
  readonly results: readonly SubtestResult[];
  /** Subtests that no time was left for, the first of them; */
  readonly notRun: readonly string[];
  /** and how many more there are. */
  readonly notRunMore: number;
}

/** Some tests multiply into hundreds of thousands of subtests. */
const MOST_NAMES = 20;

export type Reports = Record<string, TestReport>;

/** What is kept: the names of all tests, and what is known of some. */
export interface Store {
  readonly tests: readonly string[];
  readonly reports: Reports;
}

function storeFile(): string {
  return join(cacheFolder(), 'igt-all.json');
}

function load(): Store {
  // Written by this file alone; a file of an older shape costs a run, not a wrong table.
  return existsSync(storeFile())
    ? (JSON.parse(readFileSync(storeFile(), 'utf8')) as Store)
    : { tests: [], reports: {} };
}

function save(store: Store): void {
  const temporary = `${storeFile()}.partial`;
  writeFileSync(temporary, JSON.stringify(store));
  renameSync(temporary, storeFile());
  writeFileSync(join(projectRoot(), 'docs/igt.md'), render(store));
}

async function runTest(machine: IgtMachine, test: string): Promise<TestReport> {
  const names = await machine.subtests(test);
  const results = new Map<string, SubtestResult>();
  let open = names;
  for (let piece = 0; piece < MOST_PIECES; piece++) {
    const chosen: string[] = [];
    let bytes = 0;
    // Those that put the machine to sleep come last, by themselves: of them nothing is known before they are over.
    const awake = open.filter((subtest) => !putsToSleep({ test, subtest }));
    for (const name of awake.length > 0 ? awake : open) {
      bytes += name.length + 1;
      if (bytes < MOST_BYTES_OF_NAMES) chosen.push(name);
    }
    const { code, log, failsafe } = await machine.runMany(
      test,
      piece === 0 && chosen.length === names.length ? [] : chosen,
    );
    const { results: found, unfinished, reason } = parseTestLog(log);
    const whole = code === null ? 'timeout' : verdictOf(code);
    for (const result of found) results.set(result.name, result);
    if (unfinished !== null) {
      const verdict = whole === 'timeout' ? 'timeout' : 'fail';
      const seconds = machine.limitSeconds;
      results.set(unfinished, { name: unfinished, verdict, seconds, reason: verdict === 'fail' ? reason : '' });
    } else if (found.length === 0) {
      // It ended before any subtest began.
      const why = code === INVALID ? 'it has no such subtest' : reason;
      for (const name of names.length === 0 ? [''] : chosen) {
        results.set(name, {
          name,
          verdict: whole,
          seconds: 0,
          reason: whole === 'skip' || whole === 'fail' ? why : '',
        });
      }
    }
    if (failsafe !== null) showProgress(`  ${test}: the vGPU is in failsafe: ${failsafe}`);
    open = names.filter((name) => !results.has(name));
    if (open.length === 0) break;
  }
  return {
    test,
    results: [...results.values()],
    notRun: open.slice(0, MOST_NAMES),
    notRunMore: Math.max(0, open.length - MOST_NAMES),
  };
}

/** Runs all tests, or those named; those that are in the store already are left out if the run is a continued one. */
export async function runAll(machine: IgtMachine, names: readonly string[], resume: boolean): Promise<Reports> {
  const all = await machine.tests(FAMILIES);
  const reports: Reports = resume || names.length > 0 ? load().reports : {};
  const wanted = (names.length > 0 ? all.filter((test) => names.includes(test)) : all).filter(
    (test) => !resume || reports[test] === undefined,
  );
  for (const [at, test] of wanted.entries()) {
    const report = await runTest(machine, test);
    reports[test] = report;
    save({ tests: all, reports });
    const count = (verdict: string) => report.results.filter((result) => result.verdict === verdict).length;
    showProgress(
      `${at + 1}/${wanted.length} ${test}: ${count('pass')} pass, ${count('fail')} fail, ${count('skip')} skip, ${count('timeout')} timeout, ${report.notRun.length + report.notRunMore} not run`,
    );
  }
  return reports;
}
