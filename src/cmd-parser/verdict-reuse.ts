/** Verdicts that are used again, as one scan sees them: what was recalled, what is being recorded. */

import type { Frames } from '../base/index.js';
import type { BatchCopies } from './batch-copies.js';
import { BATCH_BUDGET_COUNT } from './budgets.js';
import type { BatchPatch, ScanResult, ShadowBatch } from './types.js';
import type { KeptStore, Verdict, VerdictCache, VerdictKey } from './verdict-cache.js';
import { recall, VerdictRecord } from './verdict-record.js';

export class VerdictReuse {
  cache: VerdictCache | undefined;
  /** What is kept of the batch that the ring started. */
  readonly record = new VerdictRecord();
  /** Commands that recalled verdicts stand for. */
  commands = 0;
  readonly key: VerdictKey = {
    space: 0,
    address: 0,
    engine: 0,
    trust: 'ring',
    perProcess: false,
    hwspPage: 0,
    ranges: { lowStart: 0, lowEnd: 0, highStart: 0, highEnd: 0 },
  };
  /** Whether the batch of the key should be recorded. */
  #worth = false;
  readonly #stores: (readonly KeptStore[])[] = [];

  begin(cache: VerdictCache | undefined): void {
    this.cache = cache;
    this.commands = 0;
    this.#worth = false;
    this.record.end();
    while (this.#stores.length > 0) this.#stores.pop();
  }

  /** Takes the kept verdict on the batch of the key. @returns whether there was one */
  recall(
    result: ScanResult,
    site: BatchPatch | undefined,
    ggtt: Frames,
    process: Frames | undefined,
    copies: BatchCopies,
  ): boolean {
    const { cache, key } = this;
    if (cache === undefined) return false;
    const verdict = cache.find(key, ggtt, process);
    if (verdict === undefined || !fits(verdict, result, copies)) {
      this.#worth = cache.isWorthKeeping(key);
      return false;
    }
    recall(verdict, result, site);
    if (verdict.stores.length > 0) this.#stores.push(verdict.stores);
    this.commands += verdict.commands;
    return true;
  }

  /** The batch of the key is entered: from here on it is recorded, if it should be. */
  open(result: ScanResult, firstBatch: number, commands: number): void {
    if (this.#worth) this.record.begin(this.key, result, firstBatch, commands);
  }

  keep(result: ScanResult, commands: number): void {
    if (!this.record.isOpen) return;
    const verdict = this.record.verdict(result, commands);
    if (verdict !== undefined) this.cache!.keep(verdict);
    this.record.end();
  }

  /** @returns the lowest address at which a recalled batch stores into `batch`, or -1 */
  firstStoreInto(batch: ShadowBatch): number {
    const { perProcess, sourceGmadr, dwords } = batch;
    let lowest = -1;
    for (let list = 0; list < this.#stores.length; list++) {
      for (const store of this.#stores[list]!) {
        if (store.perProcess !== perProcess) continue;
        const from = Math.max(store.address, sourceGmadr);
        const end = Math.min(sourceGmadr + dwords * 4, store.address + store.dwords * 4);
        if (from < end && (lowest < 0 || from < lowest)) lowest = from;
      }
    }
    return lowest;
  }
}

/**
 * Whether the batches of a verdict are new and within what one scan may have; they count from then on. A batch that the scan
 * has already is copied once, whoever starts it, so a verdict that has it as well does not fit.
 */
function fits(verdict: Verdict, result: ScanResult, copies: BatchCopies): boolean {
  const { batches } = verdict;
  const first = result.batches.length;
  if (first + batches.length > BATCH_BUDGET_COUNT) return false;
  for (let i = 0; i < batches.length; i++) if (isAmong(batches[i]!, result.batches)) return false;
  for (let i = 0; i < batches.length; i++) if (!copies.charge(batches[i]!.dwords)) return false;
  return true;
}

function isAmong(batch: ShadowBatch, known: readonly ShadowBatch[]): boolean {
  for (let i = 0; i < known.length; i++) {
    const other = known[i]!;
    if (
      other.sourceGmadr === batch.sourceGmadr &&
      other.level === batch.level &&
      other.perProcess === batch.perProcess
    ) {
      return true;
    }
  }
  return false;
}
