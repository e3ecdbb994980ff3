/**
 * The shadow tables of one vGPU: one page of device-visible entries for each guest table page and use of it, counted by
 * the entries and roots that point there, so that tables which the guest shares (i915 points all unused entries at one
 * scratch table per level) are shadowed once. This file owns pages and counts; what goes into them is ShadowPpgtt's.
 */
import { PAGE_DWORDS, XengtError } from '../base/index.js';
import { frameHi, frameLo, LEVEL, PTE_PRESENT, PTE_RW, TABLE_ENTRIES, TABLE_FORMATS } from '../hw/index.js';
import type { PagePool, TablePages, TrackingStrategy } from './ports.js';

/** What a guest page is used as. One page may serve as a table of 4 KiB entries and as one of 64 KiB entries. */
export const KIND = { PT: 0, PT64K: 1, PD: 2, PDP: 3, PML4: 4 } as const;
export type Kind = 0 | 1 | 2 | 3 | 4;
const KIND_LEVEL: readonly number[] = [LEVEL.PT, LEVEL.PT, LEVEL.PD, LEVEL.PDP, LEVEL.PML4];

/** A guest frame that is shadowed as something. */
export interface GuestTablePage {
  readonly gfn: number;
  /** Shadows by kind. */
  readonly tables: (ShadowTable | null)[];
  users: number;
  /** Writes are noticed: compare only when `version` has moved. */
  tracked: boolean;
  version: number;
  /** The last pass that came by, and the level it came by at. */
  seenPass: number;
  seenLevel: number;
}

export class ShadowTable {
  refs = 1;
  /** The last pass that visited it. */
  pass = 0;
  /** Version of the guest page that `copy` agrees with. */
  syncedVersion = -1;
  readonly level: number;
  readonly pages: TablePages;
  /** The guest's entries that the shadow stands for; null in a table that only splits a large entry. */
  readonly copy: Uint32Array | null;
  /** The same memory as bytes. */
  readonly copyBytes: Buffer | null;
  /** Tables that entries point to; null at the lowest level. */
  readonly children: (ShadowTable | null)[] | null;

  constructor(
    readonly kind: Kind,
    readonly source: GuestTablePage | null,
    pages: TablePages,
  ) {
    this.level = KIND_LEVEL[kind]!;
    this.pages = pages;
    this.copy = source === null ? null : new Uint32Array(PAGE_DWORDS);
    this.copyBytes = this.copy && Buffer.from(this.copy.buffer);
    this.children = this.level === LEVEL.PT ? null : new Array<ShadowTable | null>(TABLE_ENTRIES).fill(null);
  }

  /**
   * Writes a shadow entry. The device may be walking the table: an entry whose halves both change goes through
   * not-present, for half an old and half a new address would be a frame of anyone's.
   */
  set(index: number, lo: number, hi: number): void {
    const words = this.pages.words;
    const at = this.pages.at + index * 2;
    if (words[at + 1] !== hi) {
      words[at] = 0;
      words[at + 1] = hi;
    }
    words[at] = lo;
  }
}

export interface ShadowTablesOptions {
  readonly pool: PagePool;
  readonly strategy: TrackingStrategy;
  /** Most pages that one guest may make the mediator hold, scratch included. */
  readonly maxPages: number;
}

export class ShadowTables {
  /** Pages held now, scratch included. */
  pagesHeld = 0;
  /** Machine frame of the scratch at each level: the page (0), then the tables of level 1 to 3 that lead to it. */
  readonly scratch: readonly number[];
  readonly #options: ShadowTablesOptions;
  readonly #scratchPages: TablePages[] = [];
  readonly #bySource = new Map<number, GuestTablePage>();
  /** Walks that are under way, oldest first, by number. */
  readonly #holds: number[] = [];
  #lastHold = 0;
  /**
   * Pages out of use that the device may still have on its way: it caches upper entries, so a table unlinked during a walk
   * must not become another guest's table before that walk has ended. Oldest first.
   */
  readonly #retired: { readonly pages: TablePages; readonly after: number }[] = [];
  /** Entry that leads to scratch, by the level of the table it stands in. */
  readonly #scratchLo: number[] = [0];
  readonly #scratchHi: number[] = [0];

  constructor(options: ShadowTablesOptions) {
    this.#options = options;
    try {
      for (let level = 0; level <= LEVEL.PDP; level++) {
        const pages = this.#allocate();
        this.#scratchPages.push(pages);
        this.#scratchLo.push((frameLo(pages.mfn) | PTE_PRESENT | PTE_RW) >>> 0);
        this.#scratchHi.push(frameHi(pages.mfn));
        if (level > 0) this.#fillScratch(pages, level);
      }
    } catch (error) {
      this.freeScratch();
      throw error;
    }
    this.scratch = this.#scratchPages.map((pages) => pages.mfn);
  }

