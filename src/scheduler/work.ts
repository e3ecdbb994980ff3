/** What the engines need of work, however it is submitted: someone who makes it ready, and someone who drives an engine. */
import type { EngineId } from '../hw/index.js';
import type { Client } from './client.js';
import type { Workload } from './workload.js';

/** A workload made ready by a dispatcher; what is in it, only the dispatcher and its drivers know. */
export interface Prepared {
  /** What it needs on the device while it runs. */
  readonly batches: readonly { readonly gmadr: number }[];
}

export interface WorkDispatcher {
  /**
   * @throws XengtError XENGT_E_CONTEXT, XENGT_E_PPGTT, ScanRefusal when the guest's context, page tables or commands can not
   * be run, XENGT_E_NO_SPACE when the mediator has no memory left for the copies
   */
  prepare(client: Client, workload: Workload): Prepared;
  /**
   * A workload that was broken off is to go on: with the mappings that its guest has now. Where the platform preempts batches.
   * @throws XengtError XENGT_E_PPGTT
   */
  goOn(client: Client, prepared: Prepared): void;
  /** What was prepared, its running time counted from now on. */
  brokenOff(prepared: Prepared): Prepared;
  /** The workload is off the device: gives back what it needed there. */
  finish(client: Client, prepared: Prepared): void;
  /** How long a workload ran by the engine's own clock, ns; a tick at least. */
  ranNs(prepared: Prepared): number;
  /** Whether the engine has executed all of it. */
  ranToEnd(prepared: Prepared): boolean;
  /** Brings what the engine has changed of the guest's state back to the guest. */
  saveContext(client: Client, workload: Workload, prepared: Prepared): void;
  /** Gives back all that was allocated on behalf of a vGPU. */
  release(client: Client): void;
}

export interface WorkDriver {
  readonly engine: EngineId;
  /** Events of the engine, as bits relative to its shift, that may tell of an end. */
  readonly endBits: number;
  /** It was asked to make room, and nothing runs any more that was submitted before. */
  madeRoom: boolean;
  submit(prepared: Prepared, contextId: number): void;
  /** Takes the engine from what runs, at the next point where that may be broken off. Where the platform preempts batches. */
  makeRoom(): void;
  /** @returns whether `contextId` ran to its end */
  completed(contextId: number): boolean;
  /** Aborts whatever runs and starts anew. */
  reset(): void;
  /** Nothing runs and nothing waits. */
  readonly idle: boolean;
  /** Reads a register of this engine by its offset from the engine's base. */
  read(offset: number): number;
}

/** What is handed back must be of the kind that was handed out. */
export function own<P extends Prepared>(kind: abstract new (...parts: never[]) => P, prepared: Prepared): P {
  if (prepared instanceof kind) return prepared;
  throw new TypeError(`a workload that was prepared otherwise than as a ${kind.name}`);
}
