/**
 * A runner of vitest that, in place of one run, runs the chosen tests again and again in the same process: once without
 * a mutation, to see what each test reaches, then for every mutation the tests that reach it, until one fails. For every
 * mutation all modules are evaluated anew, so that nothing is left of the one before.
 */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { startTests } from '@vitest/runner';
import { type RunnerTask, type RunnerTestCase, type RunnerTestFile, TestRunner, vi } from 'vitest';
import {
  currentJob,
  type Fate,
  type FileBaseline,
  type Job,
  type Mutant,
  REPORT_FD,
  type Report,
  readSources,
} from './job.js';
import { installBoard, type Switchboard } from './switchboard.js';

/** A test that takes longer runs only for sites that it reaches itself. */
const SLOW_MS = 60;
/** Turns of loops that a mutation may add; whatever the test turns anyway comes on top, three times. */
const SPARE_TURNS = 1_000_000;
const UNLIMITED = 2 ** 30;

const allowed = (turns: number): number => turns * 3 + SPARE_TURNS;

function report(line: Report): void {
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(REPORT_FD, bytes, at);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
    }
  }
}

function testsOf(task: RunnerTask): RunnerTestCase[] {
  return task.type === 'test' ? [task] : task.tasks.flatMap(testsOf);
}

interface Ran {
  readonly test: RunnerTestCase;
  readonly index: number;
  readonly ms: number;
  readonly turns: number;
}

interface Outcome {
  readonly failed: boolean;
  readonly tests: readonly Ran[];
  readonly errors: readonly string[];
  /** Turns of loops while the file was loaded. */
  readonly loading: number;
}

export default class MutationRunner extends TestRunner {
  async onBeforeRunFiles(): Promise<void> {
    const job = currentJob();
    const sites = readSources(job.root, job.sources).reduce((sum, found) => sum + found.sites.length, 0);
    const session = new Session(this, job, installBoard(sites));
    try {
      await session.run();
    } catch (error) {
      report({ type: 'broken', reason: error instanceof Error ? (error.stack ?? error.message) : String(error) });
      throw error;
    }
  }
}

class Session {
  readonly #runner: TestRunner;
  readonly #job: Job;
  readonly #board: Switchboard;

  constructor(runner: TestRunner, job: Job, board: Switchboard) {
    this.#runner = runner;
    this.#job = job;
    this.#board = board;
  }

  async run(): Promise<void> {
    const { baseline, mutants, tests } = this.#job;
    if (baseline === undefined) {
      const files: FileBaseline[] = [];
      for (const file of tests) files.push(await this.#measure(file));
      await this.#runInARow(tests);
      report({ type: 'baseline', files });
    } else {
      const files = [...baseline].sort((a, b) => a.ms - b.ms);
      for (const mutant of mutants) {
        report({ type: 'start', mutant });
        const from = performance.now();
        const { fate, by } = await this.#try(mutant, files);
        report({ type: 'fate', mutant, fate, by, ms: performance.now() - from });
      }
    }
    report({ type: 'end' });
  }

  async #measure(file: string): Promise<FileBaseline> {
    const { passed } = this.#board;
    const listPassed = (): number[] => [...passed.keys()].filter((site) => passed[site] === 1);
    passed.fill(0);
    vi.resetModules();
    const from = performance.now();
    const all = await this.#runTests(file, () => true, UNLIMITED);
    if (all.failed) throw new Error(`${file} fails without a mutation:\n${all.errors.join('\n')}`);
    const sites = listPassed();
    const slow: FileBaseline['slow'][number][] = [];
    let ms = performance.now() - from;
    for (const { test, index, ms: long } of all.tests.filter((ran) => ran.ms > SLOW_MS)) {
      ms -= long;
      // alone, for what an earlier test has prepared would hide sites that this one needs
      passed.fill(0);
      vi.resetModules();
      const alone = await this.#runTests(file, (at) => at === index, UNLIMITED);
      if (alone.failed) throw new Error(`${file}: "${test.name}" fails alone:\n${alone.errors.join('\n')}`);
      slow.push({
        index,
        sites: listPassed(),
        ms: long,
        turns: Math.max(alone.loading, ...alone.tests.map((ran) => ran.turns)),
      });
    }
    const quick = all.tests.filter((ran) => ran.ms <= SLOW_MS);
    const turns = Math.max(all.loading, ...all.tests.map((ran) => ran.turns));
    return { file, sites, quickTests: quick.length, ms, turns, slow };
  }

