/** Operands of a case: addresses, registers and numbers at which a check could be wrong by a little. */
import type { FuzzTrust } from './case.js';
import type { Material } from './material.js';
import type { Random } from './random.js';
import { LAYOUTS, type Layout, RAM_BYTES } from './surroundings.js';

const PAGE = 4096;
const SMALL = [0, 1, 2, 3, 4, 7, 8, 0x10, 0x40, 0x80, 0x100, 0xfff, 0x1000, 0xffff, 0x10001];

export class Values {
  /** Dwords of the guest's memory where batches start. */
  readonly batches: number[] = [];
  readonly #random: Random;
  #layout: Layout = LAYOUTS[0]!;
  #open: Uint32Array = new Uint32Array(1);
  #boundary: Uint32Array = this.#open;
  #wide = true;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Whether addresses have two dwords, as since Gen8. */
  get wide(): boolean {
    return this.#wide;
  }

  begin(layout: Layout, material: Material): void {
    this.#wide = material.platform.gen >= 8;
    this.batches.length = 0;
    this.#layout = layout;
    this.#open = material.open;
    this.#boundary = material.boundary;
  }

  /** An address of the guest's own, on a dword. */
  own(): number {
    const { ranges } = this.#layout;
    const start = this.#random.chance(1, 2) ? ranges.lowStart : ranges.highStart;
    return start + this.#random.below(RAM_BYTES / 4) * 4;
  }

  address(): number {
    const random = this.#random;
    const { ranges, mediator } = this.#layout;
    switch (random.below(16)) {
      case 0:
        return this.#around(random.chance(1, 2) ? ranges.lowEnd : ranges.highEnd);
      case 1:
        return this.#around(random.chance(1, 2) ? ranges.lowStart : ranges.highStart);
      case 2:
        return this.#around(this.own() & ~(PAGE - 1));
      case 3:
        return random.chance(1, 2) ? this.#around(0) : mediator + random.below(0x40) * PAGE + random.below(PAGE);
      case 4:
        return random.chance(1, 2) ? random.next() : this.batchAddress();
      default:
        return this.own();
    }
  }

  /** The upper half of an address. */
  high(): number {
    const random = this.#random;
    if (random.chance(15, 16)) return 0;
    return random.pick([1, 0xffff, 0x10000, 0xffff0000, 0xffffffff, random.next()]);
  }

  /** Where a batch starts, in one of the many places at which its memory is seen; sometimes a little beside it. */
  batchAddress(): number {
    const random = this.#random;
    const { ranges } = this.#layout;
    if (this.batches.length === 0) return this.own();
    const base = random.chance(1, 2) ? ranges.lowStart : ranges.highStart;
    const copy = random.chance(3, 4) ? 0 : random.below(64) * RAM_BYTES;
    const beside = random.chance(5, 6) ? 0 : (random.below(9) - 4) * 4 + (random.chance(1, 4) ? random.below(4) : 0);
    return Math.max(0, base + copy + random.pick(this.batches) * 4 + beside) >>> 0;
  }

  /** Where batch `index` is seen by whoever starts it at that trust. */
  startOf(index: number, trust: FuzzTrust): number {
    const low = (this.batches[index] ?? 0) * 4;
    const { ranges } = this.#layout;
    const random = this.#random;
    if (trust === 'haswell') return low + random.below(1024) * RAM_BYTES;
    if (trust === 'ppgtt') return low + random.below(2 ** 31) * RAM_BYTES;
    if (random.chance(1, 30)) return this.batchAddress();
    return (random.chance(1, 2) ? ranges.lowStart : ranges.highStart) + low;
  }

  register(): number {
    const random = this.#random;
    switch (random.below(16)) {
      case 0:
      case 1:
        return random.pick(this.#boundary);
      case 2:
        return (random.pick(this.#boundary) + random.pick([1, 2, 4, -4, 0x800000, 0x80000000])) >>> 0;
      case 3:
        return random.below(0x200000) & ~3;
      case 4:
        return random.next();
      default:
        return random.pick(this.#open);
    }
  }

  small(): number {
    return this.#random.pick(SMALL);
  }

  any(): number {
    const random = this.#random;
    switch (random.below(8)) {
      case 0:
        return this.address();
      case 1:
        return this.register();
      case 2:
        return random.next();
      case 3:
        return 0xffffffff;
      case 4:
        return 0;
      default:
        return this.small();
    }
  }

  #around(address: number): number {
    return (address + this.#random.below(0x140) - 0x120 + (this.#random.chance(1, 2) ? 0x90 : 0)) >>> 0;
  }
}
