/**
 * scheduler: who runs next, and the dispatcher that makes it run: context switch, submission, completion, hang detection,
 * reset, accounting. Its face is the arbiter; a vGPU reaches nothing shared but through it. The policies stand by themselves,
 * so that a simulation can be run on them.
 */
export { Arbiter, type ArbiterOptions } from './arbiter.js';
export type { ClientParts, CopiedBytes } from './client.js';
export { MOST_SHADOWS } from './context-shadows.js';
export type { EngineShare } from './engine-slot.js';
export type { DeviceFaults } from './engines.js';
export { EngineLedger } from './ledger.js';
export * from './policy/index.js';
export type { ScanProcesses } from './process-batches.js';
export type { ScanStats } from './scan-stats.js';
export { STRIKE_WINDOW_NS, STRIKES, Strikes } from './strikes.js';
export { type Stretch, Timeline } from './timeline.js';
export { createTurns, SeparateTurns, TogetherTurns, type Turns } from './turns.js';
export { type WaitStats, Waits } from './waits.js';
export { HANG_LIMITS, type HangLimits } from './watch.js';
export type { ArbiterEvents, Workload, WorkloadResult } from './workload.js';
