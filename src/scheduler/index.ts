/**
 * scheduler: who runs next, and the dispatcher that makes it run: context switch, submission, completion, hang detection,
 * reset, accounting. Its face is the arbiter; a vGPU reaches nothing shared but through it.
 */
export { Arbiter, type ArbiterOptions, type HangLimits } from './arbiter.js';
export type { ClientParts } from './client.js';
export { EngineLedger } from './ledger.js';
export { type SchedulingPolicy, WeightedRoundRobin } from './policy.js';
export type { ScanProcesses } from './process-batches.js';
export type { ScanStats } from './scan-stats.js';
export type { ArbiterEvents, Workload, WorkloadResult } from './workload.js';
