/**
 * mmio: the virtual register file of one vGPU. Rows of src/hw/registers are compiled per platform into a flat policy;
 * RegisterFile applies it to a bank of dwords; handlers add what columns cannot say. Registers without a row are plain
 * storage of the vGPU, counted by offset.
 */
export * from './context.js';
export { STANDARD_HANDLERS } from './handlers/index.js';
export { compilePolicy, MMIO_DWORDS, type Policy } from './policy.js';
export { RegisterFile } from './register-file.js';
export type { UnknownRegister } from './unknown-registers.js';
