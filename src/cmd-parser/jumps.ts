/** The jumps of one walk, to know one that was taken before from the same place with the same way back: a loop. */
import { TRACE_BUDGET_JUMPS } from './budgets.js';

const SLOTS = 2 * TRACE_BUDGET_JUMPS;
/** The product's upper bits choose the slot: batches begin on pages, so the lower ones are all alike. */
const SHIFT = 32 - Math.log2(SLOTS);

export class JumpMemory {
  readonly #from = new Float64Array(SLOTS);
  readonly #to = new Float64Array(SLOTS);
  readonly #back = new Float64Array(SLOTS);
  readonly #used = new Uint8Array(SLOTS);
  count = 0;

  clear(): void {
    if (this.count === 0) return;
    this.count = 0;
    this.#used.fill(0);
  }

  /** @returns whether this jump was taken before; the caller keeps to its budget */
  repeats(from: number, to: number, back: number): boolean {
    let slot = (Math.imul(from / 4, 0x9e3779b1) ^ Math.imul(to / 4, 0x85ebca6b)) >>> SHIFT;
    for (; this.#used[slot] === 1; slot = (slot + 1) & (SLOTS - 1)) {
      if (this.#from[slot] === from && this.#to[slot] === to && this.#back[slot] === back) return true;
    }
    this.#used[slot] = 1;
    this.#from[slot] = from;
    this.#to[slot] = to;
    this.#back[slot] = back;
    this.count++;
    return false;
  }
}
