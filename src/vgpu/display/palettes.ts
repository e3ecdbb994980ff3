/**
 * The fine palettes of the pipes: 1024 entries of 10 bits a colour, behind an index and a data register. With auto-increment the index
 * goes on with each access to the data. Source: PRM SKL Vol 2c "PAL_PREC_INDEX", "PAL_PREC_DATA".
 */
import { PALETTE, PIPE_COUNT } from '../../hw/index.js';

export const PALETTE_ENTRIES = 1024;
const AUTO_INCREMENT = 0x8000;
const INDEX_MASK = PALETTE_ENTRIES - 1;
const ENTRY_MASK = 0x3fffffff;

export class Palettes {
  readonly #bank: Uint32Array;
  readonly #entries = Array.from({ length: PIPE_COUNT }, () => new Uint32Array(PALETTE_ENTRIES));

  constructor(bank: Uint32Array) {
    this.#bank = bank;
  }

  reset(): void {
    for (const entries of this.#entries) entries.fill(0);
  }

  of(pipe: number): Uint32Array {
    return this.#entries[pipe]!;
  }

  /** The data register at `offset`. */
  read(offset: number): number {
    return this.#entries[pipeOf(offset)]![this.#next(offset)]!;
  }

  write(offset: number, value: number): void {
    this.#entries[pipeOf(offset)]![this.#next(offset)] = value & ENTRY_MASK;
  }

  save(): number[][] {
    return this.#entries.map((entries) => [...entries]);
  }

  restore(saved: readonly (readonly number[])[]): void {
    this.#entries.forEach((entries, pipe) => {
      entries.set(saved[pipe]!);
    });
  }

  /** The entry that an access is to. */
  #next(offset: number): number {
    const at = (offset - PALETTE.DATA + PALETTE.INDEX) >>> 2;
    const register = this.#bank[at]!;
    const index = register & INDEX_MASK;
    if ((register & AUTO_INCREMENT) !== 0) this.#bank[at] = (register & ~INDEX_MASK) | ((index + 1) & INDEX_MASK);
    return index;
  }
}

const pipeOf = (offset: number): number => Math.floor((offset - PALETTE.BASE) / PALETTE.STRIDE);
