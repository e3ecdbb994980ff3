/**
 * vgpu: a vGPU as its guest sees it, and the types and resources that vGPUs are made from. Composes the layers below; what is
 * shared it reaches through the arbiter.
 */
export type { OutputInfo, OutputSetup } from './display/index.js';
export { vgpuHandlers } from './handlers.js';
export * from './partition.js';
export * from './types.js';
export { MAX_SHADOW_PAGES, type ResetCounts, TRAP_KINDS, Vgpu, type VgpuOptions } from './vgpu.js';
export type { PageTables } from './write-tracking.js';
