/** Operands of a case: addresses, registers and numbers at which a check could be wrong by a little. */
import { ENGINES, RING } from '../src/hw/index.js';
import type { FuzzTrust } from './case.js';
import type { Material } from './material.js';
import type { Random } from './random.js';
import { LAYOUTS, type Layout, RAM_BYTES } from './surroundings.js';

const PAGE = 4096;
const SMALL = [0, 1, 2, 3, 4, 7, 8, 0x10, 0x40, 0x80, 0x100, 0xfff, 0x1000, 0xffff, 0x10001];

/** Where the registers are that batches of processes use, with some of what lies beside them. Source: PRM SKL Vol 2c. */
const PROCESS_AREAS: readonly (readonly [first: number, last: number])[] = [
  [0x2080, 0x20f0],
  [0x2240, 0x22a0],
  [0x22f8, 0x2360],
  [0x23a0, 0x23b0],
  [0x23f8, 0x2448],
  [0x24c8, 0x2510],
  [0x2578, 0x2688],
  [0x51f8, 0x5298],
  [0x6ff8, 0x7038],
  [0x72f8, 0x7320],
  [0xb008, 0xb040],
  [0xb110, 0xb120],
  [0xe100, 0xe1a0],
  [0x12358, 0x1235c],
  [0x221f8, 0x22208],
  [0x22358, 0x2235c],
  [0x22600, 0x22680],
];

export class Values {
  /** Dwords of the guest's memory where batches start. */
  readonly batches: number[] = [];
  readonly #random: Random;
  #layout: Layout = LAYOUTS[0]!;
  #open: Uint32Array = new Uint32Array(1);
  #boundary: Uint32Array = this.#open;
  #wide = true;
  #gentle = false;
  #gprs = 0x2600;
  #processes = false;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Whether addresses have two dwords, as since Gen8. */
  get wide(): boolean {
    return this.#wide;
  }

  /** @param gentle nearly everything is as it should be, so that long streams are accepted and run */
  begin(layout: Layout, material: Material, trust: FuzzTrust, gentle: boolean): void {
    this.#gentle = gentle;
    this.#processes = trust === 'ppgtt' || trust === 'haswell';
    this.#wide = material.platform.gen >= 8;
    this.#gprs = ENGINES[material.engine]!.mmioBase + RING.GPR0;
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

  /** Whether an access selects the global GTT: what batches of processes seldom do. */
  global(): boolean {
    return this.#random.chance(this.#processes ? 1 : 8, 16);
  }

  address(): number {
    const random = this.#random;
    if (this.#gentle && random.chance(31, 32)) return this.own();
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
    if (random.chance(this.#gentle ? 63 : 15, this.#gentle ? 64 : 16)) return 0;
    return random.pick([1, 0xffff, 0x10000, 0xffff0000, 0xffffffff, random.next()]);
  }

  /** Where a batch starts, in one of the many places at which its memory is seen; sometimes a little beside it. */
  batchAddress(): number {
    const random = this.#random;
    const { ranges } = this.#layout;
    if (this.batches.length === 0) return this.own();
    const base = random.chance(1, 2) ? ranges.lowStart : ranges.highStart;
    const copy = random.chance(3, 4) ? 0 : random.below(64) * RAM_BYTES;
    const beside = random.chance(this.#gentle ? 23 : 5, this.#gentle ? 24 : 6)
      ? 0
      : (random.below(9) - 4) * 4 + (random.chance(1, 4) ? random.below(4) : 0);
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
    if (this.#gentle && random.chance(31, 32)) return this.#gprs + random.below(32) * 4;
    if (this.#processes && random.chance(2, 3)) {
      const [first, last] = random.pick(PROCESS_AREAS);
      return first + random.below((last - first) / 4 + 1) * 4;
    }
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
