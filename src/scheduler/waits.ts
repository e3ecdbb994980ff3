/**
 * How long each vGPU's work waits for an engine: from when it is queued (or its predecessor has ended) until it is taken up.
 * Every wait is counted by its length, so that percentiles need no list of them.
 */
import { NEVER, NS_PER_S } from '../base/index.js';

/** Four steps to a doubling, from 1 us on: the last begins at 76 h. */
const STEPS_PER_DOUBLING = 4;
const FIRST_NS = 1000;
const STEPS = 152;

export interface WaitStats {
  readonly seconds: number;
  readonly count: number;
  readonly longestSeconds: number;
  /** Upper ends of the steps that half and 99 of 100 waits lie below. */
  readonly medianSeconds: number;
  readonly p99Seconds: number;
}

export const NO_WAITS: WaitStats = { seconds: 0, count: 0, longestSeconds: 0, medianSeconds: 0, p99Seconds: 0 };

export class Waits {
  #since = NEVER;
  #sum = 0;
  #count = 0;
  #longest = 0;
  readonly #steps = new Float64Array(STEPS);

  /** Work waits from now on, unless it does already. */
  begin(now: number): void {
    if (this.#since === NEVER) this.#since = now;
  }

  /** It is taken up. */
  taken(now: number): void {
    if (this.#since === NEVER) return;
    const waited = this.#add(now);
    this.#count++;
    this.#steps[stepOf(waited)]!++;
  }

  /** It waits no more, and was not taken up either. */
  given(now: number): void {
    if (this.#since !== NEVER) this.#add(now);
  }

  #add(now: number): number {
    const waited = Math.max(0, now - this.#since);
    this.#since = NEVER;
    this.#sum += waited;
    this.#longest = Math.max(this.#longest, waited);
    return waited;
  }

  /** @returns ns up to `now`, the wait that goes on included */
  total(now: number): number {
    return this.#sum + (this.#since === NEVER ? 0 : Math.max(0, now - this.#since));
  }

  stats(now: number): WaitStats {
    const open = this.#since === NEVER ? 0 : Math.max(0, now - this.#since);
    return {
      seconds: (this.#sum + open) / NS_PER_S,
      count: this.#count,
      longestSeconds: Math.max(this.#longest, open) / NS_PER_S,
      medianSeconds: this.percentile(50) / NS_PER_S,
      p99Seconds: this.percentile(99) / NS_PER_S,
    };
  }

  /** @returns ns that `percent` of all waits are not longer than, at most a fifth too many */
  percentile(percent: number): number {
    const rank = (this.#count * percent) / 100;
    let seen = 0;
    for (let step = 0; step < STEPS; step++) {
      seen += this.#steps[step]!;
      if (seen > 0 && seen >= rank) return Math.min(this.#longest, endOf(step));
    }
    return 0;
  }
}

function stepOf(ns: number): number {
  if (ns <= FIRST_NS) return 0;
  return Math.min(STEPS - 1, Math.ceil(STEPS_PER_DOUBLING * Math.log2(ns / FIRST_NS)));
}

function endOf(step: number): number {
  return FIRST_NS * 2 ** (step / STEPS_PER_DOUBLING);
}
