/** How much one scan may cost: every guest's stream gets a verdict within these, whatever it is made of. */

/** Dwords of batches that one scan copies at most (4 MiB), and their number. i915's own privileged batches are a page or two. */
export const BATCH_BUDGET_DWORDS = 1 << 20;
export const BATCH_BUDGET_COUNT = 256;

/** Pages (16 MiB) and jumps that are followed at most where batches are judged in place. A window ends at a page or a jump. */
export const TRACE_BUDGET_PAGES = 4096;
export const TRACE_BUDGET_JUMPS = 1024;
