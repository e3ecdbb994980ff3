/**
 * One engine in virtual time, without device, guests or memory: the policy of the program decides, workloads are lengths. Every
 * taking up of a workload is a slice; a million of them take seconds.
 */
import { NEVER } from '../src/base/index.js';
import { type SchedulingPolicy, Waits } from '../src/scheduler/index.js';
import type { Load } from './loads.js';

export interface SimOptions {
  readonly policy: SchedulingPolicy;
  readonly loads: readonly Load[];
  /** Time that taking up a workload costs, of the same vGPU and of another than the last, ns. */
  readonly submitNs?: number;
  readonly switchNs?: number;
  /** Work is broken off when the policy says so, and goes on when its client has the engine again. Default: it is not. */
  readonly breaksOff?: boolean;
  /** Ends at so many slices or so much time, whichever comes first. */
  readonly slices?: number;
  readonly ns?: number;
  /** Length of the windows that shares are kept of, ns; default a second. */
  readonly windowNs?: number;
  /** Called when a slice has ended, before the next is chosen: what an operator does meanwhile. */
  readonly meanwhile?: (now: number) => void;
}

export interface ClientResult {
  readonly name: string;
  readonly ranNs: number;
  readonly slices: number;
  readonly waits: Waits;
  /** Time that it ran, by window. */
  readonly windows: number[];
}

export interface SimResult {
  readonly now: number;
  readonly slices: number;
  readonly idleNs: number;
  readonly switchingNs: number;
  readonly windowNs: number;
  readonly clients: readonly ClientResult[];
}

interface State {
  readonly id: number;
  readonly load: Load;
  queued: number;
  /** What is left of the first in the queue, ns; 0 where it has not begun. */
  left: number;
  /** Times at which more is submitted, soonest first. */
  readonly coming: number[];
  ranNs: number;
  slices: number;
  readonly waits: Waits;
  readonly windows: number[];
}

export function simulate(options: SimOptions): SimResult {
  const { policy, loads, submitNs = 0, switchNs = 0, windowNs = 1e9, breaksOff = false } = options;
  const last = options.slices ?? NEVER;
  const end = options.ns ?? NEVER;
  const states = loads.map(
    (load, i): State => ({
      id: i + 1,
      load,
      queued: 0,
      left: 0,
      coming: new Array<number>(load.depth).fill(0),
      ranNs: 0,
      slices: 0,
      waits: new Waits(),
      windows: [],
    }),
  );
  let now = 0;
  let slices = 0;
  let idleNs = 0;
  let switchingNs = 0;
  let owner = 0;
  let running = 0;
  for (const { id, load } of states) policy.add(id, load.share, now);

  const arrive = (): number => {
    let next = NEVER;
    for (const state of states) {
      while (state.coming.length > 0 && state.coming[0]! <= now) {
        const at = state.coming.shift()!;
        if (state.queued++ === 0) {
          policy.ready(state.id, now);
          if (state.id !== running) state.waits.begin(at);
        }
      }
      next = Math.min(next, state.coming[0] ?? NEVER);
    }
    return next;
  };

  while (slices < last && now < end) {
    const next = arrive();
    const id = policy.pick(now);
    if (id === 0) {
      const until = Math.min(end, next, Math.max(now + 1, policy.due(now)));
      if (until === NEVER) break;
      idleNs += until - now;
      now = until;
      continue;
    }
    const state = states[id - 1]!;
    state.waits.taken(now);
    if (--state.queued === 0) policy.idle(id, now);
    running = id;
    const cost = submitNs + (owner === id ? 0 : switchNs);
    owner = id;
    const wanted = state.left > 0 ? state.left : state.load.length();
    now += cost;
    const begun = now;
    // What is submitted meanwhile is there before the end, and may bring it on.
    const atEnd = begun + wanted;
    for (let until = atEnd; now < until; ) {
      const arrival = arrive();
      if (breaksOff) until = Math.min(until, Math.max(now, begun + policy.mayKeep(id, now)));
      now = Math.min(until, arrival);
    }
    arrive();
    const ran = now - begun;
    book(state.windows, begun, now, windowNs);
    running = 0;
    policy.charge(id, ran, cost + ran, now);
    state.left = now < atEnd ? atEnd - now : 0;
    if (state.left > 0) {
      state.queued++;
      policy.keepBack(id);
      policy.ready(id, now);
    } else insert(state.coming, now + state.load.think());
    if (state.queued > 0) state.waits.begin(now);
    state.ranNs += ran;
    state.slices++;
    switchingNs += cost;
    slices++;
    options.meanwhile?.(now);
  }
  const clients = states.map(({ load, ranNs, slices: count, waits, windows }) => {
    return { name: load.name, ranNs, slices: count, waits, windows };
  });
  return { now, slices, idleNs, switchingNs, windowNs, clients };
}

function insert(times: number[], time: number): void {
  let at = times.length;
  while (at > 0 && times[at - 1]! > time) at--;
  times.splice(at, 0, time);
}

/** Adds `from` to `to` to the windows that it lies in. */
function book(windows: number[], from: number, to: number, windowNs: number): void {
  while (from < to) {
    const window = Math.floor(from / windowNs);
    const until = Math.min(to, (window + 1) * windowNs);
    windows[window] = (windows[window] ?? 0) + until - from;
    from = until;
  }
}

/** Jain's index of fairness of `values`: 1 when all are equal, 1/n when one has all. */
export function jain(values: readonly number[]): number {
  const sum = values.reduce((all, value) => all + value, 0);
  const squares = values.reduce((all, value) => all + value * value, 0);
  return squares === 0 ? 1 : sum ** 2 / (values.length * squares);
}