  /** Guest pages that are shadowed now. */
  get sources(): number {
    return this.#bySource.size;
  }

  #allocate(): TablePages {
    const { pool, maxPages } = this.#options;
    if (this.pagesHeld >= maxPages) {
      throw new XengtError('XENGT_E_PPGTT', `the guest's page tables need more than ${maxPages} shadow pages`);
    }
    const pages = pool.allocate(1);
    this.pagesHeld++;
    return pages;
  }

  /** Gives a page back at once when the device walks nothing, else after everything that it walks now. */
  #free(pages: TablePages): void {
    if (this.#holds.length > 0) {
      this.#retired.push({ pages, after: this.#lastHold });
      return;
    }
    this.#options.pool.free(pages);
    this.pagesHeld--;
  }

  /** The device begins to walk some of the tables. @returns what to drop when it has ended */
  hold(): number {
    this.#holds.push(++this.#lastHold);
    return this.#lastHold;
  }

  drop(hold: number): void {
    this.#holds.splice(this.#holds.indexOf(hold), 1);
    const oldest = this.#holds[0] ?? Number.POSITIVE_INFINITY;
    while (this.#retired.length > 0 && this.#retired[0]!.after < oldest) {
      this.#options.pool.free(this.#retired.shift()!.pages);
      this.pagesHeld--;
    }
  }

  #fillScratch(pages: TablePages, level: number): void {
    const lo = this.#scratchLo[level]!;
    const hi = this.#scratchHi[level]!;
    for (let at = pages.at; at < pages.at + PAGE_DWORDS; at += 2) {
      pages.words[at] = lo;
      pages.words[at + 1] = hi;
    }
  }

  /** Makes an entry lead to scratch. */
  setScratch(table: ShadowTable, index: number): void {
    table.set(index, this.#scratchLo[table.level]!, this.#scratchHi[table.level]!);
  }

  /**
   * The shadow of guest frame `gfn` used as `kind`, with one more reference; a new one leads to scratch everywhere.
   * @throws XengtError XENGT_E_PPGTT beyond the bound, XENGT_E_NO_SPACE when the pool is exhausted
   */
  acquire(gfn: number, kind: Kind): ShadowTable {
    const known = this.#bySource.get(gfn);
    const existing = known?.tables[kind];
    if (existing != null) {
      existing.refs++;
      return existing;
    }
    const pages = this.#allocate();
    const source = known ?? this.#newSource(gfn);
    const table = new ShadowTable(kind, source, pages);
    this.#fillScratch(pages, table.level);
    source.tables[kind] = table;
    source.users++;
    return table;
  }

  #newSource(gfn: number): GuestTablePage {
    const tracked = this.#options.strategy.track(gfn);
    const tables = [null, null, null, null, null];
    const source = { gfn, tables, users: 0, tracked, version: 0, seenPass: 0, seenLevel: 0 };
    this.#bySource.set(gfn, source);
    return source;
  }

  /** A table of 4 KiB entries for one large guest entry, with one reference. It shadows no guest page. */
  acquireSplit(): ShadowTable {
    return new ShadowTable(KIND.PT, null, this.#allocate());
  }

  /** Drops a reference; with the last one goes the table, and its references to others. */
  release(table: ShadowTable): void {
    if (--table.refs > 0) return;
    this.#releaseChildren(table);
    const { source } = table;
    if (source !== null) {
      source.tables[table.kind] = null;
      if (--source.users === 0) {
        this.#bySource.delete(source.gfn);
        if (source.tracked) this.#options.strategy.untrack(source.gfn);
      }
    }
    this.#free(table.pages);
  }

  #releaseChildren(table: ShadowTable): void {
    const { children } = table;
    if (children === null) return;
    for (let index = 0; index < children.length; index++) {
      const child = children[index]!;
      if (child === null) continue;
      children[index] = null;
      this.release(child);
    }
  }

  /** Puts a table back to how it was made: scratch everywhere, nothing copied, nothing below. */
  clear(table: ShadowTable): void {
    this.#fillScratch(table.pages, table.level);
    this.#releaseChildren(table);
    table.copy?.fill(0);
    table.syncedVersion = -1;
  }

  /** Gives the scratch back. All tables must have been released. */
  freeScratch(): void {
    for (const pages of this.#scratchPages.splice(0)) this.#free(pages);
  }
}

/** Name of a level for messages. */
export function tableName(level: number): string {
  return TABLE_FORMATS[level]!.table;
}
