/**
 * What is thought of a vGPU that hangs an engine. A hang that others had to wait out is a strike, whether the mediator ended it or
 * the guest's own driver; three of them within a minute are more than that driver is to be trusted with. A guest that has the engine to itself hurts nobody, and tests
 * and drivers under development do hang.
 */
import { NS_PER_S } from '../base/index.js';

export const STRIKES = 3;
export const STRIKE_WINDOW_NS = 60 * NS_PER_S;

export class Strikes {
  readonly #times: number[] = [];

  /** @returns whether that was one too many */
  strike(now: number): boolean {
    this.#times.push(now);
    if (this.#times.length > STRIKES) this.#times.shift();
    return this.#times.length === STRIKES && now - this.#times[0]! <= STRIKE_WINDOW_NS;
  }

  pardon(): void {
    this.#times.length = 0;
  }
}
