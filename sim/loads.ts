/** Who loads the simulated engine, and how: clients that queue workloads of some length and think in between. */
import type { Share } from '../src/scheduler/index.js';

export interface Load {
  readonly name: string;
  readonly share: Share;
  /** Workloads kept queued. */
  readonly depth: number;
  /** Length of the next workload, ns of engine time. */
  length(): number;
  /** From the end of a workload to the submission of the next, ns. */
  think(): number;
}

/** Numbers that look random and are the same in every run (xorshift32). */
export class Dice {
  #state: number;
  constructor(seed: number) {
    this.#state = seed | 0 || 1;
  }
  /** @returns 0 up to, not including, 1 */
  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) / 2 ** 32;
  }
  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }
  /** Exponentially distributed. */
  around(mean: number): number {
    return -mean * Math.log(1 - this.next());
  }
}

export interface LoadShape {
  readonly depth?: number;
  /** Shortest and longest workload, ns. */
  readonly ns: readonly [number, number];
  /** Mean time from an end to the next submission, ns; 0: at once. */
  readonly thinkNs?: number;
}

export function syntheticLoad(name: string, share: Share, shape: LoadShape, seed: number): Load {
  const dice = new Dice(seed);
  const [low, high] = shape.ns;
  const think = shape.thinkNs ?? 0;
  return {
    name,
    share,
    depth: shape.depth ?? 2,
    length: () => dice.between(low, high),
    think: () => (think === 0 ? 0 : dice.around(think)),
  };
}

/** One recorded workload: how long it ran, and how long after the end of the one before it was submitted, ns. */
export interface RecordedWorkload {
  readonly ranNs: number;
  readonly thinkNs: number;
}

/** Plays recorded workloads again and again. */
export function recordedLoad(name: string, share: Share, recorded: readonly RecordedWorkload[]): Load {
  let at = -1;
  let thought = 0;
  return {
    name,
    share,
    depth: 1,
    length: () => {
      at = (at + 1) % recorded.length;
      return Math.max(1, recorded[at]!.ranNs);
    },
    think: () => {
      thought = (thought + 1) % recorded.length;
      return recorded[thought]!.thinkNs;
    },
  };
}
