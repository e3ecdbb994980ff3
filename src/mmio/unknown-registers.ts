/**
 * Counts accesses to offsets that no row describes, by offset. A small open-addressed hash over typed arrays: no
 * allocation per access, bounded whatever a guest does.
 */
const SLOTS = 4096;
/** Distinct offsets that are told apart; kept below SLOTS so that probing stays short and always ends. */
export const UNKNOWN_LIMIT = 3072;
const HASH_SHIFT = 20;

export interface UnknownRegister {
  readonly offset: number;
  readonly reads: number;
  readonly writes: number;
}

export class UnknownRegisters {
  /** Dword index + 1; 0 is free. */
  readonly #key = new Uint32Array(SLOTS);
  readonly #reads = new Float64Array(SLOTS);
  readonly #writes = new Float64Array(SLOTS);
  #used = 0;
  #overflow = 0;

  /** Accesses to further offsets once UNKNOWN_LIMIT were seen. */
  get overflow(): number {
    return this.#overflow;
  }
  /** Distinct offsets seen. */
  get size(): number {
    return this.#used;
  }

  read(dword: number): void {
    const slot = this.#slot(dword);
    if (slot >= 0) this.#reads[slot]!++;
  }
  write(dword: number): void {
    const slot = this.#slot(dword);
    if (slot >= 0) this.#writes[slot]!++;
  }

  #slot(dword: number): number {
    const key = dword + 1;
    let slot = Math.imul(key, 0x9e3779b1) >>> HASH_SHIFT;
    for (;;) {
      const at = this.#key[slot]!;
      if (at === key) return slot;
      if (at === 0) break;
      slot = (slot + 1) & (SLOTS - 1);
    }
    if (this.#used === UNKNOWN_LIMIT) {
      this.#overflow++;
      return -1;
    }
    this.#used++;
    this.#key[slot] = key;
    return slot;
  }

  /** All offsets seen, ascending. */
  list(): UnknownRegister[] {
    const found: UnknownRegister[] = [];
    for (let slot = 0; slot < SLOTS; slot++) {
      const key = this.#key[slot]!;
      if (key !== 0) found.push({ offset: (key - 1) * 4, reads: this.#reads[slot]!, writes: this.#writes[slot]! });
    }
    return found.sort((a, b) => a.offset - b.offset);
  }
}
