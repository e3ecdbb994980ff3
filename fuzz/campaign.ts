/** A stretch of cases in one thread, and the counts that it leaves. */

import { type CaseFile, type FuzzCase, toFile } from './case.js';
import type { Escape } from './escape.js';
import { Generator } from './generate.js';
import { Judge, type ScannerFace } from './judge.js';
import { Materials } from './material.js';

/** Counts by name: outcomes are `accepted`, then how it ended; refusals are `refused`, then their code. */
export interface Tally {
  cases: number;
  commands: number;
  /** Longest case, ms. */
  slowest: number;
  readonly outcomes: Record<string, number>;
}

export interface Finding extends Escape {
  readonly seed: number;
  readonly case: number;
  readonly file: CaseFile;
}

/** A case that takes this long, ms, twice in a row, is over budget whatever it does. */
const MOST_MS = 1000;
/** Cases between two looks at everything that no case should ever change. */
const LOOK_EVERY = 1 << 14;

export const newTally = (): Tally => ({ cases: 0, commands: 0, slowest: 0, outcomes: {} });

export function addTally(to: Tally, from: Tally): void {
  to.cases += from.cases;
  to.commands += from.commands;
  to.slowest = Math.max(to.slowest, from.slowest);
  for (const [name, count] of Object.entries(from.outcomes)) to.outcomes[name] = (to.outcomes[name] ?? 0) + count;
}

export class Campaign {
  readonly generator: Generator;
  readonly judge: Judge;
  tally = newTally();
  readonly #seed: number;

  constructor(seed: number, materials = new Materials(), scanners: readonly ScannerFace[] = materials.scanners) {
    this.#seed = seed;
    this.generator = new Generator(materials);
    this.judge = new Judge(scanners, materials.otherScanners);
  }

  make(number: number): FuzzCase {
    return this.generator.make(this.#seed, number);
  }

  /** Cases `first`, `first + stride`, … as many as `count`. @returns what was found first, or null */
  run(first: number, stride: number, count: number): Finding | null {
    const { tally } = this;
    for (let i = 0; i < count; i++) {
      const number = first + i * stride;
      const began = performance.now();
      const fuzzCase = this.make(number);
      const judgement = this.judge.judge(fuzzCase);
      const took = performance.now() - began;
      if (took > tally.slowest) tally.slowest = took;
      tally.cases++;
      tally.commands += judgement.commands;
      const outcome = `${fuzzCase.trust} ${judgement.accepted ? `accepted, ${judgement.ending}` : `refused, ${judgement.code}`}`;
      tally.outcomes[outcome] = (tally.outcomes[outcome] ?? 0) + 1;
      const harm = judgement.finding ?? (took > MOST_MS ? this.#slow(fuzzCase) : null);
      const found = harm ?? (tally.cases % LOOK_EVERY === 0 ? this.judge.lookAround() : null);
      if (found !== null) return this.#finding(number, fuzzCase, found);
    }
    return null;
  }

  #slow(fuzzCase: FuzzCase): Escape | null {
    const began = performance.now();
    this.judge.judge(fuzzCase);
    const took = performance.now() - began;
    return took > MOST_MS ? { kind: 'slow', detail: `${Math.round(took)} ms` } : null;
  }

  #finding(number: number, fuzzCase: FuzzCase, { kind, detail }: Escape): Finding {
    const file = toFile(fuzzCase, { kind, detail, seed: this.#seed, case: number });
    return { kind, detail, seed: this.#seed, case: number, file };
  }
}
