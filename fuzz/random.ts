/**
 * Random numbers of a case: Chris Doty-Humphrey's sfc32 (public domain, PractRand), seeded from the campaign's seed and the
 * case's number, so that a case can be made again by itself. All arithmetic is in 32 bits.
 */
export class Random {
  #a = 0;
  #b = 0;
  #c = 0;
  #counter = 0;

  /** Begins the sequence of case `number` of campaign `seed`. */
  seed(seed: number, number: number): void {
    this.#a = seed | 0;
    this.#b = number | 0;
    this.#c = Math.floor(number / 2 ** 32) | 0;
    this.#counter = 1;
    for (let i = 0; i < 12; i++) this.next();
  }

  /** 0 to 2^32 - 1. */
  next(): number {
    const result = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) | 0;
    return result >>> 0;
  }

  /** 0 to `bound` - 1. The bias of the multiplication does not matter here. */
  below(bound: number): number {
    return Math.floor((this.next() / 2 ** 32) * bound);
  }

  /** True in `parts` of `of` cases. */
  chance(parts: number, of: number): boolean {
    return this.below(of) < parts;
  }

  pick<T>(from: ArrayLike<T>): T {
    return from[this.below(from.length)] as T;
  }
}
