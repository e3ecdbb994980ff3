/** base: what every layer may use. Typed refusals, time, memory by frames. Nothing here knows about GPUs. */
export * from './clock.js';
export * from './errors.js';
export * from './frames.js';
