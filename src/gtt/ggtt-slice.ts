/**
 * A vGPU's view of the global GTT: the entries of its own ranges as the guest wrote them. Other entries read as zero and
 * cannot be written; i915 touches them when it clears the whole table on resume, so that is counted, not punished.
 */
import { XengtError } from '../base/index.js';
import { type GgttFormat, ggttFormat, PTE_PRESENT } from '../hw/index.js';

/** Where completed entries go, to become machine frames on the device: the arbiter. */
export interface GgttSink {
  /** `lo` and `hi` as the guest wrote them. */
  setEntry(page: number, lo: number, hi: number): void;
}

export interface GgttRange {
  /** First page of the graphics address space, and how many. */
  readonly firstPage: number;
  readonly pages: number;
}

export interface GgttLayout {
  /** The low (aperture) range, then the high (hidden) one. */
  readonly ranges: readonly GgttRange[];
  /** Entries of the whole table. */
  readonly totalEntries: number;
  /** Default: Gen8's, of 8 bytes. */
  readonly format?: GgttFormat;
}

/** Everything the guest has put there. */
export interface GgttSnapshot {
  readonly lo: Uint32Array;
  readonly hi: Uint32Array;
  readonly held: Uint32Array;
  readonly halves: Uint8Array;
}

/** Which half of an entry is held. */
const HELD_NONE = 0;
const HELD_LO = 1;
const HELD_HI = 2;

export class GgttSlice {
  /** High dword of the last 8-byte read. */
  readHi = 0;
  /** Refused accesses by rule. */
  readonly refused = { 'ggtt-outside': 0, 'ggtt-access': 0 };

  readonly #sink: GgttSink;
  readonly #totalEntries: number;
  readonly #format: GgttFormat;
  /** An entry is 2^shift bytes. */
  readonly #shift: number;
  readonly #lowFirst: number;
  readonly #lowPages: number;
  readonly #highFirst: number;
  readonly #highPages: number;
  readonly #lo: Uint32Array;
  readonly #hi: Uint32Array;
  /** A 4-byte write waits here for its other half. */
  readonly #held: Uint32Array;
  readonly #halves: Uint8Array;

  constructor(layout: GgttLayout, sink: GgttSink) {
    const [low, high = { firstPage: 0, pages: 0 }, ...more] = layout.ranges;
    if (low === undefined || more.length > 0) {
      throw new XengtError('XENGT_E_TABLE', `a GGTT slice has one or two ranges, not ${layout.ranges.length}`);
    }
    for (const { firstPage, pages } of layout.ranges) {
      if (!(firstPage >= 0 && pages >= 0 && firstPage + pages <= layout.totalEntries)) {
        throw new XengtError('XENGT_E_TABLE', `GGTT pages ${firstPage}+${pages} are outside of the table`);
      }
    }
    if (low.firstPage < high.firstPage + high.pages && high.firstPage < low.firstPage + low.pages) {
      throw new XengtError('XENGT_E_TABLE', 'the low and high range of a GGTT slice overlap');
    }
    this.#sink = sink;
    this.#totalEntries = layout.totalEntries;
    this.#format = layout.format ?? ggttFormat({ gen: 8 });
    this.#shift = this.#format.entryBytes === 8 ? 3 : 2;
    this.#lowFirst = low.firstPage;
    this.#lowPages = low.pages;
    this.#highFirst = high.firstPage;
    this.#highPages = high.pages;
    const entries = low.pages + high.pages;
    this.#lo = new Uint32Array(entries);
    this.#hi = new Uint32Array(entries);
    this.#held = new Uint32Array(entries);
    this.#halves = new Uint8Array(entries);
  }

  /** Index of a page within the flat arrays, -1 when the page is not this vGPU's. */
  #slot(page: number): number {
    const low = page - this.#lowFirst;
    if (low >= 0 && low < this.#lowPages) return low;
    const high = page - this.#highFirst;
    return high >= 0 && high < this.#highPages ? this.#lowPages + high : -1;
  }

