/**
 * Caps over any policy: a vGPU is kept from it while it has had more than its part of the time. The part flows into a bucket
 * that holds little, so that a pause saves nothing up for later, and what a workload takes beyond it is a debt: over any time t a
 * vGPU of cap c has at most c·t, the bucket, and one workload (docs/scheduler.md).
 */
import { NS_PER_MS, NS_PER_S } from '../../base/index.js';
import { LEAST_STAY_NS, NO_CAP, price, type SchedulingPolicy, type Share } from './contract.js';

/** For how long a bucket takes in time that is not used: two rounds of the others' turns, in which nobody is to lose his part. */
const FILLS_NS = 16 * NS_PER_MS;
/** The most that a bucket holds: half a hundredth of a second, so that a second's part is exceeded by less than a hundredth. */
const BUCKET_MOST_NS = 5 * NS_PER_MS;

/** Longest that a vGPU is kept back, whatever its debt: its guest's driver would take a longer wait for a hang. */
const KEPT_BACK_NS = 2 * NS_PER_S;

/** @returns ns that the bucket of a vGPU with such a part of the time holds */
export function bucketNs(part: number): number {
  return Math.min(BUCKET_MOST_NS, part * FILLS_NS);
}

interface Bucket {
  /** 0 to 1; 1: no limit. */
  part: number;
  coming: number;
  /** Time that it may have now; below zero a debt. */
  level: number;
  since: number;
  isReady: boolean;
  /** The policy behind knows that it is ready. */
  passed: boolean;
}

export class Capped implements SchedulingPolicy {
  readonly #inner: SchedulingPolicy;
  readonly #period: number;
  /** By vGPU id. */
  readonly #buckets: (Bucket | undefined)[] = [];
  readonly #ids: number[] = [];
  /** Those that have work and are kept back. */
  #kept = 0;
  #periodEnd = 0;
  /** A cap is to change: whoever is kept back may be let go then. */
  #changes = false;

  constructor(inner: SchedulingPolicy, periodNs: number) {
    this.#inner = inner;
    this.#period = periodNs;
  }

  add(vgpu: number, share: Share, now: number): void {
    const part = share.cap / NO_CAP;
    this.#buckets[vgpu] = { part, coming: part, level: 0, since: now, isReady: false, passed: false };
    this.#ids.push(vgpu);
    this.#inner.add(vgpu, share, now);
  }

  change(vgpu: number, share: Share): void {
    const bucket = this.#buckets[vgpu];
    if (!bucket) return;
    bucket.coming = share.cap / NO_CAP;
    this.#changes = true;
    this.#inner.change(vgpu, share);
  }

  remove(vgpu: number): void {
    const bucket = this.#buckets[vgpu];
    if (!bucket) return;
    if (bucket.isReady && !bucket.passed) this.#kept--;
    this.#buckets[vgpu] = undefined;
    this.#ids.splice(this.#ids.indexOf(vgpu), 1);
    this.#inner.remove(vgpu);
  }

  ready(vgpu: number, now: number): void {
    const bucket = this.#buckets[vgpu];
    if (!bucket || bucket.isReady) return;
    bucket.isReady = true;
    this.#kept++;
    this.#fill(bucket, now);
    this.#letThrough(vgpu, bucket, now);
  }

  idle(vgpu: number, now: number): void {
    const bucket = this.#buckets[vgpu];
    if (!bucket) return;
    if (bucket.isReady && !bucket.passed) this.#kept--;
    bucket.isReady = false;
    bucket.passed = false;
    this.#inner.idle(vgpu, now);
  }

  keepBack(vgpu: number): void {
    const bucket = this.#buckets[vgpu];
    if (!bucket) return;
    if (bucket.isReady && !bucket.passed) this.#kept--;
    bucket.isReady = false;
    bucket.passed = false;
    this.#inner.keepBack(vgpu);
  }

  charge(vgpu: number, ran: number, occupied: number, now: number): void {
    const bucket = this.#buckets[vgpu];
    if (!bucket) return;
    this.#inner.charge(vgpu, ran, occupied, now);
    this.#fill(bucket, now);
    if (bucket.part < 1) bucket.level = Math.max(bucket.level - price(ran, occupied), -bucket.part * KEPT_BACK_NS);
    if (bucket.level >= 0 || !bucket.passed) return;
    bucket.passed = false;
    this.#kept++;
    this.#inner.keepBack(vgpu);
  }

  mayKeep(vgpu: number, now: number): number {
    const bucket = this.#buckets[vgpu];
    const others = this.#inner.mayKeep(vgpu, now);
    if (!bucket || bucket.part === 1) return others;
    // While it runs its part goes on flowing in.
    return Math.min(others, Math.max(LEAST_STAY_NS, bucket.level / (1 - bucket.part)));
  }

  pick(now: number): number {
    if (now >= this.#periodEnd) this.#newPeriod(now);
    if (this.#kept > 0) {
      for (let i = 0; i < this.#ids.length; i++) {
        const vgpu = this.#ids[i]!;
        const bucket = this.#buckets[vgpu]!;
        if (!bucket.isReady || bucket.passed) continue;
        this.#fill(bucket, now);
        this.#letThrough(vgpu, bucket, now);
      }
    }
    return this.#inner.pick(now);
  }

  due(now: number): number {
    let due = this.#inner.due(now);
    if (this.#kept === 0) return due;
    if (this.#changes) due = Math.min(due, Math.max(now, this.#periodEnd));
    for (let i = 0; i < this.#ids.length; i++) {
      const bucket = this.#buckets[this.#ids[i]!]!;
      if (bucket.isReady && !bucket.passed) due = Math.min(due, bucket.since + Math.ceil(-bucket.level / bucket.part));
    }
    return due;
  }

  #newPeriod(now: number): void {
    this.#periodEnd = now + this.#period;
    if (!this.#changes) return;
    this.#changes = false;
    for (let i = 0; i < this.#ids.length; i++) {
      const bucket = this.#buckets[this.#ids[i]!]!;
      if (bucket.coming === bucket.part) continue;
      this.#fill(bucket, now);
      bucket.part = bucket.coming;
      // Without a limit there is no debt.
      if (bucket.part === 1) bucket.level = Math.max(0, bucket.level);
    }
  }

  #fill(bucket: Bucket, now: number): void {
    const flowed = bucket.level + (now - bucket.since) * bucket.part;
    bucket.level = Math.min(flowed, bucketNs(bucket.part));
    bucket.since = now;
  }

  #letThrough(vgpu: number, bucket: Bucket, now: number): void {
    // A thousandth of a nanosecond is what adding fractions may lose.
    if (bucket.level < -1e-3) return;
    bucket.passed = true;
    this.#kept--;
    this.#inner.ready(vgpu, now);
  }
}
