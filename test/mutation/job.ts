/** What a process that tries mutations is told, and what it tells. */
import { readFileSync } from 'node:fs';
import { type SourceFile, sitesOf } from './sites.js';

/** Names the file with the job, for what vitest loads in that process. */
export const JOB_VARIABLE = 'XENGT_MUTATION_JOB';
/** The pipe of the reports. */
export const REPORT_FD = 3;

export interface Mutant {
  readonly site: number;
  readonly variant: number;
  /** Leave the tests that take long out: a survivor then costs no more than the others. */
  readonly quick: boolean;
}

/** What the tests do without a mutation. */
export interface FileBaseline {
  readonly file: string;
  /** Sites that are passed when the file runs. */
  readonly sites: readonly number[];
  readonly quickTests: number;
  readonly ms: number;
  /** Most turns of loops of one of its quick tests, or of loading it. */
  readonly turns: number;
  /** Tests that take long, each alone: run only for a site that they pass. */
  readonly slow: readonly {
    readonly index: number;
    readonly sites: readonly number[];
    readonly ms: number;
    readonly turns: number;
  }[];
}

export interface Job {
  readonly root: string;
  readonly sources: readonly string[];
  readonly tests: readonly string[];
  /** undefined: measure it and stop. */
  readonly baseline: readonly FileBaseline[] | undefined;
  readonly mutants: readonly Mutant[];
}

export type Fate = 'killed' | 'endless' | 'survived' | 'not reached';

export type Report =
  | { readonly type: 'baseline'; readonly files: readonly FileBaseline[] }
  | { readonly type: 'start'; readonly mutant: Mutant }
  | {
      readonly type: 'fate';
      readonly mutant: Mutant;
      readonly fate: Fate;
      /** The test file that noticed. */
      readonly by: string | undefined;
      readonly ms: number;
    }
  | { readonly type: 'broken'; readonly reason: string }
  | { readonly type: 'end' };

export function currentJob(): Job {
  const file = process.env[JOB_VARIABLE];
  if (file === undefined) throw new Error(`${JOB_VARIABLE} names no job`);
  return JSON.parse(readFileSync(file, 'utf8')) as Job;
}

/** All files with their sites, numbered through. Every process that reads the same files comes to the same numbers. */
export function readSources(root: string, sources: readonly string[]): SourceFile[] {
  let first = 0;
  return sources.map((file) => {
    const found = sitesOf(readFileSync(`${root}/${file}`, 'utf8'), file, first);
    first += found.sites.length;
    return found;
  });
}
