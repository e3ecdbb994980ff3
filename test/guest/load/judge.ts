/** What seconds of a loaded engine say of shares. */
import type { Account, Window } from './sampler.js';

/** Of a second, in which a guest must have had work for its work to count as work throughout. */
const READY = 0.99;

const NOTHING: Account = { running: 0, switching: 0, waiting: 0 };

export interface Verdict {
  /** Seconds in which all had work throughout. */
  readonly counted: number;
  /** Of those, what each had of what all ran, on average; and by how much it was off in a second at most. */
  readonly means: readonly number[];
  readonly worst: number;
  /** Of all seconds: by how much somebody who had work throughout had less than its share at most. */
  readonly shortest: number;
  /** Part of a second in which each had work, at least. */
  readonly least: readonly number[];
}

export function accountOf(window: Window, id: number): Account {
  return window.accounts.get(id) ?? NOTHING;
}

/** Part of a window in which a guest had work. */
function ready(window: Window, id: number): number {
  const { running, switching, waiting } = accountOf(window, id);
  return (running + switching + waiting) / window.seconds;
}

/** @param ids of the vGPUs that load the engine, with their weights */
export function judge(windows: readonly Window[], ids: readonly number[], weights: readonly number[]): Verdict {
  const sum = weights.reduce((all, weight) => all + weight, 0);
  const means = ids.map(() => 0);
  let counted = 0;
  let worst = 0;
  let shortest = 0;
  for (const window of windows) {
    const all = ids.reduce((whole, id) => whole + accountOf(window, id).running, 0);
    const busy = ids.map((id) => ready(window, id));
    const counts = busy.every((part) => part >= READY);
    if (counts) counted++;
    for (const [i, id] of ids.entries()) {
      const share = all === 0 ? 0 : accountOf(window, id).running / all;
      const off = share - (weights[i] ?? 0) / sum;
      const part = busy[i] ?? 0;
      // What it was idle for it may have lost by itself.
      if (part >= READY) shortest = Math.max(shortest, -off - Math.max(0, 1 - part));
      if (!counts) continue;
      means[i] = (means[i] ?? 0) + share;
      worst = Math.max(worst, Math.abs(off));
    }
  }
  return {
    counted,
    means: means.map((total) => total / Math.max(1, counted)),
    worst,
    shortest,
    least: ids.map((id) => Math.min(...windows.map((window) => ready(window, id)))),
  };
}
