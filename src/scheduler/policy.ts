/**
 * Who runs next on one engine. Policies see ids, weights and charged time only; they hold no workload.
 *
 * The policy here is deficit round robin: a vGPU keeps the engine until its slice (weight × quantum) is used up or it has
 * nothing queued, then the next in turn runs. Time beyond the slice is a debt that the next slice pays, so that long-run
 * shares follow the weights although a workload is never cut short.
 */
import { NS_PER_MS } from '../base/index.js';

export interface SchedulingPolicy {
  add(vgpu: number, weight: number): void;
  remove(vgpu: number): void;
  /** Charges engine time to a vGPU. */
  charge(vgpu: number, ns: number): void;
  /** Picks among vGPUs with work. @returns vGPU id, or 0 when none has work */
  pick(hasWork: (vgpu: number) => boolean): number;
}

export const QUANTUM_NS = NS_PER_MS;

interface Turn {
  readonly vgpu: number;
  weight: number;
  left: number;
}

export class WeightedRoundRobin implements SchedulingPolicy {
  readonly #turns: Turn[] = [];
  #at = 0;

  constructor(private readonly quantum = QUANTUM_NS) {}

  add(vgpu: number, weight: number): void {
    this.#turns.push({ vgpu, weight, left: weight * this.quantum });
  }

  remove(vgpu: number): void {
    const index = this.#turns.findIndex((turn) => turn.vgpu === vgpu);
    if (index < 0) return;
    this.#turns.splice(index, 1);
    if (this.#at > index) this.#at--;
    if (this.#at >= this.#turns.length) this.#at = 0;
  }

  charge(vgpu: number, ns: number): void {
    const turn = this.#turns.find((candidate) => candidate.vgpu === vgpu);
    if (turn) turn.left -= ns;
  }

  pick(hasWork: (vgpu: number) => boolean): number {
    const ready = this.#turns.filter((turn) => hasWork(turn.vgpu));
    if (ready.length === 0) return 0;
    const current = this.#turns[this.#at]!;
    if (current.left > 0 && hasWork(current.vgpu)) return current.vgpu;
    // The turn passes on. Whoever is passed over while in debt gets a slice for it; with one ready vGPU in deep debt this
    // jumps straight to the round in which its debt is paid.
    const rounds = Math.min(...ready.map((turn) => Math.floor(-turn.left / (turn.weight * this.quantum))));
    if (rounds > 0) for (const turn of ready) turn.left += rounds * turn.weight * this.quantum;
    for (;;) {
      this.#at = (this.#at + 1) % this.#turns.length;
      const turn = this.#turns[this.#at]!;
      // An idle vGPU saves nothing up: its slice is whole again when it comes back, never more.
      turn.left = Math.min(turn.left + turn.weight * this.quantum, turn.weight * this.quantum);
      if (turn.left > 0 && hasWork(turn.vgpu)) return turn.vgpu;
    }
  }
}
