/**
 * Who ran on an engine, and when: the last few thousand stretches, in a ring that is written without an allocation. Workloads of
 * one vGPU that follow each other closer than an eye could tell are one stretch.
 */
const STRETCHES = 4096;
const FIELDS = 3;
/** Pauses up to this are not shown, ns. */
const PAUSE = 100_000;

/** Stretches one after another: vGPU, start and end, ns. */
export type Stretch = readonly [vgpu: number, from: number, to: number];

export class Timeline {
  readonly #ring = new Float64Array(STRETCHES * FIELDS);
  /** Stretches noted so far. */
  #count = 0;

  /** A vGPU's workload ran from `from` to `to`; not before what was noted last. */
  note(vgpu: number, from: number, to: number): void {
    if (to <= from) return;
    const last = this.#place(this.#count - 1);
    if (this.#count > 0 && this.#ring[last] === vgpu && from - this.#ring[last + 2]! <= PAUSE) {
      this.#ring[last + 2] = to;
      return;
    }
    const at = this.#place(this.#count++);
    this.#ring[at] = vgpu;
    this.#ring[at + 1] = from;
    this.#ring[at + 2] = to;
  }

  /** Stretches that ended after `since`, the oldest first; only those that are still known. */
  after(since: number): Stretch[] {
    const out: Stretch[] = [];
    const oldest = Math.max(0, this.#count - STRETCHES);
    for (let n = this.#count - 1; n >= oldest; n--) {
      const at = this.#place(n);
      if (this.#ring[at + 2]! <= since) break;
      out.push([this.#ring[at]!, this.#ring[at + 1]!, this.#ring[at + 2]!]);
    }
    return out.reverse();
  }

  #place(n: number): number {
    return (n % STRETCHES) * FIELDS;
  }
}
