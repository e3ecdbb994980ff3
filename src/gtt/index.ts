/**
 * gtt: address-space work. What a vGPU sees of the global GTT, and shadows of per-process page
 * tables that keep the device inside the guest's own memory.
 */
export * from './ggtt-slice.js';
export * from './ports.js';
export type { ShadowAudit } from './shadow-audit.js';
export * from './shadow-directories.js';
export * from './shadow-ppgtt.js';
