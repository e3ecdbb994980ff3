/**
 * Dwords that a stream stores into memory while it runs (MI_STORE_DATA_IMM), by graphics address. Drivers patch their own
 * batches so: a jump back whose target is stored just before it is taken. Bounded by what is scanned; allocates only to grow.
 */
const EMPTY = -1;
const PAGE_DWORDS = 1024;
/** Entries at first. Tables have powers of two of slots, twice as many as there may be entries. */
const FIRST_ENTRIES = 128;
const SLOTS = 2;

/** Odd multipliers that no guest can know, so that none can choose addresses that share a slot. Answers do not depend on them. */
const LOW = Math.floor(Math.random() * 0x80000000) * 2 + 1;
const HIGH = Math.floor(Math.random() * 0x80000000) * 2 + 1;

/** Mixed twice, so that addresses at even distances do not gather; the upper bits of a product depend on all bits below. */
function slotOf(key: number, shift: number): number {
  const once = Math.imul(key, LOW) + Math.imul(Math.floor(key / 0x100000000), HIGH);
  return Math.imul(once ^ (once >>> 15), HIGH) >>> shift;
}

export class WrittenDwords {
  /** Dword index (address / 4) and value of each entry, in the order of first writing. */
  #at = new Float64Array(FIRST_ENTRIES);
  #value = new Uint32Array(FIRST_ENTRIES);
  /** Next entry of the same page, or -1. */
  #next = new Int32Array(FIRST_ENTRIES);
  /** Open addressing: entry by dword, first entry by page; -1 is free. */
  #byDword = new Int32Array(FIRST_ENTRIES * SLOTS).fill(EMPTY);
  #byPage = new Int32Array(FIRST_ENTRIES * SLOTS).fill(EMPTY);
  /** How far down the bits are that choose a slot. */
  #shift = Math.clz32(FIRST_ENTRIES * SLOTS - 1);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  clear(): void {
    if (this.#count === 0) return;
    this.#count = 0;
    this.#byDword.fill(EMPTY);
    this.#byPage.fill(EMPTY);
  }

  /** @param address byte address, 4-byte aligned, below 2^53. @returns whether anything else was known to be there */
  store(address: number, value: number): boolean {
    const dword = address / 4;
    const slot = this.#find(dword);
    const known = this.#byDword[slot]!;
    if (known !== EMPTY) {
      const before = this.#value[known];
      this.#value[known] = value;
      return before !== value;
    }
    const entry = this.#count++;
    this.#at[entry] = dword;
    this.#value[entry] = value;
    this.#byDword[slot] = entry;
    this.#link(entry);
    if (this.#count === this.#at.length) this.#grow();
    return true;
  }

  touchesPage(page: number): boolean {
    return this.#count > 0 && this.#byPage[this.#findPage(page)] !== EMPTY;
  }

  /** Puts what was stored in `page` over its contents. */
  apply(page: number, words: Uint32Array): void {
    const first = page * PAGE_DWORDS;
    for (let entry = this.#byPage[this.#findPage(page)]!; entry !== EMPTY; entry = this.#next[entry]!) {
      words[this.#at[entry]! - first] = this.#value[entry]!;
    }
  }

  /** @returns the lowest byte address stored in from..end (exclusive), or -1 */
  firstWithin(from: number, end: number): number {
    if (this.#count === 0) return -1;
    const last = Math.floor((end - 1) / (PAGE_DWORDS * 4));
    for (let page = Math.floor(from / (PAGE_DWORDS * 4)); page <= last; page++) {
      let lowest = -1;
      for (let entry = this.#byPage[this.#findPage(page)]!; entry !== EMPTY; entry = this.#next[entry]!) {
        const address = this.#at[entry]! * 4;
        if (address >= from && address < end && (lowest < 0 || address < lowest)) lowest = address;
      }
      if (lowest >= 0) return lowest;
    }
    return -1;
  }

  #find(dword: number): number {
    const mask = this.#byDword.length - 1;
    let slot = slotOf(dword, this.#shift);
    while (this.#byDword[slot] !== EMPTY && this.#at[this.#byDword[slot]!] !== dword) slot = (slot + 1) & mask;
    return slot;
  }

  #findPage(page: number): number {
    const mask = this.#byPage.length - 1;
    let slot = slotOf(page, this.#shift);
    while (this.#byPage[slot] !== EMPTY && Math.floor(this.#at[this.#byPage[slot]!]! / PAGE_DWORDS) !== page) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #link(entry: number): void {
    const slot = this.#findPage(Math.floor(this.#at[entry]! / PAGE_DWORDS));
    this.#next[entry] = this.#byPage[slot]!;
    this.#byPage[slot] = entry;
  }

  #grow(): void {
    const size = this.#at.length * 2;
    const at = new Float64Array(size);
    const value = new Uint32Array(size);
    at.set(this.#at);
    value.set(this.#value);
    this.#at = at;
    this.#value = value;
    this.#next = new Int32Array(size);
    this.#byDword = new Int32Array(size * SLOTS).fill(EMPTY);
    this.#byPage = new Int32Array(size * SLOTS).fill(EMPTY);
    this.#shift = Math.clz32(size * SLOTS - 1);
    for (let entry = 0; entry < this.#count; entry++) {
      this.#byDword[this.#find(this.#at[entry]!)] = entry;
      this.#link(entry);
    }
  }
}
