/**
 * The one place where it is decided who runs next, for all engines. Every engine has its queues and its policy of its own from
 * Gen8 on: contexts carry their address space, and an engine's registers change hands with the engine alone, so one vGPU may
 * render while another one's blits run. Gen7 has one address-space register set for all that it executes in the rings' mode, so
 * there all engines belong to one vGPU at a time, and the next waits until every engine is idle.
 * Source: PRM BDW Vol 7 "Execlists", PRM HSW Vol 7 "PPGTT" (PP_DIR_BASE beside the shared GAM registers).
 */
import { NEVER } from '../base/index.js';
import type { EngineId, Platform } from '../hw/index.js';
import type { SchedulingPolicy, Share } from './policy/index.js';

export interface Turns {
  add(vgpu: number, share: Share, now: number): void;
  change(vgpu: number, share: Share): void;
  remove(vgpu: number): void;
  /** A queue that was empty has work. */
  queued(vgpu: number, engine: EngineId, now: number): void;
  /** A queue is empty. */
  emptied(vgpu: number, engine: EngineId, now: number): void;
  started(vgpu: number, engine: EngineId): void;
  /** @see SchedulingPolicy.charge */
  ended(vgpu: number, engine: EngineId, ran: number, occupied: number, now: number): void;
  /** As ended(), of a workload that is not at its end. */
  brokenOff(vgpu: number, engine: EngineId, ran: number, occupied: number, now: number): void;
  /** How long the workload that is run for a vGPU may keep the engine, ns, from when it got it; NEVER while nobody is hurt. */
  mayKeep(vgpu: number, engine: EngineId, now: number): number;
  /** Whose work an idle engine takes; 0: nobody's. */
  pick(engine: EngineId, now: number): number;
  /** When an idle engine is to ask again though nothing happens until then. */
  due(engine: EngineId, now: number): number;
}

export function createTurns({ gen, engines }: Platform, policy: () => SchedulingPolicy): Turns {
  return gen === 7 ? new TogetherTurns(policy()) : new SeparateTurns(engines, policy);
}

/** Each engine by itself. */
export class SeparateTurns implements Turns {
  /** By engine. */
  readonly #policies: (SchedulingPolicy | undefined)[] = [];

  constructor(engines: readonly EngineId[], policy: () => SchedulingPolicy) {
    for (const engine of engines) this.#policies[engine] = policy();
  }

  add(vgpu: number, share: Share, now: number): void {
    for (const policy of this.#policies) policy?.add(vgpu, share, now);
  }
  change(vgpu: number, share: Share): void {
    for (const policy of this.#policies) policy?.change(vgpu, share);
  }
  remove(vgpu: number): void {
    for (const policy of this.#policies) policy?.remove(vgpu);
  }
  queued(vgpu: number, engine: EngineId, now: number): void {
    this.#policies[engine]?.ready(vgpu, now);
  }
  emptied(vgpu: number, engine: EngineId, now: number): void {
    this.#policies[engine]?.idle(vgpu, now);
  }
  started(): void {}
  ended(vgpu: number, engine: EngineId, ran: number, occupied: number, now: number): void {
    this.#policies[engine]?.charge(vgpu, ran, occupied, now);
  }
  brokenOff(vgpu: number, engine: EngineId, ran: number, occupied: number, now: number): void {
    const policy = this.#policies[engine];
    policy?.charge(vgpu, ran, occupied, now);
    // Its turn is over, and it has not been thinking.
    policy?.keepBack(vgpu);
    policy?.ready(vgpu, now);
  }
  mayKeep(vgpu: number, engine: EngineId, now: number): number {
    return this.#policies[engine]?.mayKeep(vgpu, now) ?? NEVER;
  }
  pick(engine: EngineId, now: number): number {
    return this.#policies[engine]?.pick(now) ?? 0;
  }
  due(engine: EngineId, now: number): number {
    return this.#policies[engine]?.due(now) ?? NEVER;
  }
}

/** All engines for one vGPU at a time. What is charged is the time that it kept them, however many worked. */
export class TogetherTurns implements Turns {
  readonly #policy: SchedulingPolicy;
  /** Engines with work queued, as bits, by vGPU id. */
  readonly #queued: number[] = [];
  /** Engines that run, as bits, and for whom; the time up to which their owner has paid. */
  #running = 0;
  #owner = 0;
  #chargedTo = 0;
  /** Engines on which something was queued since they were asked last. */
  #fresh = 0;

  constructor(policy: SchedulingPolicy) {
    this.#policy = policy;
  }

  add(vgpu: number, share: Share, now: number): void {
    this.#queued[vgpu] = 0;
    this.#policy.add(vgpu, share, now);
  }
  change(vgpu: number, share: Share): void {
    this.#policy.change(vgpu, share);
  }
  remove(vgpu: number): void {
    this.#queued[vgpu] = 0;
    this.#policy.remove(vgpu);
  }

  queued(vgpu: number, engine: EngineId, now: number): void {
    const before = this.#queued[vgpu] ?? 0;
    this.#queued[vgpu] = before | (1 << engine);
    this.#fresh |= 1 << engine;
    if (before === 0) this.#policy.ready(vgpu, now);
  }

  emptied(vgpu: number, engine: EngineId, now: number): void {
    const before = this.#queued[vgpu] ?? 0;
    this.#queued[vgpu] = before & ~(1 << engine);
    if (before !== 0 && this.#queued[vgpu] === 0) this.#policy.idle(vgpu, now);
  }

  started(vgpu: number, engine: EngineId): void {
    this.#owner = vgpu;
    this.#running |= 1 << engine;
  }

  ended(vgpu: number, engine: EngineId, _ran: number, _occupied: number, now: number): void {
    const kept = now - this.#chargedTo;
    this.#running &= ~(1 << engine);
    this.#chargedTo = now;
    this.#policy.charge(vgpu, kept, kept, now);
  }

  /** The generation that has its engines together does not break work off. */
  brokenOff(vgpu: number, engine: EngineId, ran: number, occupied: number, now: number): void {
    this.ended(vgpu, engine, ran, occupied, now);
  }
  mayKeep(): number {
    return NEVER;
  }

  pick(engine: EngineId, now: number): number {
    this.#fresh &= ~(1 << engine);
    const vgpu = this.#policy.pick(now);
    if (this.#running === 0) this.#chargedTo = now;
    const mayRun = this.#running === 0 || vgpu === this.#owner;
    return mayRun && ((this.#queued[vgpu] ?? 0) & (1 << engine)) !== 0 ? vgpu : 0;
  }

  due(engine: EngineId, now: number): number {
    if ((this.#fresh & (1 << engine)) !== 0) return now;
    // What waits for the owner's engines to finish is asked for when they do.
    return this.#running === 0 ? this.#policy.due(now) : NEVER;
  }
}
