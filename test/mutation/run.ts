/** Tries every mutation, in several processes at once; one that hangs in spite of everything is ended and replaced. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import {
  type Fate,
  type FileBaseline,
  JOB_VARIABLE,
  type Job,
  type Mutant,
  REPORT_FD,
  type Report,
  readSources,
} from './job.js';
import { Kills } from './kills.js';
import type { Site } from './sites.js';

/** Every mutation leaves its copy of the modules behind: after so many a process has taken a few GiB, and is replaced. */
const PER_PROCESS = 200;

export interface Options {
  readonly root: string;
  /** Files to mutate and the tests that must notice, relative to the root. */
  readonly sources: readonly string[];
  readonly tests: readonly string[];
  /** Where the processes find what they are to do, relative to the root. */
  readonly folder: string;
  /** Which sites to try; all by default. */
  readonly chosen?: (site: Site) => boolean;
  /** Take only every so many-th mutation; all by default. */
  readonly sample?: number;
  /** Leave the tests that take long out. */
  readonly quick?: boolean;
  /** Which are known to survive, and count as survivors without a try; none by default. */
  readonly argued?: (site: Site, variant: number) => boolean;
  /** Where kills are remembered from run to run, relative to the root; nowhere by default. */
  readonly kills?: string;
  readonly processes: number;
  /** A process that says nothing for so long while it tries one mutation hangs. */
  readonly silenceMs: number;
  readonly progress?: (done: number, all: number, last: Tried) => void;
}

export interface Tried {
  readonly site: Site;
  readonly variant: number;
  readonly fate: Fate;
}

export interface MutationRun {
  readonly tried: readonly Tried[];
  /** Only every so many-th mutation was tried; 1: all. */
  readonly sample: number;
  readonly baseline: readonly FileBaseline[];
  readonly seconds: number;
}

export async function runMutations(options: Options): Promise<MutationRun> {
  const from = performance.now();
  const { root, sources, tests, processes, progress, chosen = () => true, sample = 1, quick = false } = options;
  const sites = readSources(root, sources).flatMap((found) => found.sites);
  const all = sites
    .filter(chosen)
    .flatMap((site) => site.variants.map((_, variant): Mutant => ({ site: site.id, variant, quick })))
    .filter((_, at) => at % sample === 0);
  const folder = join(root, options.folder);
  mkdirSync(folder, { recursive: true });
  const kills = options.kills === undefined ? undefined : new Kills(root, options.kills);
  const knownFate = (site: Site, variant: number): Fate | undefined =>
    options.argued?.(site, variant) ? 'survived' : kills?.fateOf(site, variant);
  const known = new Map(all.map((mutant) => [mutant, knownFate(sites[mutant.site]!, mutant.variant)]));
  const mutants = all.filter((mutant) => known.get(mutant) === undefined);

  const baseline: FileBaseline[] = [];
  await runProcess(
    join(folder, 'baseline.json'),
    { root, sources, tests, baseline: undefined, mutants: [] },
    options,
    (report) => {
      if (report.type === 'baseline') baseline.push(...report.files);
    },
  );

  const tried: Tried[] = [];
  for (const [{ site, variant }, fate] of known) {
    if (fate !== undefined) tried.push({ site: sites[site]!, variant, fate });
  }
  const note = ({ site, variant }: Mutant, fate: Fate, by?: string): void => {
    const last = { site: sites[site]!, variant, fate };
    tried.push(last);
    if (by !== undefined) kills?.note(last.site, variant, fate, by);
    progress?.(tried.length, all.length, last);
  };
  const shares = Array.from({ length: processes }, (_, i) => mutants.filter((_mutant, at) => at % processes === i));
  const tryAll = async (share: readonly Mutant[], name: string): Promise<void> => {
    let done = 0;
    while (done < share.length) {
      const job: Job = { root, sources, tests, baseline, mutants: share.slice(done, done + PER_PROCESS) };
      const hanging = await runProcess(join(folder, name), job, options, (report) => {
        if (report.type !== 'fate') return;
        done++;
        note(report.mutant, report.fate, report.by);
      });
      if (hanging === undefined) continue;
      done++;
      note(hanging, 'endless');
    }
  };
  await Promise.all(shares.map((share, i) => tryAll(share, `share-${i}.json`)));
  tried.sort((a, b) => a.site.id - b.site.id || a.variant - b.variant);
  return { tried, sample, baseline, seconds: (performance.now() - from) / 1000 };
}

/** @returns the mutation at which the process had to be ended, if it had to */
function runProcess(
  file: string,
  job: Job,
  { root, silenceMs }: Options,
  take: (report: Report) => void,
): Promise<Mutant | undefined> {
  writeFileSync(file, JSON.stringify(job));
  const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
  const config = join(configFolder(root), 'vitest.config.ts');
  const worker = spawn(process.execPath, [vitest, 'run', '--config', config], {
    cwd: root,
    env: { ...withoutVitest(process.env), [JOB_VARIABLE]: file },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  return follow(worker, job.baseline === undefined ? undefined : silenceMs, take);
}

/** The sources of this folder, also for the compiled form of this file. */
function configFolder(root: string): string {
  return import.meta.url.endsWith('.ts') ? import.meta.dirname : join(root, 'test', 'mutation');
}

/** A vitest that is started by a test must not believe that it is a worker of that one. */
function withoutVitest(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('VITEST')));
}

function follow(
  worker: ChildProcess,
  silenceMs: number | undefined,
  take: (report: Report) => void,
): Promise<Mutant | undefined> {
  return new Promise((resolve, reject) => {
    let current: Mutant | undefined;
    let hanging: Mutant | undefined;
    let ended = false;
    let broken = '';
    let output = '';
    let silence: NodeJS.Timeout | undefined;
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-4000);
    };
    worker.stdout?.on('data', keep);
    worker.stderr?.on('data', keep);
    createInterface({ input: worker.stdio[REPORT_FD] as Readable }).on('line', (line) => {
      const report = JSON.parse(line) as Report;
      clearTimeout(silence);
      if (report.type === 'start') {
        current = report.mutant;
        if (silenceMs !== undefined) {
          silence = setTimeout(() => {
            hanging = current;
            worker.kill('SIGKILL');
          }, silenceMs);
        }
      }
      if (report.type === 'end') ended = true;
      if (report.type === 'broken') broken = report.reason;
      take(report);
    });
    worker.on('error', reject);
    worker.on('close', () => {
      clearTimeout(silence);
      if (hanging !== undefined) resolve(hanging);
      else if (ended) resolve(undefined);
      else if (current !== undefined && broken === '')
        resolve(current); // the mutation took the process with it
      else reject(new Error(`the tests could not be run:\n${broken}\n${output}`));
    });
  });
}
