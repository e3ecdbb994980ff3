/**
 * Shadows of a Haswell guest's per-process address spaces: a directory is 512 entries of the guest's global GTT, each naming
 * a page table of 1024 entries of 32 bits. Before work runs, `sync` compares the tables that a directory reaches with what they
 * held the last time, and carries over what changed, guest frames turned into machine frames. The device is given directories
 * of the mediator's own, so that it walks nothing but shadows, and what a guest keeps in its GGTT entries stays a mapping.
 *
 * A table is shadowed once, in however many directories it stands: drivers fill theirs with one table for what is not there.
 */
import { type Frames, type GuestMemory, PAGE_DWORDS, XengtError } from '../base/index.js';
import {
  GEN7_DIRECTORY_ENTRIES,
  GEN7_PTE_VALID,
  GEN7_TABLE_ENTRIES,
  gen7FrameOf,
  gen7Pde,
  gen7Pte,
} from '../hw/index.js';
import { PageComparer } from './page-compare.js';
import type { PagePool, TablePages } from './ports.js';

/** Where a shadow directory's entries are in the device's GGTT, and how they get there. */
export interface DirectorySlots {
  /** @returns first of 512 entries, aligned as PP_DIR_BASE wants it. @throws XengtError XENGT_E_NO_SPACE */
  take(): number;
  give(first: number): void;
  write(entry: number, pde: number): void;
}

export interface ShadowDirectoriesOptions {
  readonly guest: GuestMemory;
  readonly pool: PagePool;
  readonly slots: DirectorySlots;
  /** Frame of the guest's memory behind an entry of its GGTT, -1 where there is none. */
  gfnOfEntry(entry: number): number;
  /** Most pages that this guest may cause. */
  readonly maxShadowPages: number;
}

/** Directories of one guest that are kept; a driver that has more of them loads one that was not used for longest anew. */
export const MOST_DIRECTORIES = 16;

class Table {
  readonly copy = new Uint32Array(PAGE_DWORDS);
  readonly copyBytes = Buffer.from(this.copy.buffer);
  /** The pass in which it was compared last, and in which a directory had it last. */
  pass = 0;
  constructor(
    readonly gfn: number,
    readonly shadow: TablePages,
  ) {}
}

/** An address space of the guest: its pages are frames to whoever reads its memory. */
export class ShadowDirectory implements Frames {
  words: Uint32Array = new Uint32Array(0);
  /** What each entry of the shadow leads to; null: scratch. */
  readonly tables: (Table | null)[] = new Array<Table | null>(GEN7_DIRECTORY_ENTRIES).fill(null);
  /** The pass that it was synced in. */
  pass = 0;

  constructor(
    /** First entry of the guest's directory, and of the shadow. */
    readonly first: number,
    readonly shadowFirst: number,
    /** For verdicts on its batches: which space this is. */
    readonly space: number,
    private readonly memory: GuestMemory,
  ) {}

  locate(page: number): number {
    const table = this.tables[Math.floor(page / GEN7_TABLE_ENTRIES)];
    if (!table) return -1;
    const entry = table.copy[page & (GEN7_TABLE_ENTRIES - 1)]!;
    if ((entry & GEN7_PTE_VALID) === 0) return -1;
    const at = this.memory.locate(gen7FrameOf(entry));
    this.words = this.memory.words;
    return at;
  }
}

export class ShadowDirectories {
  /** Present entries that name no memory of the guest; they lead to scratch. */
  refused = 0;
  readonly #options: ShadowDirectoriesOptions;
  readonly #comparer = new PageComparer();
  /** By guest frame. */
  readonly #tables = new Map<number, Table>();
  readonly #directories = new Map<number, ShadowDirectory>();
  readonly #scratchPage: TablePages;
  readonly #scratchTable: TablePages;
  #pass = 0;
  #space = 0;
  #generation = -1;

