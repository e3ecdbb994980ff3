/**
 * Shadows of the per-process page tables of one vGPU. The guest writes its tables freely; before a context runs, `sync`
 * compares the table pages that its root reaches with what they held the last time and carries over only what changed,
 * guest frames turned into machine frames. The device walks nothing but shadows, so whatever a guest writes, the device
 * reaches its own RAM and its own scratch.
 */
import { type GuestMemory, PAGE_DWORDS, PAGE_SIZE, XengtError } from '../base/index.js';
import {
  attributesOfSplit2M,
  FRAMES_PER_2M,
  FRAMES_PER_64K,
  frameHi,
  frameLo,
  frameOf,
  frameOf2M,
  frameOf64K,
  L3_ROOTS,
  LEVEL,
  PDE_IPS,
  PDE_PAT_LARGE,
  PDE_PS,
  PTE_ATTRIBUTES,
  PTE_PRESENT,
  PTE_RW,
  TABLE_ATTRIBUTES,
  TABLE_ENTRIES,
} from '../hw/index.js';
import { PageComparer } from './page-compare.js';
import { type PagePool, SYNC_ON_SUBMIT, type TrackingStrategy } from './ports.js';
import { type ShadowAudit, ShadowAuditor } from './shadow-audit.js';
import { KIND, type Kind, type ShadowTable, ShadowTables, tableName } from './shadow-table.js';

export interface ShadowPpgttOptions {
  readonly guest: GuestMemory;
  readonly pool: PagePool;
  /** Most shadow pages this guest may cause, scratch included. Roots count as pages too. */
  readonly maxShadowPages: number;
  /** The guest's device has 64 KiB pages switched on; otherwise the IPS bit means nothing. Default false. */
  readonly allow64K?: boolean;
  /** 2 MiB entries may reach the device where memory allows; otherwise they are always split. Default true. */
  readonly allow2M?: boolean;
  readonly strategy?: TrackingStrategy;
}

/** A guest address space, found by the guest addresses of its root tables. */
export interface PpgttRoot {
  readonly levels: 3 | 4;
  /** GPA of the PML4, or of up to four page directories (0: none). */
  readonly pdps: readonly number[];
}

/** The roots of a vGPU; the shadows themselves are rebuilt by the next sync. */
export interface PpgttSnapshot {
  readonly roots: readonly PpgttRoot[];
}

class Root implements PpgttRoot {
  /** The guest has it: it can be found. */
  known = true;
  /** Workloads on the device that walk it, oldest first. */
  readonly holds: number[] = [];
  constructor(
    readonly levels: 3 | 4,
    readonly pdps: readonly number[],
    readonly tables: readonly (ShadowTable | null)[],
    readonly space: number,
  ) {}
}

/** Numbers for address spaces; used again when all have been. */
const SPACES = 2 ** 20;

/** Kind of the table below an entry of each kind, IPS aside. */
const CHILD_KIND: readonly Kind[] = [KIND.PT, KIND.PT, KIND.PT, KIND.PD, KIND.PDP];

export class ShadowPpgtt {
  /** Sync passes, and shadow entries that they rewrote. */
  syncs = 0;
  entriesUpdated = 0;
  /** Refused entries by rule: present ones that name no memory of the guest. They lead to scratch. */
  readonly refused = { 'ppgtt-no-memory': 0 };

  readonly #guest: GuestMemory;
  readonly #strategy: TrackingStrategy;
  readonly #tables: ShadowTables;
  readonly #comparer = new PageComparer();
  readonly #maxPages: number;
  readonly #allow2M: boolean;
  #allow64K: boolean;
  readonly #roots = new Set<Root>();
  /** Roots by a hash of their addresses, for a guest may have as many as it has pages. */
  readonly #byHash = new Map<number, Root[]>();
  /** Roots that the guest gave up while the device still walks them. */
  readonly #leaving = new Set<Root>();
  #pass = 0;
  #lastSpace = 0;
  /** What a changed guest table held when it was looked at, one buffer for each level: a pass is never twice in one level. */
  readonly #stage: readonly Uint32Array[] = Array.from({ length: LEVEL.PML4 + 1 }, () => new Uint32Array(PAGE_DWORDS));
  /** Guest frames of the tables on the way down, by level, for the detection of loops. */
  readonly #path = new Float64Array(LEVEL.PML4 + 2).fill(-1);

