/**
 * Batches that go in circles and do nothing: they wait for the CPU to overwrite a command of theirs, as test programs and some
 * drivers do. Hardware turns as fast as it can; here each turn is the host's time, so a turn is made to take longer and longer.
 */
import type { CostModel } from './cost.js';

/** A circle is one up to this many bytes. */
const LONGEST = 65536;
/** What the command streamer fetches at a time. */
const LINE_BYTES = 64;
const NOWHERE = -1;

export class IdleCircle {
  readonly #cost: CostModel;
  /** Where the last jump went, if nothing was done since. */
  #target = NOWHERE;
  #bytes = 0;
  /** How much longer the last turn was made to take. */
  #pause = 0;

  constructor(cost: CostModel) {
    this.#cost = cost;
  }

  /** Something was done. */
  leave(): void {
    this.#target = NOWHERE;
    this.#pause = 0;
  }

  /**
   * The batch jumps to `target`, back by `bytes` (or forth, where negative).
   * @returns how much longer that takes, ns
   */
  jump(target: number, bytes: number): number {
    if (target !== this.#target || bytes <= 0 || bytes > LONGEST) {
      this.#target = target;
      this.#pause = 0;
      return 0;
    }
    this.#bytes = bytes;
    const { idleLoop, idleLoopMost } = this.#cost;
    this.#pause = this.#pause === 0 ? idleLoop : Math.min(idleLoopMost, this.#pause * 2);
    return this.#pause;
  }

  /** Where an engine at `address` is seen at `time`: in a circle that pauses, at one of its lines or the other. */
  seenAt(address: number, time: number): number {
    if (this.#pause === 0 || address !== this.#target) return address;
    const lines = Math.max(1, Math.floor(this.#bytes / LINE_BYTES));
    const line = Math.floor(time / (this.#cost.noop * (LINE_BYTES / 4))) % lines;
    return address + line * LINE_BYTES;
  }
}
