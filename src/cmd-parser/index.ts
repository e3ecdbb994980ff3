/**
 * cmd-parser: decides what a guest may make the GPU do. Scans privileged command streams (ring contents, workaround
 * buffers, privileged batches) against the rules in rules.ts and register-policy.ts, patches the copies that will be
 * executed, and answers with a verdict that an operator can act on.
 */
export { CMD_ACCESS, CMD_PATCH, DISCARD_REGISTER, WINDOW_DWORDS } from './register-policy.js';
export { SCAN_RULES, type ScanCode } from './rules.js';
export { BATCH_BUDGET_COUNT, BATCH_BUDGET_DWORDS } from './scan-state.js';
export { Scanner } from './scanner.js';
export {
  type AddressRanges,
  type BatchPatch,
  createScanResult,
  type DisplayFlip,
  type RootTranslator,
  type ScanInput,
  type ScanResult,
  type ShadowBatch,
  type Trust,
} from './types.js';
export { CommandWalker, decodeLine, walk } from './walk.js';
