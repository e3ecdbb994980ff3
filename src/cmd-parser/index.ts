/**
 * cmd-parser: decides what a guest may make the GPU do. Scans privileged command streams (ring contents, workaround
 * buffers, privileged batches) against the rules in rules.ts and register-policy.ts, patches the copies that will be
 * executed, and answers with a verdict that an operator can act on.
 */
export {
  BATCH_BUDGET_COUNT,
  BATCH_BUDGET_DWORDS,
  TRACE_BUDGET_JUMPS,
  TRACE_BUDGET_PAGES,
} from './budgets.js';
export { COMMAND_POLICY, type Decision, decisionOf, TRUSTS, type Trust } from './command-policy.js';
export { decodePiece, type ReadDword } from './decode.js';
export { CMD_ACCESS, CMD_PATCH, DISCARD_REGISTER, WINDOW_DWORDS } from './register-policy.js';
export { SCAN_RULES, type ScanCode } from './rules.js';

export { Scanner } from './scanner.js';
export {
  type AddressRanges,
  type BatchInput,
  type BatchPatch,
  createScanResult,
  type DisplayFlip,
  type PerProcessBatches,
  type RootTranslator,
  type ScanInput,
  type ScanResult,
  type Segment,
  type Segments,
  type ShadowBatch,
} from './types.js';
export {
  type ContentVersions,
  type KeptStore,
  type Verdict,
  VerdictCache,
  type VerdictCacheLimits,
  type VerdictKey,
} from './verdict-cache.js';
export { CommandWalker, walk } from './walk.js';
