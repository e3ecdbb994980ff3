/**
 * A workload: one submitted context with its ring range, as plain values. This is what crosses from a vGPU to the arbiter;
 * the arbiter believes none of it before it has checked it against its own record.
 */
import type { ScanCode } from '../cmd-parser/index.js';
import type { EngineId } from '../hw/index.js';

export interface Workload {
  readonly vgpu: number;
  readonly engine: EngineId;
  /** Chosen by the vGPU, given back with the result. */
  readonly tag: number;
  /** GMADR of the guest's logical ring context image. */
  readonly lrca: number;
  /** Levels of the context's PPGTT: 4 (legacy 64-bit) or 3 (legacy 32-bit). */
  readonly levels: 3 | 4;
  /** Ring offsets in bytes: commands from head up to tail, wrapping at the ring's end. */
  readonly head: number;
  readonly tail: number;
  /** Where work is submitted by rings: GMADR of the ring, and its size. It says nothing of contexts then: `lrca` is 0. */
  readonly ring?: { readonly start: number; readonly bytes: number };
}

/**
 * - rejected: the guest's driver asked for something that no driver should: the vGPU is to be taken from it
 * - dropped: it did not run to its end, for what a process of the guest did or because the engine was reset
 * - hung: it ran and made no progress, or had no end
 */
export type WorkloadResult = 'complete' | 'rejected' | 'dropped' | 'hung';

/** What the arbiter tells a vGPU. Called between guest accesses, never from within a call of the vGPU into the arbiter. */
export interface ArbiterEvents {
  /** The engine raised GT interrupts while it ran this vGPU: bits relative to the engine's event shift. */
  engineInterrupt(engine: EngineId, bits: number): void;
  /** @param rule the scanner's rule that the workload broke; empty where it broke none */
  workloadDone(engine: EngineId, tag: number, result: WorkloadResult, reason: string | null, rule: ScanCode | ''): void;
}
