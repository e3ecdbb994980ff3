/** gpu/model: a register-level software GPU, an independent witness of isolation, and what work costs on it. */
export { type CostModel, DEFAULT_COST } from './cost.js';
export type { ModelCounters } from './device.js';
export { FaultyGpu } from './faults.js';
export { MAX_OWNER } from './memory.js';
export { ModelGpu, type ModelGpuOptions } from './model-gpu.js';
