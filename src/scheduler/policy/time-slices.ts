/**
 * Weighted time slices. A period is cut into slices by weight; a vGPU keeps the engine until its slice is used up or it has
 * nothing more to run, then the next in turn has it. Workloads are not cut short: what runs beyond the slice is a debt that the
 * next slices pay, so that shares follow the weights whatever the length of the workloads. Time that nobody else wanted is
 * nobody's debt. docs/scheduler.md proves how long nobody waits longer than.
 *
 * A driver queues its next workload when it has seen the last one end. Were the turn lost in that moment, whoever keeps one
 * workload queued would get workload for workload what everybody gets, whatever the weights. So the engine is held for the vGPU
 * whose slice is not used up, as long as it usually takes to go on, and not at all for one that takes long.
 */
import { NEVER, NS_PER_MS } from '../../base/index.js';
import { Candidates } from './candidates.js';
import { LEAST_STAY_NS, price, type SchedulingPolicy, type Share } from './contract.js';

/** Half a frame at 60 Hz: each vGPU has its turn within every frame. */
export const PERIOD_NS = 8 * NS_PER_MS;
/** The longest that an engine stands idle for a vGPU while another has work, in parts of a period. */
const HOLD_PART = 1 / 4;
/** How long it is waited for, in think times. */
const HOLD_THINKS = 4;
/** Most rounds that a debt is paid in, a second's worth: after a hang its guest is not to wait as long again. */
const MOST_ROUNDS = 125;
/** How much of the last think time goes into the average. */
const LEARN = 1 / 4;

export class TimeSlices implements SchedulingPolicy {
  readonly #all = new Candidates();
  readonly #period: number;
  readonly #longestHold: number;
  /** Whose turn it is, or was the last where it has gone; -1 before the first. */
  #at = -1;
  #gone = false;
  #periodEnd = 0;
  /** Of this turn: time run, time that the engine was kept, and what was charged for both. */
  #ran = 0;
  #kept = 0;
  #charged = 0;
  /** The engine is held for the vGPU whose turn it is since then; NEVER while it is not. */
  #heldSince = NEVER;
  #holdEnd = 0;
  /** From when on, in what runs now, nobody else is missed; and until when that was so. */
  #aloneFrom = NEVER;
  #aloneUntil = NEVER;

  constructor(periodNs = PERIOD_NS) {
    this.#period = periodNs;
    this.#longestHold = periodNs * HOLD_PART;
  }

  add(vgpu: number, share: Share, _now: number): void {
    const row = this.#all.add(vgpu, share);
    this.#all.left[row] = this.#slice(row);
    // To be waited for has to be earned.
    this.#all.think[row] = this.#period;
  }

  change(vgpu: number, share: Share): void {
    const row = this.#all.find(vgpu);
    if (row >= 0) this.#all.change(row, share);
  }

