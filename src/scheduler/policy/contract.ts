/**
 * What a policy is asked: whose turn it is on an engine. It sees ids, shares and time, and holds no workload, so that the same
 * code decides for a device, in a simulation, and in a test.
 */

import { NS_PER_MS } from '../../base/index.js';

/** What an operator gives a vGPU of each engine. */
export interface Share {
  /** Share of the time relative to the others, 1 to 255. */
  readonly weight: number;
  /** Most of an engine's time that it may have, in percent, also while nobody else wants it; 100: no limit. */
  readonly cap: number;
  /** Who goes first where the policy goes by priority, 0 to 15, the highest first. */
  readonly priority: number;
}

export const MOST_WEIGHT = 255;
export const NO_CAP = 100;
export const MOST_PRIORITY = 15;
/** Of whom nothing else is said. */
export const PLAIN_SHARE: Share = { weight: 1, cap: NO_CAP, priority: 0 };

/**
 * One engine's policy (or that of all engines, where they change hands together). Times are ns of one clock that never runs
 * backwards. Of a vGPU that was not added every call but `add` is ignored.
 */
export interface SchedulingPolicy {
  add(vgpu: number, share: Share, now: number): void;
  /** In force from the next period on. */
  change(vgpu: number, share: Share): void;
  remove(vgpu: number): void;
  /** It has work queued that it had not before. */
  ready(vgpu: number, now: number): void;
  /** Its queue is empty. */
  idle(vgpu: number, now: number): void;
  /** It has work queued but is not to have the engine for a while: nobody waits for it. ready() ends that. */
  keepBack(vgpu: number): void;
  /**
   * Its workload is off the engine. Called for the vGPU that was picked last, and before the next pick.
   * @param ran ns that commands were executed
   * @param occupied ns that nobody else could have the engine, the time that they ran included
   */
  charge(vgpu: number, ran: number, occupied: number, now: number): void;
  /**
   * How long the vGPU that was picked last may keep the engine before what it runs is broken off, ns, from when it was picked;
   * NEVER while nobody is hurt by it. To be asked again when others have become ready.
   */
  mayKeep(vgpu: number, now: number): number;
  /** @returns whose workload is next, 0 where nobody's is */
  pick(now: number): number;
  /** When pick() may answer other than 0 though nothing happens until then; NEVER where only an event changes it. */
  due(now: number): number;
}

/** Nothing is broken off that has had the engine for less: taking a context off and bringing it back is not to be most of the work. */
export const LEAST_STAY_NS = NS_PER_MS;

/**
 * What a vGPU pays for engine time: what it ran, but at least half of what it kept the engine for. Whoever makes more switching
 * than work pays for that, which bounds how long a turn can last; for everybody else shares are shares of what was run.
 */
export function price(ran: number, occupied: number): number {
  return Math.max(ran, occupied / 2);
}