  /** As for a mutation: on modules that earlier files have used. None may fail for that. */
  async #runInARow(tests: readonly string[]): Promise<void> {
    vi.resetModules();
    for (const file of tests) {
      const { failed, errors } = await this.#runTests(file, () => true, UNLIMITED);
      if (failed) throw new Error(`${file} fails after others:\n${errors.join('\n')}`);
    }
  }

  async #try(mutant: Mutant, files: FileBaseline[]): Promise<{ fate: Fate; by?: string }> {
    const board = this.#board;
    const reached = files.filter(({ sites }) => sites.includes(mutant.site));
    if (reached.length === 0) return { fate: 'not reached' };
    board.site = mutant.site;
    board.variant = mutant.variant;
    board.overrun = false;
    vi.resetModules();
    try {
      for (const known of reached) {
        const slow = new Set(known.slow.map(({ index }) => index));
        if (known.quickTests === 0) continue;
        const { failed } = await this.#runTests(known.file, (index) => !slow.has(index), allowed(known.turns));
        if (board.overrun) return { fate: 'endless', by: known.file };
        if (failed) {
          // what caught this one may well catch the next, which stands beside it
          files.splice(files.indexOf(known), 1);
          files.unshift(known);
          return { fate: 'killed', by: known.file };
        }
      }
      const longer = (mutant.quick ? [] : reached).flatMap(({ file, slow }) => slow.map((test) => ({ file, ...test })));
      for (const { file, index, turns } of longer
        .filter(({ sites }) => sites.includes(mutant.site))
        .sort((a, b) => a.ms - b.ms)) {
        const { failed } = await this.#runTests(file, (at) => at === index, allowed(turns));
        if (board.overrun) return { fate: 'endless', by: file };
        if (failed) return { fate: 'killed', by: file };
      }
      return { fate: 'survived' };
    } finally {
      board.site = -1;
    }
  }

  /** Runs the chosen tests of one file until one fails. Of the modules only that file is evaluated anew. */
  async #runTests(file: string, chosen: (index: number) => boolean, turns: number): Promise<Outcome> {
    const board = this.#board;
    const runner = this.#runner;
    const ran: Ran[] = [];
    let order = new Map<RunnerTestCase, number>();
    let failed = false;
    let loading = 0;
    let from = 0;
    // the session's own runner without its reports to vitest, which knows nothing of these runs
    const quiet: typeof runner & {
      onCollected?: (files: RunnerTestFile[]) => void;
      onTaskUpdate?: () => Promise<void>;
      onBeforeRunFiles?: () => void;
    } = Object.create(runner);
    quiet.onCollectStart = (started) => TestRunner.prototype.onCollectStart.call(runner, started);
    quiet.onCollected = (files) => {
      loading = turns - board.turns;
      order = new Map(files.flatMap(testsOf).map((test, index) => [test, index]));
      for (const [test, index] of order) if (!chosen(index)) test.mode = 'skip';
    };
    // a file of setup is one that is evaluated each time
    quiet.importFile = (path) => runner.importFile(path, 'setup');
    quiet.onTaskUpdate = async () => {};
    quiet.onBeforeRunFiles = () => {};
    quiet.onAfterRunFiles = () => {};
    quiet.onBeforeRunTask = async (test) => {
      if (failed) test.mode = 'skip';
      await runner.onBeforeRunTask(test);
      board.turns = turns;
      from = performance.now();
    };
    quiet.onAfterRunTask = (test) => {
      runner.onAfterRunTask(test);
      failed ||= test.result?.state === 'fail';
      if (test.type === 'test') {
        ran.push({ test, index: order.get(test)!, ms: performance.now() - from, turns: turns - board.turns });
      }
    };
    board.turns = turns;
    const files = await startTests([join(this.#job.root, file)], quiet);
    const tasks = files.flatMap((task) => [task, ...testsOf(task)]);
    const errors = tasks.flatMap((task) => task.result?.errors ?? []).map(({ message, stack }) => stack ?? message);
    return { failed: failed || files.some(({ result }) => result?.state === 'fail'), tests: ran, errors, loading };
  }
}