  /** First page of the slot's range plus its distance: the inverse of #slot. */
  #page(slot: number): number {
    return slot < this.#lowPages ? this.#lowFirst + slot : this.#highFirst + slot - this.#lowPages;
  }

  /** An access the table decodes: 4 or 8 bytes, naturally aligned, inside the table. */
  #decodes(byteOffset: number, bytes: number): boolean {
    // Within the table an offset is a small integer: the mask and the shifts below are exact.
    return (
      (bytes === 4 || bytes === 8) &&
      byteOffset >= 0 &&
      byteOffset < this.#totalEntries * this.#format.entryBytes &&
      (byteOffset & (bytes - 1)) === 0
    );
  }

  /**
   * Guest read at `byteOffset` from the table's start. A half that waits for its other half reads as written.
   * @returns the low 32 bits; those above are in `readHi`
   */
  read(byteOffset: number, bytes: number): number {
    this.readHi = 0;
    if (!this.#decodes(byteOffset, bytes)) {
      this.refused['ggtt-access']++;
      return 0;
    }
    if (this.#shift === 2) return this.#readShort(byteOffset >>> 2, bytes);
    const slot = this.#slot(byteOffset >>> 3);
    if (slot < 0) return 0;
    const half = this.#halves[slot]!;
    const hi = half === HELD_HI ? this.#held[slot]! : this.#hi[slot]!;
    if (bytes === 4 && (byteOffset & 4) !== 0) return hi;
    if (bytes === 8) this.readHi = hi;
    return half === HELD_LO ? this.#held[slot]! : this.#lo[slot]!;
  }

  /** Guest write at `byteOffset` from the table's start; `hi` counts only for 8 bytes. */
  write(byteOffset: number, bytes: number, lo: number, hi: number): void {
    if (!this.#decodes(byteOffset, bytes)) {
      this.refused['ggtt-access']++;
      return;
    }
    if (this.#shift === 2) {
      this.#writeShort(byteOffset >>> 2, lo);
      if (bytes === 8) this.#writeShort((byteOffset >>> 2) + 1, hi);
      return;
    }
    const page = byteOffset >>> 3;
    const slot = this.#slot(page);
    if (slot < 0) {
      this.refused['ggtt-outside']++;
      return;
    }
    if (bytes === 4) {
      const half = (byteOffset & 4) === 0 ? HELD_LO : HELD_HI;
      const before = this.#halves[slot]!;
      if (before === HELD_NONE || before === half) {
        this.#held[slot] = lo;
        this.#halves[slot] = half;
        return;
      }
      const other = this.#held[slot]!;
      hi = half === HELD_LO ? other : lo;
      lo = half === HELD_LO ? lo : other;
    }
    this.#halves[slot] = HELD_NONE;
    this.#lo[slot] = lo;
    this.#hi[slot] = hi;
    this.#sink.setEntry(page, lo >>> 0, hi >>> 0);
  }

  /** Entries of 4 bytes are whole in any access; one of 8 bytes covers two. */
  #readShort(page: number, bytes: number): number {
    const slot = this.#slot(page);
    const next = bytes === 8 ? this.#slot(page + 1) : -1;
    if (next >= 0) this.readHi = this.#lo[next]!;
    return slot < 0 ? 0 : this.#lo[slot]!;
  }

  #writeShort(page: number, value: number): void {
    const slot = this.#slot(page);
    if (slot < 0) {
      this.refused['ggtt-outside']++;
      return;
    }
    this.#lo[slot] = value;
    this.#sink.setEntry(page, value >>> 0, 0);
  }

  /** Guest frame behind a page of the graphics address space; -1 where nothing of this vGPU is mapped. */
  gfnOf(page: number): number {
    const slot = this.#slot(page);
    if (slot < 0) return -1;
    const lo = this.#lo[slot]!;
    return (lo & PTE_PRESENT) === 0 ? -1 : this.#format.frameOf(lo, this.#hi[slot]!);
  }

  /** Address audit: `bytes` (at least 1) from `gmadr` on lie wholly inside one range of this vGPU. */
  ownsRange(gmadr: number, bytes: number): boolean {
    if (!(bytes > 0 && gmadr >= 0)) return false;
    const first = Math.floor(gmadr / 4096);
    const last = Math.floor((gmadr + bytes - 1) / 4096);
    const low = this.#lowFirst;
    const high = this.#highFirst;
    return (first >= low && last < low + this.#lowPages) || (first >= high && last < high + this.#highPages);
  }

  /** Pages of the slice, and those of them that lead to memory. */
  count(): { pages: number; mapped: number } {
    let mapped = 0;
    for (const lo of this.#lo) if ((lo & PTE_PRESENT) !== 0) mapped++;
    return { pages: this.#lo.length, mapped };
  }

  /** Forgets all entries and held halves; what was mapped is unmapped at the sink. */
  invalidateAll(): void {
    this.#halves.fill(HELD_NONE);
    for (let slot = 0; slot < this.#lo.length; slot++) {
      if ((this.#lo[slot]! & PTE_PRESENT) !== 0) this.#sink.setEntry(this.#page(slot), 0, 0);
    }
    this.#lo.fill(0);
    this.#hi.fill(0);
  }

  /** Sends every present entry to the sink again: guest memory has moved, or the device lost its table. */
  resend(): void {
    for (let slot = 0; slot < this.#lo.length; slot++) {
      const lo = this.#lo[slot]!;
      if ((lo & PTE_PRESENT) !== 0) this.#sink.setEntry(this.#page(slot), lo, this.#hi[slot]!);
    }
  }

  save(): GgttSnapshot {
    return {
      lo: this.#lo.slice(),
      hi: this.#hi.slice(),
      held: this.#held.slice(),
      halves: this.#halves.slice(),
    };
  }

  /** Takes over a state saved by a slice of the same size; entries that it does not map are unmapped. */
  restore(state: GgttSnapshot): void {
    const entries = this.#lo.length;
    for (const column of [state.lo, state.hi, state.held, state.halves]) {
      if (column.length !== entries) {
        throw new XengtError('XENGT_E_GGTT', `saved GGTT has ${column.length} entries, the slice has ${entries}`);
      }
    }
    this.invalidateAll();
    this.#lo.set(state.lo);
    this.#hi.set(state.hi);
    this.#held.set(state.held);
    this.#halves.set(state.halves);
    this.resend();
  }
}
