/**
 * Verdicts on batches that were copied and accepted, kept for the next time that the same batch is started. A verdict holds
 * for the very dwords that were judged: it is reused only when every page still has the version it was judged at, where
 * someone counts versions, or else when every dword is still the same. What is executed is the judged copy either way.
 *
 * One cache belongs to one guest. It is bounded in bytes and entries; what was kept first leaves first.
 */
import { type Frames, PAGE_SIZE } from '../base/index.js';
import type { EngineId } from '../hw/index.js';
import type { Trust } from './command-policy.js';
import type { AddressRanges, Segment, ShadowBatch } from './types.js';

/** What a batch is judged by, apart from its dwords. Two scans with the same values reach the same verdict. */
export interface VerdictKey {
  /** Which address space of the guest's: 0 is its global GTT, another number one process's, below 2^20. */
  space: number;
  address: number;
  engine: EngineId;
  trust: Trust;
  perProcess: boolean;
  hwspPage: number;
  ranges: AddressRanges;
}

/** A store of the batch into memory, in bytes, for the rule that nothing writes into a batch that runs as a copy. */
export interface KeptStore {
  readonly perProcess: boolean;
  readonly address: number;
  readonly dwords: number;
}

/** One accepted batch with all that it starts. Batches refer to each other by index within the verdict. */
export interface Verdict extends Readonly<VerdictKey> {
  readonly batches: readonly ShadowBatch[];
  /** The bytes that each batch was judged by. */
  readonly sources: readonly Buffer[];
  readonly segments: readonly Segment[];
  readonly stores: readonly KeptStore[];
  readonly commands: number;
  readonly dwords: number;
  readonly patches: number;
  readonly userInterrupts: number;
  readonly notifies: number;
  readonly unprivilegedBatches: number;
  /** Version of each page, batch after batch. Empty: nobody counts. */
  readonly versions: readonly number[];
}

/** Who counts the writes to a guest's memory: by write protection or dirty tracking. */
export interface ContentVersions {
  /** @returns a number that is never the same again once a dword of the page was written; -1 where nobody counts */
  versionOf(page: number, perProcess: boolean): number;
}

export interface VerdictCacheLimits {
  readonly entries: number;
  readonly bytes: number;
}

const DEFAULT_LIMITS: VerdictCacheLimits = { entries: 512, bytes: 8 << 20 };

export class VerdictCache {
  hits = 0;
  misses = 0;
  /** Misses that met a verdict on other dwords. */
  changed = 0;
  evictions = 0;
  bytes = 0;
  readonly versions: ContentVersions | undefined;
  readonly #limits: VerdictCacheLimits;
  /** A Map keeps the order of insertion. */
  readonly #verdicts = new Map<number, Verdict>();
  /** Slots of batches that were started once: only what comes again is worth keeping. */
  readonly #seen = new Set<number>();
  /** The guest's memory as bytes: a view is made once, because making one costs more than comparing a page. */
  #memory: ArrayBufferLike = new ArrayBuffer(0);
  #view: Buffer = Buffer.alloc(0);

  constructor(versions?: ContentVersions, limits: VerdictCacheLimits = DEFAULT_LIMITS) {
    this.versions = versions;
    this.#limits = limits;
  }

  get entries(): number {
    return this.#verdicts.size;
  }

  clear(): void {
    this.#verdicts.clear();
    this.bytes = 0;
  }

  /** @returns the verdict on these dwords, or undefined. @param memory where batches of the key's address space lie */
  find(key: VerdictKey, ggtt: Frames, process: Frames | undefined): Verdict | undefined {
    const verdict = this.#verdicts.get(slotOf(key));
    if (verdict === undefined || !judgedBy(verdict, key)) {
      this.misses++;
      return undefined;
    }
    if (!this.#isCurrent(verdict, ggtt, process)) {
      this.misses++;
      this.changed++;
      return undefined;
    }
    this.hits++;
    return verdict;
  }

  /** @returns whether a verdict on this batch should be kept: it was started before */
  isWorthKeeping(key: VerdictKey): boolean {
    const slot = slotOf(key);
    if (this.#seen.has(slot)) return true;
    if (this.#seen.size >= this.#limits.entries * 8) this.#seen.clear();
    this.#seen.add(slot);
    return false;
  }

  keep(verdict: Verdict): void {
    const slot = slotOf(verdict);
    const before = this.#verdicts.get(slot);
    if (before !== undefined) this.#drop(slot, before);
    const bytes = bytesOf(verdict);
    if (bytes > this.#limits.bytes) return;
    this.#verdicts.set(slot, verdict);
    this.bytes += bytes;
    for (const [oldest, other] of this.#verdicts) {
      if (this.bytes <= this.#limits.bytes && this.#verdicts.size <= this.#limits.entries) break;
      this.#drop(oldest, other);
      this.evictions++;
    }
  }

  #drop(slot: number, verdict: Verdict): void {
    this.#verdicts.delete(slot);
    this.bytes -= bytesOf(verdict);
  }

  #isCurrent(verdict: Verdict, ggtt: Frames, process: Frames | undefined): boolean {
    let page = 0;
    for (let i = 0; i < verdict.batches.length; i++) {
      const { sourceGmadr, perProcess } = verdict.batches[i]!;
      const frames = perProcess ? process : ggtt;
      if (frames === undefined) return false;
      const source = verdict.sources[i]!;
      for (let from = 0; from < source.length; page++) {
        const address = sourceGmadr + from;
        const bytes = Math.min(PAGE_SIZE - (address & (PAGE_SIZE - 1)), source.length - from);
        // a verdict has versions only where this cache has someone who counts
        const known = verdict.versions[page];
        const unchanged =
          known !== undefined && known === this.versions!.versionOf(Math.floor(address / PAGE_SIZE), perProcess);
        if (!unchanged && !this.#isSame(frames, address, source, from, bytes)) return false;
        from += bytes;
      }
    }
    return true;
  }

  #isSame(frames: Frames, address: number, source: Buffer, from: number, bytes: number): boolean {
    const found = frames.locate(Math.floor(address / PAGE_SIZE));
    if (found < 0) return false;
    const { words } = frames;
    if (words.buffer !== this.#memory) {
      this.#memory = words.buffer;
      this.#view = Buffer.from(words.buffer);
    }
    const first = words.byteOffset + found * 4 + (address & (PAGE_SIZE - 1));
    return this.#view.compare(source, from, from + bytes, first, first + bytes) === 0;
  }
}

/** Verdicts that share a slot take each other's place: another context's with the same address, mostly. */
const slotOf = ({ space, address, engine }: VerdictKey): number => space * 0x80000000 + address * 8 + engine;

const judgedBy = (verdict: Verdict, key: VerdictKey): boolean =>
  verdict.address === key.address &&
  verdict.space === key.space &&
  verdict.engine === key.engine &&
  verdict.trust === key.trust &&
  verdict.perProcess === key.perProcess &&
  verdict.hwspPage === key.hwspPage &&
  (verdict.ranges === key.ranges || sameRanges(verdict.ranges, key.ranges));

const sameRanges = (a: AddressRanges, b: AddressRanges): boolean =>
  a.lowStart === b.lowStart && a.lowEnd === b.lowEnd && a.highStart === b.highStart && a.highEnd === b.highEnd;

function bytesOf(verdict: Verdict): number {
  let bytes = 256;
  for (let i = 0; i < verdict.batches.length; i++) {
    bytes += verdict.sources[i]!.byteLength + verdict.batches[i]!.words.byteLength;
  }
  return bytes + verdict.stores.length * 32;
}
