/** The record of a scan from where a ring starts a batch to where it returns: what a verdict must hold to stand for it. */
import { PAGE_SIZE } from '../base/index.js';
import type { BatchPatch, ScanResult, ShadowBatch } from './types.js';
import type { KeptStore, Verdict, VerdictKey } from './verdict-cache.js';

/** Counters of a result, and how much of its lists there was when the record began. */
interface Mark {
  batches: number;
  segments: number;
  commands: number;
  dwords: number;
  patches: number;
  userInterrupts: number;
  notifies: number;
  unprivilegedBatches: number;
}

/** Each is compared with each batch whenever the verdict is used. */
const MOST_STORES = 64;

export class VerdictRecord {
  #key: VerdictKey | undefined;
  readonly #mark: Mark = {
    batches: 0,
    segments: 0,
    commands: 0,
    dwords: 0,
    patches: 0,
    userInterrupts: 0,
    notifies: 0,
    unprivilegedBatches: 0,
  };
  /** What was patched over: batch, dword, former value, in the order of patching. */
  readonly #patched: number[] = [];
  readonly #stores: KeptStore[] = [];
  readonly #versions: number[] = [];
  #kept = false;

  get isOpen(): boolean {
    return this.#key !== undefined;
  }

  /** First batch that belongs to the record. */
  get firstBatch(): number {
    return this.#mark.batches;
  }

  /** @param key copied @param commands how many were counted before */
  begin(key: VerdictKey, result: ScanResult, firstBatch: number, commands: number): void {
    const mark = this.#mark;
    mark.batches = firstBatch;
    mark.segments = result.segments.length;
    mark.commands = commands;
    mark.dwords = result.dwords;
    mark.patches = result.patches;
    mark.userInterrupts = result.userInterrupts;
    mark.notifies = result.notifies;
    mark.unprivilegedBatches = result.unprivilegedBatches;
    this.#patched.length = 0;
    this.#stores.length = 0;
    this.#versions.length = 0;
    const { space, address, engine, trust, perProcess, hwspPage, ranges } = key;
    this.#key = { space, address, engine, trust, perProcess, hwspPage, ranges };
    this.#kept = true;
  }

  /** What is going on depends on more than the dwords of the batches. */
  spoil(): void {
    this.#kept = false;
  }

  end(): void {
    this.#key = undefined;
  }

  patched(batch: number, dword: number, before: number): void {
    this.#patched.push(batch, dword, before);
  }

  stored(perProcess: boolean, address: number, dwords: number): void {
    if (this.#stores.length === MOST_STORES) this.spoil();
    else this.#stores.push({ perProcess, address, dwords });
  }

  /** A page of `batch` is about to be copied. */
  copies(batch: number, version: number): void {
    if (version < 0 || batch < this.#mark.batches) return;
    this.#versions.push(batch - this.#mark.batches, version);
  }

  /** @param commands how many commands were counted by now */
  verdict(result: ScanResult, commands: number): Verdict | undefined {
    const key = this.#key;
    if (key === undefined || !this.#kept) return undefined;
    const mark = this.#mark;
    const batches: ShadowBatch[] = [];
    const sources: Buffer[] = [];
    for (let i = mark.batches; i < result.batches.length; i++) {
      const { words, dwords, sourceGmadr, level, patchAt, perProcess: own } = result.batches[i]!;
      const kept = words.slice(0, dwords);
      const inner: ShadowBatch['patchAt'] = [];
      for (const site of patchAt) {
        if (site.batch >= mark.batches) inner.push(siteAt(site, site.batch - mark.batches));
      }
      batches.push({ words: kept, dwords, sourceGmadr, perProcess: own, level, patchAt: inner });
      sources.push(this.#source(kept, i));
    }
    // spelt out: an object that begins as a spread one is slow to read, and every start of a batch reads it
    const { space, address, engine, trust, perProcess, hwspPage, ranges } = key;
    return {
      space,
      address,
      engine,
      trust,
      perProcess,
      hwspPage,
      ranges,
      batches,
      sources,
      segments: result.segments.since(mark.segments),
      stores: [...this.#stores],
      commands: commands - mark.commands,
      dwords: result.dwords - mark.dwords,
      patches: result.patches - mark.patches,
      userInterrupts: result.userInterrupts - mark.userInterrupts,
      notifies: result.notifies - mark.notifies,
      unprivilegedBatches: result.unprivilegedBatches - mark.unprivilegedBatches,
      versions: this.#versionsOf(batches),
    };
  }

  /** The bytes of a batch as they were before anything was patched. */
  #source(kept: Uint32Array, index: number): Buffer {
    const patched = this.#patched;
    let words = kept;
    for (let i = patched.length - 3; i >= 0; i -= 3) {
      if (patched[i] !== index) continue;
      if (words === kept) words = kept.slice();
      words[patched[i + 1]!] = patched[i + 2]!;
    }
    return Buffer.from(words.buffer);
  }

  /** One version for each page that has judged dwords; none at all where a page has no count. */
  #versionsOf(batches: readonly ShadowBatch[]): number[] {
    const all: number[] = [];
    for (let i = 0; i < batches.length; i++) {
      const { sourceGmadr, dwords } = batches[i]!;
      const pages = Math.ceil(((sourceGmadr % PAGE_SIZE) + dwords * 4) / PAGE_SIZE);
      const own: number[] = [];
      for (let v = 0; v < this.#versions.length; v += 2) if (this.#versions[v] === i) own.push(this.#versions[v + 1]!);
      if (own.length < pages) return [];
      all.push(...own.slice(0, pages));
    }
    return all;
  }
}

/**
 * Adds to a result what scanning the batches again would have added. `site` is where their start must be patched.
 * Commands are the caller's to count.
 */
export function recall(verdict: Verdict, result: ScanResult, site: ShadowBatch['patchAt'][number] | undefined): void {
  const { batches, segments } = verdict;
  const first = result.batches.length;
  for (let i = 0; i < batches.length; i++) {
    // nobody jumps into a batch that is judged by itself: its sites are as they were
    if (site === undefined) {
      result.batches.push(batches[i]!);
      continue;
    }
    const { words, dwords, sourceGmadr, perProcess, level, patchAt } = batches[i]!;
    const sites: ShadowBatch['patchAt'] = [];
    if (i === 0) sites.push(site);
    for (let k = 0; k < patchAt.length; k++) sites.push(siteAt(patchAt[k]!, patchAt[k]!.batch + first));
    result.batches.push({ words, dwords, sourceGmadr, perProcess, level, patchAt: sites });
  }
  for (let i = 0; i < segments.length; i++) {
    const { start, end, kind } = segments[i]!;
    result.segments.add(start, end, kind);
  }
  result.dwords += verdict.dwords;
  result.patches += verdict.patches;
  result.userInterrupts += verdict.userInterrupts;
  result.notifies += verdict.notifies;
  result.unprivilegedBatches += verdict.unprivilegedBatches;
}

const siteAt = ({ dword, wide }: BatchPatch, batch: number): BatchPatch => ({ batch, dword, wide });