  constructor(options: ShadowDirectoriesOptions) {
    this.#options = options;
    this.#scratchPage = options.pool.allocate(1);
    this.#scratchTable = options.pool.allocate(1);
    const { words, at } = this.#scratchTable;
    words.fill(gen7Pte(this.#scratchPage.mfn, GEN7_PTE_VALID), at, at + PAGE_DWORDS);
  }

  /** Pages held for this guest. */
  get pages(): number {
    return 2 + this.#tables.size;
  }

  /**
   * The shadow of the directory that begins at entry `first` of the guest's GGTT, as the guest's tables are now.
   * @throws XengtError XENGT_E_PPGTT where the guest has more tables than it may, XENGT_E_NO_SPACE
   */
  sync(first: number): ShadowDirectory {
    const { guest, slots, gfnOfEntry } = this.#options;
    this.#pass++;
    if (guest.generation !== this.#generation) {
      this.#generation = guest.generation;
      for (const table of this.#tables.values()) table.pass = -1;
    }
    const directory = this.#directories.get(first) ?? this.#create(first);
    directory.pass = this.#pass;
    let lastGfn = -2;
    let last: Table | null = null;
    for (let i = 0; i < GEN7_DIRECTORY_ENTRIES; i++) {
      const gfn = gfnOfEntry(first + i);
      if (gfn !== lastGfn) {
        lastGfn = gfn;
        last = gfn < 0 ? null : this.#table(gfn);
      }
      if (directory.tables[i] === last) continue;
      directory.tables[i] = last;
      slots.write(directory.shadowFirst + i, gen7Pde((last?.shadow ?? this.#scratchTable).mfn));
    }
    return directory;
  }

  /**
   * Gives up directories that were not used for longest, where there are many, and tables that no directory leads to, where
   * they are half of what the guest may have. The device must not be walking any: it keeps entries that it has read.
   */
  tidy(): void {
    while (this.#directories.size >= MOST_DIRECTORIES) this.#forgetOldest();
    if (this.pages > this.#options.maxShadowPages / 2) this.#collect();
  }

  /** Gives everything back. */
  release(): void {
    const { pool, slots } = this.#options;
    for (const { shadowFirst } of this.#directories.values()) slots.give(shadowFirst);
    for (const { shadow } of this.#tables.values()) pool.free(shadow);
    this.#directories.clear();
    this.#tables.clear();
    pool.free(this.#scratchTable);
    pool.free(this.#scratchPage);
  }

  #create(first: number): ShadowDirectory {
    const { slots, guest } = this.#options;
    const shadowFirst = slots.take();
    this.#space = (this.#space % (2 ** 20 - 1)) + 1;
    const directory = new ShadowDirectory(first, shadowFirst, this.#space, guest);
    const pde = gen7Pde(this.#scratchTable.mfn);
    for (let i = 0; i < GEN7_DIRECTORY_ENTRIES; i++) slots.write(shadowFirst + i, pde);
    this.#directories.set(first, directory);
    return directory;
  }

  #forgetOldest(): void {
    let oldest: ShadowDirectory | null = null;
    for (const one of this.#directories.values()) if (oldest === null || one.pass < oldest.pass) oldest = one;
    if (oldest === null) return;
    this.#options.slots.give(oldest.shadowFirst);
    this.#directories.delete(oldest.first);
  }

  /** The shadow of a table, compared in this pass; null where the guest has no memory there. */
  #table(gfn: number): Table | null {
    const { guest } = this.#options;
    const known = this.#tables.get(gfn);
    if (known !== undefined && known.pass === this.#pass) return known;
    const at = guest.locate(gfn);
    if (at < 0) return null;
    const table = known ?? this.#add(gfn);
    const stale = table.pass <= 0;
    table.pass = this.#pass;
    const { words } = guest;
    if (!stale && this.#comparer.same(words, at, table.copy, table.copyBytes)) return table;
    this.#carry(table, words.slice(at, at + PAGE_DWORDS), stale);
    return table;
  }

  #add(gfn: number): Table {
    const { pool, maxShadowPages } = this.#options;
    if (this.pages >= maxShadowPages) {
      throw new XengtError('XENGT_E_PPGTT', `the guest's directories reach more than ${maxShadowPages} page tables`);
    }
    const table = new Table(gfn, pool.allocate(1));
    this.#tables.set(gfn, table);
    return table;
  }

  /** Frees tables that no directory leads to. */
  #collect(): void {
    const used = new Set<Table | null>();
    for (const { tables } of this.#directories.values()) for (const table of tables) used.add(table);
    for (const table of this.#tables.values()) {
      if (used.has(table)) continue;
      this.#tables.delete(table.gfn);
      this.#options.pool.free(table.shadow);
    }
  }

  /** @param fresh what the guest's table holds; a copy, since looking for its frames moves the guest's window */
  #carry(table: Table, fresh: Uint32Array, all: boolean): void {
    const { guest } = this.#options;
    const { words, at } = table.shadow;
    const scratch = this.#scratchPage.mfn;
    for (let i = 0; i < GEN7_TABLE_ENTRIES; i++) {
      const entry = fresh[i]!;
      if (!all && entry === table.copy[i]) continue;
      table.copy[i] = entry;
      const mfn = (entry & GEN7_PTE_VALID) === 0 ? -1 : guest.mfnOf(gen7FrameOf(entry));
      if (mfn < 0 && (entry & GEN7_PTE_VALID) !== 0) this.refused++;
      words[at + i] = mfn < 0 ? gen7Pte(scratch, GEN7_PTE_VALID) : gen7Pte(mfn, entry);
    }
  }
}