  constructor(options: ShadowPpgttOptions) {
    this.#guest = options.guest;
    this.#strategy = options.strategy ?? SYNC_ON_SUBMIT;
    this.#maxPages = options.maxShadowPages;
    this.#allow2M = options.allow2M ?? true;
    this.#allow64K = options.allow64K ?? false;
    this.#tables = new ShadowTables({
      pool: options.pool,
      strategy: this.#strategy,
      maxPages: options.maxShadowPages,
    });
  }

  /** Pages held for this guest, scratch included. */
  get shadowPages(): number {
    return this.#tables.pagesHeld;
  }

  /** Machine frames of this vGPU's scratch: the page, then the tables of level 1 to 3 that lead to it. */
  get scratch(): readonly number[] {
    return this.#tables.scratch;
  }

  get roots(): readonly PpgttRoot[] {
    return [...this.#roots];
  }

  /** The guest switched 64 KiB pages on or off: what tables mean has changed. */
  set allow64K(allowed: boolean) {
    if (allowed === this.#allow64K) return;
    this.#allow64K = allowed;
    this.invalidateAll();
  }

  /** The shadow of an address space that create() made, or undefined. Takes no reference. */
  find(levels: 3 | 4, pdps: readonly number[]): PpgttRoot | undefined {
    const count = levels === 4 ? 1 : L3_ROOTS;
    for (const root of this.#byHash.get(hashOf(levels, pdps)) ?? []) {
      if (root.levels !== levels) continue;
      let same = 0;
      while (same < count && root.pdps[same] === pageAddress(pdps[same])) same++;
      if (same === count) return root;
    }
    return undefined;
  }

  /**
   * The shadow of the address space with these root tables, made when there is none. A new shadow leads to scratch
   * everywhere until its first sync.
   * @param pdps guest addresses: the PML4's in pdps[0], or those of four page directories, 0 for none
   * @throws XengtError XENGT_E_PPGTT when a root is not in guest RAM, or at the bound
   */
  create(levels: 3 | 4, pdps: readonly number[]): PpgttRoot {
    const known = this.find(levels, pdps);
    if (known !== undefined) return known;
    if (this.#roots.size >= this.#maxPages) {
      throw new XengtError('XENGT_E_PPGTT', `the guest has more than ${this.#maxPages} page-table roots`);
    }
    const count = levels === 4 ? 1 : L3_ROOTS;
    const kind = levels === 4 ? KIND.PML4 : KIND.PD;
    const addresses: number[] = [];
    for (let i = 0; i < count; i++) {
      const address = pageAddress(pdps[i]);
      const present = address !== 0 && this.#guest.mfnOf(address / PAGE_SIZE) >= 0;
      if (!present && (address !== 0 || levels === 4)) {
        throw new XengtError('XENGT_E_PPGTT', `PDP${i} 0x${address.toString(16)} is not in guest RAM`);
      }
      addresses.push(address);
    }
    const tables: (ShadowTable | null)[] = [];
    try {
      for (const address of addresses) {
        tables.push(address === 0 ? null : this.#tables.acquire(address / PAGE_SIZE, kind));
      }
    } catch (error) {
      for (const table of tables) if (table !== null) this.#tables.release(table);
      throw error;
    }
    this.#lastSpace = (this.#lastSpace % SPACES) + 1;
    const root = new Root(levels, addresses, tables, this.#lastSpace);
    this.#roots.add(root);
    const hash = hashOf(levels, addresses);
    const alike = this.#byHash.get(hash);
    if (alike) alike.push(root);
    else this.#byHash.set(hash, [root]);
    return root;
  }

  /**
   * Keeps a root's shadow, and every page that drops out of any shadow from now on, while a workload that walks the root is
   * on the device; each hold needs one drop.
   * @returns which hold this is
   */
  hold(root: PpgttRoot): number {
    const own = this.#own(root);
    const hold = this.#tables.hold();
    own.holds.push(hold);
    return hold;
  }

  /**
   * A workload is off the device. Without `hold` it is taken for the latest of the root: that is safe whichever it was, but
   * pages go back only when the root has no other workload either.
   */
  drop(root: PpgttRoot, hold = this.#own(root).holds.at(-1)): void {
    const own = this.#own(root);
    const at = hold === undefined ? -1 : own.holds.indexOf(hold);
    if (hold === undefined || at < 0) throw new XengtError('XENGT_E_PPGTT', 'this page-table root is not held');
    own.holds.splice(at, 1);
    this.#settle(own);
    this.#tables.drop(hold);
  }

  /** The guest gives the address space up: it is not found again, and its shadow goes once nothing holds it. */
  destroy(root: PpgttRoot): void {
    const own = this.#own(root);
    if (own.known) this.#forget(own);
    own.known = false;
    this.#settle(own);
  }

  #forget(root: Root): void {
    this.#roots.delete(root);
    const hash = hashOf(root.levels, root.pdps);
    const alike = this.#byHash.get(hash)!;
    if (alike.length === 1) this.#byHash.delete(hash);
    else alike.splice(alike.indexOf(root), 1);
  }

  /** Frees a root that nobody needs any more. */
  #settle(root: Root): void {
    if (root.known) return;
    if (root.holds.length > 0) {
      this.#leaving.add(root);
      return;
    }
    this.#leaving.delete(root);
    for (const table of root.tables) if (table !== null) this.#tables.release(table);
  }

  #own(root: PpgttRoot): Root {
    if (root instanceof Root && (root.known || this.#leaving.has(root))) return root;
    throw new XengtError('XENGT_E_PPGTT', 'this page-table root is gone');
  }

  /** Machine frame for PDPi of a context that is to run with this root; 0 where a 4-level root has none. */
  rootPdp(root: PpgttRoot, i: number): number {
    const { levels, tables } = this.#own(root);
    if (levels === 4 && i !== 0) return 0;
    return tables[i]?.pages.mfn ?? this.#tables.scratch[LEVEL.PD]!;
  }

  /** A number for the address space, 1 to 2^20: its own as long as the guest has it. */
  spaceOf(root: PpgttRoot): number {
    return this.#own(root).space;
  }

  /**
   * Guest frame behind a page of the address space, as of its last sync: what the device finds there, by the guest's name for
   * it. Allocates nothing.
   * @param page graphics address >> 12. @returns -1 where the guest maps nothing; a frame that is no RAM may be returned
   */
  gfnOf(root: PpgttRoot, page: number): number {
    const { levels, tables } = this.#own(root);
    const above = Math.floor(page / TABLE_ENTRIES ** 2);
    let table = tables[levels === 4 ? 0 : above] ?? null;
    if (levels === 4) {
      table = table?.children?.[Math.floor(above / TABLE_ENTRIES)] ?? null;
      table = table?.children?.[above % TABLE_ENTRIES] ?? null;
    }
    if (table === null) return -1;
    const inTable = page % TABLE_ENTRIES;
    const pde = Math.floor(page / TABLE_ENTRIES) % TABLE_ENTRIES;
    const lo = table.copy![pde * 2]!;
    const hi = table.copy![pde * 2 + 1]!;
    if ((lo & PTE_PRESENT) === 0) return -1;
    if ((lo & PDE_PS) !== 0) return frameOf2M(lo, hi) + inTable;
    const below = table.children![pde]!;
    if (below === null) return -1;
    const sparse = below.kind === KIND.PT64K;
    const pte = sparse ? inTable - (inTable % FRAMES_PER_64K) : inTable;
    const pteLo = below.copy![pte * 2]!;
    const pteHi = below.copy![pte * 2 + 1]!;
    if ((pteLo & PTE_PRESENT) === 0) return -1;
    return sparse ? frameOf64K(pteLo, pteHi) + (inTable - pte) : frameOf(pteLo, pteHi);
  }

  /**
   * Brings the shadow in step with the guest's tables that `root` reaches. Allocates nothing where nothing changed.
   * @throws XengtError XENGT_E_PPGTT when the guest's tables cannot be shadowed: a 1 GiB entry, a loop, a page used at two
   * levels, too many pages. The shadow then stays safe to walk, behind the guest's tables; other roots are not touched.
   */
  sync(root: PpgttRoot): void {
    const { tables } = this.#own(root);
    this.syncs++;
    this.#pass++;
    this.#path.fill(-1);
    for (let i = 0; i < tables.length; i++) {
      const table = tables[i]!;
      if (table !== null && table.pass !== this.#pass) this.#visit(table);
    }
  }

  /** Compares one table where it may have changed, then goes on to those below. */
  #visit(table: ShadowTable): void {
    const source = table.source;
    if (source === null) return;
    const { level } = table;
    table.pass = this.#pass;
    if (source.seenPass !== this.#pass) {
      source.seenPass = this.#pass;
      source.seenLevel = level;
      if (source.tracked && this.#strategy.takeDirty(source.gfn)) source.version++;
    } else if (source.seenLevel !== level) {
      this.#refuseSharing(source.gfn, level, source.seenLevel);
    }
    this.#path[level] = source.gfn;
    if (!source.tracked || table.syncedVersion !== source.version) {
      this.#compare(table, source.gfn);
      table.syncedVersion = source.version;
    }
    const { children } = table;
    if (children !== null) {
      for (let index = 0; index < TABLE_ENTRIES; index++) {
        const child = children[index]!;
        if (child !== null && child.pass !== this.#pass) this.#visit(child);
      }
    }
    this.#path[level] = -1;
  }

  #refuseSharing(gfn: number, level: number, other: number): never {
    const frame = `guest frame 0x${gfn.toString(16)}`;
    for (let above = level + 1; above <= LEVEL.PML4; above++) {
      if (this.#path[above] === gfn) {
        throw new XengtError('XENGT_E_PPGTT', `page tables loop: ${frame} is below itself as ${tableName(level)}`);
      }
    }
    throw new XengtError(
      'XENGT_E_PPGTT',
      `${frame} is used both as ${tableName(other)} and as ${tableName(level)} of one address space`,
    );
  }

  #compare(table: ShadowTable, gfn: number): void {
    const at = this.#guest.locate(gfn);
    if (at < 0) {
      const frame = `guest frame 0x${gfn.toString(16)}`;
      throw new XengtError('XENGT_E_PPGTT', `${frame} holds a ${tableName(table.level)} but is no longer RAM`);
    }
    const words = this.#guest.words;
    const copy = table.copy!;
    if (this.#comparer.same(words, at, copy, table.copyBytes!)) return;
    // From here on the staged contents count: what is checked is what is used, and tables below may be located.
    const stage = this.#stage[table.level]!;
    for (let i = 0; i < PAGE_DWORDS; i++) stage[i] = words[at + i]!;
    const sparse = table.kind === KIND.PT64K;
    for (let index = 0; index < TABLE_ENTRIES; index += sparse ? FRAMES_PER_64K : 1) {
      const lo = stage[index * 2]!;
      const hi = stage[index * 2 + 1]!;
      if (lo === copy[index * 2] && hi === copy[index * 2 + 1]) continue;
      if (table.level === LEVEL.PT) this.#setPages(table, index, lo, hi);
      else this.#setPointer(table, index, lo, hi);
      copy[index * 2] = lo;
      copy[index * 2 + 1] = hi;
      this.entriesUpdated++;
    }
    // Between the entries that hardware reads, 64 KiB tables may hold anything: only remember it, not to look again.
    if (sparse) copy.set(stage);
  }

  /** An entry of a page table: one page, or 16 where the table holds 64 KiB entries. */
  #setPages(table: ShadowTable, index: number, lo: number, hi: number): void {
    const present = (lo & PTE_PRESENT) !== 0;
    const attributes = lo & PTE_ATTRIBUTES;
    if (table.kind === KIND.PT) {
      this.#setPage(table, index, present ? frameOf(lo, hi) : -1, attributes);
      return;
    }
    const gfn = frameOf64K(lo, hi);
    for (let i = 0; i < FRAMES_PER_64K; i++) this.#setPage(table, index + i, present ? gfn + i : -1, attributes);
  }

  #setPage(table: ShadowTable, index: number, gfn: number, attributes: number): void {
    const mfn = gfn < 0 ? -1 : this.#guest.mfnOf(gfn);
    if (mfn < 0) {
      if (gfn >= 0) this.refused['ppgtt-no-memory']++;
      this.#tables.setScratch(table, index);
    } else {
      table.set(index, (frameLo(mfn) | attributes) >>> 0, frameHi(mfn));
    }
  }

  /** An entry of an upper table. What it newly leads to is complete before the device can see it; the old goes after. */
  #setPointer(table: ShadowTable, index: number, lo: number, hi: number): void {
    const children = table.children!;
    const before = children[index]!;
    let after: ShadowTable | null = null;
    if ((lo & PTE_PRESENT) === 0) {
      this.#tables.setScratch(table, index);
    } else if ((lo & PDE_PS) !== 0 && table.level === LEVEL.PDP) {
      throw new XengtError('XENGT_E_PPGTT', `PDPE ${index} maps 1 GiB at once, which cannot be shadowed`);
    } else if ((lo & PDE_PS) !== 0 && table.level === LEVEL.PD) {
      after = this.#setLarge(table, index, lo, hi);
    } else {
      after = this.#below(table, lo, hi);
      if (after === null) this.#tables.setScratch(table, index);
      else table.set(index, (frameLo(after.pages.mfn) | (lo & TABLE_ATTRIBUTES)) >>> 0, frameHi(after.pages.mfn));
    }
    children[index] = after;
    if (before !== null) this.#tables.release(before);
  }

  /** The shadow of the table that an entry points to, in step with the guest; null when that is not RAM. */
  #below(table: ShadowTable, lo: number, hi: number): ShadowTable | null {
    const gfn = frameOf(lo, hi);
    if (this.#guest.mfnOf(gfn) < 0) {
      this.refused['ppgtt-no-memory']++;
      return null;
    }
    const small = table.level === LEVEL.PD && this.#allow64K && (lo & PDE_IPS) !== 0;
    const child = this.#tables.acquire(gfn, small ? KIND.PT64K : CHILD_KIND[table.kind]!);
    if (child.pass === this.#pass) return child;
    try {
      this.#visit(child);
    } catch (error) {
      this.#tables.release(child);
      throw error;
    }
    return child;
  }

  /** A 2 MiB entry: stays one where machine memory is one aligned piece too, else becomes a table of 4 KiB entries. */
  #setLarge(table: ShadowTable, index: number, lo: number, hi: number): ShadowTable | null {
    const gfn = frameOf2M(lo, hi);
    const mfn = this.#guest.mfnOf(gfn);
    if (this.#allow2M && mfn >= 0 && mfn % FRAMES_PER_2M === 0 && this.#contiguous(gfn, mfn)) {
      const attributes = lo & (PTE_ATTRIBUTES | PDE_PAT_LARGE);
      table.set(index, (frameLo(mfn) | attributes) >>> 0, frameHi(mfn));
      return null;
    }
    const split = this.#tables.acquireSplit();
    const attributes = attributesOfSplit2M(lo);
    for (let i = 0; i < TABLE_ENTRIES; i++) this.#setPage(split, i, gfn + i, attributes);
    // The memory type of the large page went to its parts; here it would be that of the table.
    table.set(index, (frameLo(split.pages.mfn) | (lo & (PTE_PRESENT | PTE_RW))) >>> 0, frameHi(split.pages.mfn));
    return split;
  }

  #contiguous(gfn: number, mfn: number): boolean {
    for (let i = 1; i < FRAMES_PER_2M; i++) if (this.#guest.mfnOf(gfn + i) !== mfn + i) return false;
    return true;
  }

  /**
   * Makes all shadows lead to scratch at once; the next sync builds them anew. For a full reset, and for every change to
   * which machine frames guest frames are: with that, entries no longer follow from what the guest's tables hold.
   */
  invalidateAll(): void {
    for (const root of this.#roots) this.#clear(root);
    for (const root of this.#leaving) this.#clear(root);
  }

  #clear(root: Root): void {
    for (const table of root.tables) if (table !== null) this.#tables.clear(table);
  }

  /**
   * Brings all shadows in step, then compares them with the guest's tables by other means.
   * @throws XengtError XENGT_E_PPGTT as sync() does
   */
  audit(): ShadowAudit {
    const auditor = new ShadowAuditor({
      guest: this.#guest,
      scratch: this.#tables.scratch,
      allow64K: this.#allow64K,
    });
    for (const root of this.#roots) {
      this.sync(root);
      root.tables.forEach((table, i) => {
        if (table !== null) auditor.walk(table, root.pdps[i]! / PAGE_SIZE);
      });
    }
    return auditor.result;
  }

  save(): PpgttSnapshot {
    return { roots: this.roots.map(({ levels, pdps }) => ({ levels, pdps: [...pdps] })) };
  }

  /** Takes over saved roots in place of those there are. */
  restore(state: PpgttSnapshot): void {
    this.destroyAll();
    for (const { levels, pdps } of state.roots) this.create(levels, pdps);
  }

  /** The guest's device was reset: all its address spaces are given up. */
  destroyAll(): void {
    for (const root of this.roots) this.destroy(root);
  }

  /** Gives everything back, held or not, scratch included. The device must not be walking any of it. */
  release(): void {
    for (const root of [...this.#roots, ...this.#leaving]) while (root.holds.length > 0) this.drop(root);
    this.destroyAll();
    this.#tables.freeScratch();
  }
}

function hashOf(levels: 3 | 4, pdps: readonly number[]): number {
  let hash: number = levels;
  for (let i = 0; i < (levels === 4 ? 1 : L3_ROOTS); i++) {
    hash = (Math.imul(hash, 0x9e3779b1) + pageAddress(pdps[i]) / PAGE_SIZE) >>> 0;
  }
  return hash;
}

/** A root pointer's page: hardware ignores the low bits. */
function pageAddress(gpa: number | undefined): number {
  return gpa === undefined || gpa <= 0 ? 0 : Math.floor(gpa / PAGE_SIZE) * PAGE_SIZE;
}
