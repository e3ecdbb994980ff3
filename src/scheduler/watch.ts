/**
 * Whether a workload gets on. Where the engine is (ring head, command address) and the interrupts that its commands raise, which
 * is how a driver's sequence numbers become known, are taken for progress. A long command shows none of it, and is none the
 * worse for it while nobody else wants the engine: its own guest's driver decides how long that may take. Completions whose interrupt or status entry was lost are found here as well: an engine
 * that has nothing more to do and says so is not hung.
 */
import { NS_PER_MS, NS_PER_S } from '../base/index.js';
import { RING } from '../hw/index.js';
import type { WorkDriver } from './work.js';

/** When a workload is given up. */
export interface HangLimits {
  /** How often a busy engine is looked at for progress, ns. */
  readonly checkNs: number;
  /** After how long without progress an engine that others wait for counts as hung, ns. */
  readonly stuckNs: number;
  /** Longest run of one workload, progress or not: nobody may keep the engine for ever. */
  readonly runNs: number;
}

const MI_SEMAPHORE_WAIT = 0x1c;

export const HANG_LIMITS: HangLimits = { checkNs: 100 * NS_PER_MS, stuckNs: 6 * NS_PER_S, runNs: 20 * NS_PER_S };

export const GOES_ON = 0;
/** The status buffer says that it is complete; nobody was told. */
export const COMPLETE_UNTOLD = 1;
/** The engine is idle, and the status buffer does not say why. */
export const LOST = 2;
export const STUCK = 3;
export const TOO_LONG = 4;
export type Finding = typeof GOES_ON | typeof COMPLETE_UNTOLD | typeof LOST | typeof STUCK | typeof TOO_LONG;

/** Of one workload, over all the stays on the engine that it takes. */
export class Watch {
  /** When to look next. */
  due = 0;
  /** It was taken off the engine before its end: nobody has to wait it out. */
  yields = false;
  readonly #limits: HangLimits;
  #contextId = 0;
  #started = 0;
  #progressed = 0;
  #left = 0;
  #head = -1;
  #acthd = -1;
  #acthdHi = -1;

  constructor(limits: HangLimits) {
    this.#limits = limits;
  }

  /** Ring head at the last look. */
  get head(): number {
    return Math.max(0, this.#head);
  }

  /** It is with the engine, for the first time or again. What it was not does not count. */
  begin(contextId: number, now: number): void {
    this.#contextId = contextId;
    const away = now - this.#left;
    this.#started += away;
    this.#progressed += away;
    this.due = now + this.#limits.checkNs;
  }

  /** It was taken off the engine. */
  leave(now: number): void {
    this.yields = true;
    this.#left = now;
  }

  /** The workload has raised an interrupt. */
  progressed(now: number): void {
    this.#progressed = now;
  }

  /**
   * Why it counts as a hang when its guest's driver gives it up now, in words; null for one that has hardly begun. The driver
   * knows nothing of others, who have waited for at least one look by then.
   */
  givenUp(now: number): string | null {
    const ran = now - this.#started;
    return ran >= this.#limits.checkNs ? `its driver gave it up after ${(ran / NS_PER_S).toFixed(1)} s` : null;
  }

  /** @param wanted somebody else waits for the engine: until then nobody is hurt by one that stands still, but for the limit of a run */
  look(driver: WorkDriver, now: number, wanted: boolean): Finding {
    const { checkNs, stuckNs, runNs } = this.#limits;
    this.due = now + checkNs;
    if (driver.completed(this.#contextId)) return COMPLETE_UNTOLD;
    if (driver.idle) return LOST;
    const head = driver.read(RING.HEAD);
    const acthd = driver.read(RING.ACTHD);
    const acthdHi = driver.read(RING.ACTHD_UDW);
    if (head !== this.#head || acthd !== this.#acthd || acthdHi !== this.#acthdHi) this.#progressed = now;
    this.#head = head;
    this.#acthd = acthd;
    this.#acthdHi = acthdHi;
    if (wanted && now - this.#progressed >= stuckNs) return STUCK;
    return now - this.#started >= runNs ? TOO_LONG : GOES_ON;
  }

  /** Why it is given up, in words. */
  say(finding: typeof STUCK | typeof TOO_LONG): string {
    const { stuckNs, runNs } = this.#limits;
    const what =
      finding === STUCK ? `no progress for ${stuckNs / NS_PER_S} s` : `still running after ${runNs / NS_PER_S} s`;
    return `${what} at ring head 0x${this.head.toString(16)}`;
  }
}

/** What runs waits for a semaphore. Source: PRM SKL Vol 2c "IPEHR", Vol 2a "MI_SEMAPHORE_WAIT". */
export function atSemaphore(driver: WorkDriver): boolean {
  return driver.read(RING.IPEHR) >>> 23 === MI_SEMAPHORE_WAIT;
}
