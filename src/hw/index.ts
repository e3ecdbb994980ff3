/** hw: facts about the hardware, as data. No behaviour beyond encode and decode. */
export * from './commands/index.js';
export * from './context-image.js';
export * from './display.js';
export * from './edid.js';
export * from './engines.js';
export * from './execlists.js';
export * from './interrupts.js';
export * from './pci-config.js';
export * from './platform.js';
export * from './pte.js';
export * from './pvinfo.js';
export * from './registers/index.js';
export * from './switch-registers.js';
export * from './tiling.js';
export * from './vbt.js';
export * from './vgpu-types.js';
