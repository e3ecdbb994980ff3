/**
 * Looks whether shadow page tables say what the guest's say: both are walked from the root, entry by entry, and what each shadow
 * entry must be is worked out anew from the guest's. It uses neither the copies nor the notices of writes by which shadows are
 * kept in step, so it finds what those have missed.
 */
import { type GuestMemory, PAGE_DWORDS } from '../base/index.js';
import {
  attributesOfSplit2M,
  FRAMES_PER_64K,
  frameHi,
  frameLo,
  frameOf,
  frameOf2M,
  frameOf64K,
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
import type { TablePages } from './ports.js';
import { type ShadowTable, tableName } from './shadow-table.js';

export interface ShadowAudit {
  /** Guest tables that were walked, each once for every use of it. */
  readonly tables: number;
  /** Shadow entries that were compared, and those of them that lead to the guest's memory. */
  readonly entries: number;
  readonly present: number;
  /** Entries that are not what they should be, and the first of them in words. */
  readonly differing: number;
  readonly first: string | null;
}

export interface AuditParts {
  readonly guest: GuestMemory;
  /** Machine frames of the scratch page and of the tables above it. */
  readonly scratch: readonly number[];
  readonly allow64K: boolean;
}

export class ShadowAuditor {
  readonly #parts: AuditParts;
  readonly #byMfn = new Map<number, TablePages>();
  readonly #seen = new Set<string>();
  #tables = 0;
  #entries = 0;
  #present = 0;
  #differing = 0;
  #first: string | null = null;

  constructor(parts: AuditParts) {
    this.#parts = parts;
  }

  get result(): ShadowAudit {
    return {
      tables: this.#tables,
      entries: this.#entries,
      present: this.#present,
      differing: this.#differing,
      first: this.#first,
    };
  }

  /** Compares what is below a root table. */
  walk(root: ShadowTable, gfn: number): void {
    this.#learn(root);
    this.#table(root.level, gfn, root.pages, false);
  }

  /** Where shadow tables are, by what the device knows them by. */
  #learn(table: ShadowTable): void {
    if (this.#byMfn.has(table.pages.mfn)) return;
    this.#byMfn.set(table.pages.mfn, table.pages);
    for (const child of table.children ?? []) if (child !== null) this.#learn(child);
  }

  #table(level: number, gfn: number, shadow: TablePages, sparse: boolean): void {
    const key = `${level} ${gfn} ${shadow.mfn} ${sparse}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.#tables++;
    const { guest } = this.#parts;
    const at = guest.locate(gfn);
    if (at < 0) {
      this.#differs(level, gfn, 0, 'the guest’s table is no RAM');
      return;
    }
    const entries = guest.words.slice(at, at + PAGE_DWORDS);
    for (let index = 0; index < TABLE_ENTRIES; index++) {
      const from = sparse ? index - (index % FRAMES_PER_64K) : index;
      const lo = entries[2 * from]!;
      const hi = entries[2 * from + 1]!;
      if (level === LEVEL.PT)
        this.#page(gfn, index, shadow, this.#frame(lo, hi, index - from, sparse), lo & PTE_ATTRIBUTES);
      else this.#pointer(level, gfn, index, shadow, lo, hi);
    }
  }

  /** Guest frame of a page entry, -1 where it is not present. */
  #frame(lo: number, hi: number, within: number, sparse: boolean): number {
    if ((lo & PTE_PRESENT) === 0) return -1;
    return sparse ? frameOf64K(lo, hi) + within : frameOf(lo, hi);
  }

  #page(table: number, index: number, shadow: TablePages, gfn: number, attributes: number): void {
    const mfn = gfn < 0 ? -1 : this.#parts.guest.mfnOf(gfn);
    if (mfn < 0) {
      this.#expect(LEVEL.PT, table, index, shadow, this.#parts.scratch[0]!, -1);
    } else {
      this.#present++;
      this.#expect(LEVEL.PT, table, index, shadow, mfn, attributes);
    }
  }

  #pointer(level: number, table: number, index: number, shadow: TablePages, lo: number, hi: number): void {
    const { guest, scratch, allow64K } = this.#parts;
    const present = (lo & PTE_PRESENT) !== 0;
    const large = present && (lo & PDE_PS) !== 0;
    const gfn = frameOf(lo, hi);
    if (!present || (!large && guest.mfnOf(gfn) < 0)) {
      this.#expect(level, table, index, shadow, scratch[level - 1]!, -1);
      return;
    }
    const at = shadow.at + 2 * index;
    const mfn = frameOf(shadow.words[at]!, shadow.words[at + 1]!);
    const below = this.#byMfn.get(mfn);
    if (large) {
      this.#large(table, index, shadow, lo, hi, below);
    } else if (below === undefined) {
      this.#differs(level, table, index, `leads to frame 0x${mfn.toString(16)}, which is no table`);
    } else {
      this.#expect(level, table, index, shadow, mfn, lo & TABLE_ATTRIBUTES);
      const sparse = level === LEVEL.PD && allow64K && (lo & PDE_IPS) !== 0;
      this.#table(level - 1, gfn, below, sparse);
    }
  }

  /** A 2 MiB entry: as one, or split into a table of small ones. */
  #large(
    table: number,
    index: number,
    shadow: TablePages,
    lo: number,
    hi: number,
    split: TablePages | undefined,
  ): void {
    const gfn = frameOf2M(lo, hi);
    if (split === undefined) {
      this.#present++;
      const attributes = lo & (PTE_ATTRIBUTES | PDE_PAT_LARGE);
      this.#expect(LEVEL.PD, table, index, shadow, this.#parts.guest.mfnOf(gfn), attributes);
      return;
    }
    this.#expect(LEVEL.PD, table, index, shadow, split.mfn, lo & (PTE_PRESENT | PTE_RW));
    const attributes = attributesOfSplit2M(lo);
    for (let i = 0; i < TABLE_ENTRIES; i++) this.#page(table, i, split, gfn + i, attributes);
  }

  /** @param attributes -1: scratch, whose attributes are the mediator's own */
  #expect(level: number, table: number, index: number, shadow: TablePages, mfn: number, attributes: number): void {
    this.#entries++;
    const at = shadow.at + 2 * index;
    const lo = shadow.words[at]!;
    const hi = shadow.words[at + 1]!;
    const same =
      attributes < 0 ? frameOf(lo, hi) === mfn : lo === (frameLo(mfn) | attributes) >>> 0 && hi === frameHi(mfn);
    if (same) return;
    const is = `0x${hi.toString(16)}_${lo.toString(16).padStart(8, '0')}`;
    this.#differs(level, table, index, `is ${is}, and should lead to frame 0x${mfn.toString(16)}`);
  }

  #differs(level: number, table: number, index: number, what: string): void {
    this.#differing++;
    this.#first ??= `entry ${index} of the ${tableName(level)} at guest frame 0x${table.toString(16)} ${what}`;
  }
}
