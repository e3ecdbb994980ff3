/**
 * Strict priority: who has work and the highest priority runs; equals share by time slices. A vGPU that has just begun goes
 * before all others for a while, so that a guest boots at the speed of the device whatever else runs.
 *
 * Strict would let a guest wait for ever, and its driver takes a wait for a hang. So whoever has waited for longer than that has
 * one workload done, whatever its priority.
 */
import { NEVER, NS_PER_S } from '../../base/index.js';
import { LEAST_STAY_NS, MOST_PRIORITY, type SchedulingPolicy, type Share } from './contract.js';
import { PERIOD_NS, TimeSlices } from './time-slices.js';

/** How long a vGPU goes before the others when it has just begun. */
export const START_BOOST_NS = 2 * NS_PER_S;
/** Longest wait of anybody. Drivers' own hang detection takes 2 s (Windows) and more (i915). */
export const STARVED_NS = 1.5 * NS_PER_S;
const BOOSTED = MOST_PRIORITY + 1;

interface Place {
  share: Share;
  coming: Share | null;
  level: number;
  boostEnd: number;
  isReady: boolean;
  /** Since when it has had work and none was done. */
  since: number;
}

export class StrictPriority implements SchedulingPolicy {
  /** By priority; those that have just begun on top. */
  readonly #levels: readonly TimeSlices[];
  readonly #period: number;
  /** By vGPU id. */
  readonly #places: (Place | undefined)[] = [];
  /** Ids in no order; a pick walks it for those that wait too long. */
  readonly #ids: number[] = [];
  #periodEnd = 0;

  constructor(periodNs = PERIOD_NS) {
    this.#period = periodNs;
    this.#levels = Array.from({ length: BOOSTED + 1 }, () => new TimeSlices(periodNs));
  }

  add(vgpu: number, share: Share, now: number): void {
    const boostEnd = now + START_BOOST_NS;
    this.#places[vgpu] = { share, coming: null, level: BOOSTED, boostEnd, isReady: false, since: NEVER };
    this.#ids.push(vgpu);
    this.#levels[BOOSTED]!.add(vgpu, share, now);
  }

  change(vgpu: number, share: Share): void {
    const place = this.#places[vgpu];
    if (place) place.coming = share;
  }

  remove(vgpu: number): void {
    const place = this.#places[vgpu];
    if (!place) return;
    this.#levels[place.level]!.remove(vgpu);
    this.#ids.splice(this.#ids.indexOf(vgpu), 1);
    this.#places[vgpu] = undefined;
  }

  ready(vgpu: number, now: number): void {
    const place = this.#places[vgpu];
    if (!place || place.isReady) return;
    place.isReady = true;
    place.since = now;
    this.#levels[place.level]!.ready(vgpu, now);
  }

  idle(vgpu: number, now: number): void {
    const place = this.#places[vgpu];
    if (!place) return;
    place.isReady = false;
    place.since = NEVER;
    this.#levels[place.level]!.idle(vgpu, now);
  }

  keepBack(vgpu: number): void {
    const place = this.#places[vgpu];
    if (!place) return;
    place.isReady = false;
    place.since = NEVER;
    this.#levels[place.level]!.keepBack(vgpu);
  }

  charge(vgpu: number, ran: number, occupied: number, now: number): void {
    const place = this.#places[vgpu];
    if (!place) return;
    if (place.isReady) place.since = now;
    this.#levels[place.level]!.charge(vgpu, ran, occupied, now);
  }

  mayKeep(vgpu: number, now: number): number {
    const place = this.#places[vgpu];
    if (!place) return NEVER;
    for (let level = BOOSTED; level > place.level; level--) if (this.#levels[level]!.wanted) return LEAST_STAY_NS;
    const starved = this.#starved(now);
    return starved !== 0 && starved !== vgpu ? LEAST_STAY_NS : this.#levels[place.level]!.mayKeep(vgpu);
  }

  pick(now: number): number {
    if (now >= this.#periodEnd) this.#newPeriod(now);
    const starved = this.#starved(now);
    if (starved !== 0) return starved;
    for (let level = BOOSTED; level >= 0; level--) {
      const slices = this.#levels[level]!;
      const vgpu = slices.pick(now);
      if (vgpu !== 0) return vgpu;
      // The engine is held for one of this level: those below wait as well.
      if (slices.due(now) !== NEVER) return 0;
    }
    return 0;
  }

  due(now: number): number {
    let due = NEVER;
    for (let level = BOOSTED; level >= 0 && due === NEVER; level--) due = this.#levels[level]!.due(now);
    return due;
  }

  #newPeriod(now: number): void {
    this.#periodEnd = now + this.#period;
    for (let i = 0; i < this.#ids.length; i++) {
      const vgpu = this.#ids[i]!;
      const place = this.#places[vgpu]!;
      if (place.coming !== null) {
        place.share = place.coming;
        place.coming = null;
        this.#levels[place.level]!.change(vgpu, place.share);
      }
      const level = now < place.boostEnd ? BOOSTED : place.share.priority;
      if (level !== place.level) this.#move(vgpu, place, level, now);
    }
  }

  #move(vgpu: number, place: Place, level: number, now: number): void {
    this.#levels[place.level]!.remove(vgpu);
    place.level = level;
    this.#levels[level]!.add(vgpu, place.share, now);
    if (place.isReady) this.#levels[level]!.ready(vgpu, now);
  }

  /** Who has waited too long, the longest first; 0 where nobody has. */
  #starved(now: number): number {
    let found = 0;
    let since = now - STARVED_NS;
    for (let i = 0; i < this.#ids.length; i++) {
      const place = this.#places[this.#ids[i]!]!;
      if (!place.isReady || place.since > since) continue;
      found = this.#ids[i]!;
      since = place.since;
    }
    return found;
  }
}
