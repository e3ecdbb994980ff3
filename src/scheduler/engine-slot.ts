/** One engine as the arbiter keeps it: what drives it, what runs on it, and where its time and its clients' time went. */
import type { Client } from './client.js';
import type { Prepared } from './dispatch.js';
import type { EngineDriver } from './engine-driver.js';
import type { EngineLedger } from './ledger.js';
import { NO_WAITS, type WaitStats, Waits } from './waits.js';
import { Watch } from './watch.js';
import type { Workload } from './workload.js';

export interface Running {
  readonly client: Client;
  readonly workload: Workload;
  readonly prepared: Prepared;
  readonly contextId: number;
  /** When its preparation began, of the accounts' clock. */
  readonly taken: number;
  /** It was submitted a second time, after the device lost it. */
  readonly again: boolean;
}

/** Where the time of one vGPU on one engine went, s. What is left of its life it had no work there. */
export interface EngineShare {
  readonly running: number;
  readonly switching: number;
  readonly waits: WaitStats;
}

export class EngineSlot {
  /** vGPU whose registers the engine holds. */
  owner = 0;
  running: Running | null = null;
  readonly watch = new Watch();
  /** By vGPU id. */
  readonly #waits: (Waits | undefined)[] = [];

  constructor(
    readonly driver: EngineDriver,
    readonly ledger: EngineLedger,
  ) {}

  waits(vgpu: number): Waits {
    const waits = this.#waits[vgpu] ?? new Waits();
    this.#waits[vgpu] = waits;
    return waits;
  }

  forget(vgpu: number): void {
    this.#waits[vgpu] = undefined;
  }

  share(vgpu: number, now: number): EngineShare {
    return {
      running: this.ledger.busySeconds(vgpu, now),
      switching: this.ledger.switchingSeconds(vgpu, now),
      waits: this.#waits[vgpu]?.stats(now) ?? NO_WAITS,
    };
  }
}