  remove(vgpu: number): void {
    const row = this.#all.find(vgpu);
    if (row < 0) return;
    if (row === this.#at) {
      // The turn goes to whoever comes after.
      this.#newTurn();
      this.#gone = true;
    }
    if (row <= this.#at) this.#at--;
    this.#all.remove(row);
  }

  ready(vgpu: number, now: number): void {
    const all = this.#all;
    const row = all.find(vgpu);
    if (row < 0 || all.isReady[row] === 1) return;
    const since = all.idleSince[row]!;
    if (since !== NEVER) all.think[row]! += LEARN * (Math.min(now - since, this.#period) - all.think[row]!);
    all.setReady(row, true);
    if (this.#has(row)) this.#endHold(now);
    else this.#aloneUntil = Math.min(this.#aloneUntil, now);
  }

  idle(vgpu: number, now: number): void {
    const all = this.#all;
    const row = all.find(vgpu);
    if (row < 0) return;
    all.setReady(row, false);
    all.idleSince[row] = now;
    all.seen[row] = now;
  }

  keepBack(vgpu: number): void {
    const all = this.#all;
    const row = all.find(vgpu);
    if (row < 0) return;
    all.setReady(row, false);
    all.idleSince[row] = NEVER;
    if (!this.#has(row)) return;
    this.#newTurn();
    this.#gone = true;
  }

  charge(vgpu: number, ran: number, occupied: number, now: number): void {
    const all = this.#all;
    const row = all.find(vgpu);
    if (row < 0) return;
    // It thinks from when its work is done.
    if (all.isReady[row] === 0) all.idleSince[row] = now;
    all.seen[row] = now;
    if (!this.#has(row)) {
      this.#take(row, price(ran, occupied));
      return;
    }
    const alone = Math.min(occupied, Math.max(0, Math.min(now, this.#aloneUntil) - this.#aloneFrom));
    if (alone > 0) {
      // Nobody was kept from anything: it is as at the beginning of its turn.
      this.#newTurn();
      all.left[row] = this.#slice(row);
    }
    this.#ran += Math.max(0, ran - alone);
    this.#pay(occupied - alone);
  }

  mayKeep(vgpu: number): number {
    const all = this.#all;
    const row = all.find(vgpu);
    if (row < 0 || all.readyCount - all.isReady[row]! === 0) return NEVER;
    return Math.max(LEAST_STAY_NS, all.left[row]!);
  }

  /** Whether anybody has work. */
  get wanted(): boolean {
    return this.#all.readyCount > 0;
  }

  pick(now: number): number {
    const all = this.#all;
    if (now >= this.#periodEnd) {
      all.applyChanges();
      this.#periodEnd = now + this.#period;
    }
    if (all.readyCount === 0) return 0;
    const at = this.#at;
    if (at >= 0 && !this.#gone && all.left[at]! > 0) {
      if (all.isReady[at] === 1) return this.#run(at, now);
      if (this.#holds(at, now)) return 0;
      // It was held for in vain, this time: what is left of the slice is not lost yet.
      if (all.think[at]! <= this.#longestHold) all.owed[at] = 1;
    }
    this.#endHold(now);
    return this.#run(this.#pass(), now);
  }

  due(now: number): number {
    const all = this.#all;
    if (all.readyCount === 0) return NEVER;
    return this.#heldSince !== NEVER && this.#holdEnd > now ? this.#holdEnd : now;
  }

  /** What the vGPU has queued is run. Others are missed for as long as the engine would be held for one of them. */
  #run(row: number, now: number): number {
    const all = this.#all;
    this.#aloneFrom = Math.max(now, all.othersSeen(row) + this.#longestHold);
    this.#aloneUntil = NEVER;
    return all.ids[row]!;
  }

  #has(row: number): boolean {
    return row === this.#at && !this.#gone;
  }

  #slice(row: number): number {
    return (this.#period * this.#all.weight[row]!) / this.#all.weights;
  }

  /** Charges the turn for time that the engine was kept, and for what was run of it. */
  #pay(kept: number): void {
    this.#kept += kept;
    const due = price(this.#ran, this.#kept);
    this.#take(this.#at, due - this.#charged);
    this.#charged = due;
  }

  #take(row: number, ns: number): void {
    const { left } = this.#all;
    left[row] = Math.max(left[row]! - ns, -MOST_ROUNDS * this.#slice(row));
  }

  /** Whether the engine waits for the vGPU whose turn it is and that has nothing queued. */
  #holds(at: number, now: number): boolean {
    if (this.#heldSince === NEVER) {
      const think = this.#all.think[at]!;
      if (think > this.#longestHold) return false;
      this.#heldSince = now;
      this.#holdEnd = now + Math.min(this.#longestHold, HOLD_THINKS * think + 1);
    }
    return now < this.#holdEnd;
  }

  #endHold(now: number): void {
    if (this.#heldSince === NEVER) return;
    // Whoever is late to look whether a hold is over, the vGPU is not.
    const held = Math.min(now, this.#holdEnd) - this.#heldSince;
    this.#heldSince = NEVER;
    this.#pay(held);
  }

  /** Gives the turn to the next that has work and credit. @returns its row */
  #pass(): number {
    const all = this.#all;
    this.#newTurn();
    this.#gone = false;
    // With everybody in debt, as many rounds pass as it takes until one is not: they are given at once.
    let rounds = NEVER;
    for (let row = 0; row < all.count; row++) {
      if (all.isReady[row] === 1) rounds = Math.min(rounds, Math.floor(-all.left[row]! / this.#slice(row)));
    }
    if (rounds > 0) {
      for (let row = 0; row < all.count; row++) {
        if (all.isReady[row] === 1) all.left[row]! += rounds * this.#slice(row);
      }
    }
    for (;;) {
      this.#at = (this.#at + 1) % all.count;
      const row = this.#at;
      // Nobody saves up: a slice is whole again when its turn comes, and more only where one was broken off.
      const most = all.owed[row] === 1 && all.isReady[row] === 1 ? 2 * this.#slice(row) : this.#slice(row);
      all.left[row] = Math.min(all.left[row]! + this.#slice(row), most);
      all.owed[row] = 0;
      if (all.left[row]! > 0 && all.isReady[row] === 1) return row;
    }
  }

  #newTurn(): void {
    this.#heldSince = NEVER;
    this.#ran = 0;
    this.#kept = 0;
    this.#charged = 0;
  }
}
