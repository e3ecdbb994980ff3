/** One engine as the arbiter keeps it: what drives it, what runs on it, and where its time and its clients' time went. */
import { NEVER, NS_PER_S } from '../base/index.js';
import type { Client } from './client.js';
import type { EngineLedger } from './ledger.js';
import { NO_WAITS, type WaitStats, Waits } from './waits.js';
import type { Watch } from './watch.js';
import type { Prepared, WorkDriver } from './work.js';
import type { Workload } from './workload.js';

export interface Running {
  readonly client: Client;
  readonly workload: Workload;
  readonly prepared: Prepared;
  readonly contextId: number;
  readonly watch: Watch;
  /** Since when the engine has it. */
  readonly since: number;
  /** When its preparation began, of the accounts' clock. */
  readonly taken: number;
  /** When it was given to the engine, of the same clock. */
  readonly submitted: number;
  /** It was submitted a second time, after the device lost it. */
  readonly again: boolean;
}

/** Taken off the engine before its end. It stays at the head of its vGPU's queue, and goes on where it was. */
export interface BrokenOff {
  readonly prepared: Prepared;
  readonly watch: Watch;
}

/** Where the time of one vGPU on one engine went, s. What is left of its life it had no work there. */
export interface EngineShare {
  readonly running: number;
  readonly switching: number;
  /** Times that the engine was handed over from another vGPU. */
  readonly switches: number;
  /** Times that its work was taken off the engine to be gone on with later. */
  readonly breaks: number;
  /** The longest that one of its workloads kept the engine, preparation included. */
  readonly longestRun: number;
  readonly waits: WaitStats;
}

export class EngineSlot {
  /** vGPU whose registers the engine holds. */
  owner = 0;
  running: Running | null = null;
  /** When what runs was asked to make room; NEVER while it was not. */
  asked = NEVER;
  /** When it is next looked whether what runs only waits. */
  peek = NEVER;
  /** Times that the engine was reset. */
  resets = 0;
  /** By vGPU id. */
  readonly #waits: (Waits | undefined)[] = [];
  /** By vGPU id. */
  readonly #switches: number[] = [];
  /** By vGPU id. */
  readonly #breaks: number[] = [];
  /** The longest that one workload kept the engine, ns, by vGPU id. */
  readonly #longest: number[] = [];

  constructor(
    readonly driver: WorkDriver,
    readonly ledger: EngineLedger,
  ) {}

  waits(vgpu: number): Waits {
    const waits = this.#waits[vgpu] ?? new Waits();
    this.#waits[vgpu] = waits;
    return waits;
  }

  /** The engine's registers are another vGPU's from now on. */
  handOver(vgpu: number): void {
    this.owner = vgpu;
    this.#switches[vgpu] = (this.#switches[vgpu] ?? 0) + 1;
  }

  /** Work of a vGPU was broken off. */
  breakOff(vgpu: number): void {
    this.#breaks[vgpu] = (this.#breaks[vgpu] ?? 0) + 1;
  }

  /** A workload kept the engine for so long, ns. */
  kept(vgpu: number, ns: number): void {
    this.#longest[vgpu] = Math.max(this.#longest[vgpu] ?? 0, ns);
  }

  forget(vgpu: number): void {
    this.#breaks[vgpu] = 0;
    this.#waits[vgpu] = undefined;
    this.#longest[vgpu] = 0;
    this.#switches[vgpu] = 0;
  }

  share(vgpu: number, now: number): EngineShare {
    return {
      running: this.ledger.busySeconds(vgpu, now),
      switching: this.ledger.switchingSeconds(vgpu, now),
      switches: this.#switches[vgpu] ?? 0,
      breaks: this.#breaks[vgpu] ?? 0,
      longestRun: (this.#longest[vgpu] ?? 0) / NS_PER_S,
      waits: this.#waits[vgpu]?.stats(now) ?? NO_WAITS,
    };
  }
}
