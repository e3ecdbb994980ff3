/** Time as the core sees it: nanoseconds since the mediator started, monotonic, exact below 2^53 (104 days). */
export interface Clock {
  now(): number;
}

export const NS_PER_MS = 1_000_000;
export const NS_PER_S = 1_000_000_000;

/** "Nothing is due": later than every time. */
export const NEVER = Number.POSITIVE_INFINITY;

/** Time that moves only when told to: for tests and replay. */
export class VirtualClock implements Clock {
  #now = 0;
  now(): number {
    return this.#now;
  }
  /** Moves to `ns`; time never runs backwards. */
  set(ns: number): void {
    if (ns > this.#now) this.#now = ns;
  }
  advance(ns: number): void {
    this.#now += ns;
  }
}

/** The machine's monotonic clock, from zero at construction. */
export class MonotonicClock implements Clock {
  readonly #start = process.hrtime();
  now(): number {
    const [s, ns] = process.hrtime(this.#start);
    return s * NS_PER_S + ns;
  }
}
