/**
 * How long traps take to be answered: a sink in front of a vGPU that takes the time of one access in so many. Reading the clock
 * twice costs more than answering most traps, so few are timed; the steps are those that metrics show.
 */
import { type Clock, NS_PER_S } from '../base/index.js';
import type { PlainRegisters, Space } from '../hypervisor/index.js';
import type { Vgpu } from '../vgpu/index.js';

/** One access in this many is timed. A prime: drivers poll in rounds of even numbers, which would be timed at one place only. */
export const TRAP_SAMPLE = 61;

/** Upper ends of the steps, s. What took longer than the last is in the count alone. */
export const TRAP_STEPS: readonly number[] = [
  0.1e-6, 0.2e-6, 0.3e-6, 0.5e-6, 0.7e-6, 1e-6, 2e-6, 5e-6, 10e-6, 20e-6, 50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3,
  5e-3, 10e-3, 50e-3,
];

/** Timed traps: how many took no longer than each step, how many there were, and what they took together. */
export interface TrapTimes {
  /** As TRAP_STEPS, cumulative. */
  readonly upTo: readonly number[];
  readonly count: number;
  readonly seconds: number;
}

export const NO_TRAP_TIMES: TrapTimes = { upTo: TRAP_STEPS.map(() => 0), count: 0, seconds: 0 };

export class TimedTraps {
  #left = TRAP_SAMPLE;
  #ns = 0;
  #count = 0;
  readonly #steps = new Float64Array(TRAP_STEPS.length);
  readonly #ends = Float64Array.from(TRAP_STEPS, (end) => end * NS_PER_S);

  constructor(
    private readonly vgpu: Vgpu,
    private readonly clock: Clock,
  ) {}

  get readHi(): number {
    return this.vgpu.readHi;
  }

  get plainRegisters(): PlainRegisters {
    return this.vgpu.plainRegisters;
  }

  get busy(): boolean {
    return this.vgpu.busy;
  }

  queueFull(offset: number): boolean {
    return this.vgpu.queueFull(offset);
  }

  read(space: Space, offset: number, bytes: number): number {
    if (--this.#left > 0) return this.vgpu.read(space, offset, bytes);
    const began = this.clock.now();
    const lo = this.vgpu.read(space, offset, bytes);
    this.#took(this.clock.now() - began);
    return lo;
  }

  write(space: Space, offset: number, bytes: number, lo: number, hi: number): void {
    if (--this.#left > 0) {
      this.vgpu.write(space, offset, bytes, lo, hi);
      return;
    }
    const began = this.clock.now();
    this.vgpu.write(space, offset, bytes, lo, hi);
    this.#took(this.clock.now() - began);
  }

  readConfigBlock(offset: number, into: Uint8Array): void {
    this.vgpu.readConfigBlock(offset, into);
  }

  reset(): void {
    this.vgpu.reset();
  }

  #took(ns: number): void {
    this.#left = TRAP_SAMPLE;
    this.#ns += ns;
    this.#count++;
    for (let step = 0; step < this.#ends.length; step++) {
      if (ns > this.#ends[step]!) continue;
      this.#steps[step]!++;
      return;
    }
  }

  times(): TrapTimes {
    let sum = 0;
    const upTo = Array.from(this.#steps, (here) => {
      sum += here;
      return sum;
    });
    return { upTo, count: this.#count, seconds: this.#ns / NS_PER_S };
  }
}
