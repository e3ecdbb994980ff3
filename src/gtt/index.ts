/**
 * gtt: address-space work. What a vGPU sees of the global GTT, what the device gets of it, and shadows of per-process page
 * tables that keep the device inside the guest's own memory.
 */
export * from './ggtt-mapper.js';
export * from './ggtt-slice.js';
export * from './ports.js';
export * from './shadow-ppgtt.js';
