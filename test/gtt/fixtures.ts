/** A guest's RAM and a pool of device pages for gtt tests, and a walker of page tables that shares no code with src/gtt. */
import type { GuestMemory } from '../../src/base/index.js';
import { XengtError } from '../../src/base/index.js';
import type { PagePool, TablePages } from '../../src/gtt/index.js';

/** RAM from guest frame 0 on; `mfns` says what machine frame each is, -1 for a hole. */
export class FakeGuest implements GuestMemory {
  words: Uint32Array;
  locates = 0;
  readonly generation = 0;
  constructor(readonly mfns: number[]) {
    this.words = new Uint32Array(mfns.length * 1024);
  }
  get mappedFrames(): number {
    return this.mfns.filter((mfn) => mfn >= 0).length;
  }
  mfnOf(gfn: number): number {
    return this.mfns[gfn] ?? -1;
  }
  locate(gfn: number): number {
    this.locates++;
    return this.mfnOf(gfn) < 0 ? -1 : gfn * 1024;
  }
  /** Writes entry `index` of the table in frame `gfn`. */
  entry(gfn: number, index: number, target: number, bits: number): void {
    this.words[gfn * 1024 + index * 2] = ((target << 12) | bits) >>> 0;
    this.words[gfn * 1024 + index * 2 + 1] = Math.floor(target / 0x100000);
  }
}

/** Device pages with machine frames from `base` on, never reused, so that a stale pointer is seen. */
export class FakePool implements PagePool {
  readonly live = new Map<number, TablePages>();
  allocations = 0;
  constructor(
    readonly base = 0x200000,
    readonly limit = Number.POSITIVE_INFINITY,
  ) {}
  allocate(): TablePages {
    if (this.live.size >= this.limit) throw new XengtError('XENGT_E_NO_SPACE', 'pool is empty');
    const pages = { mfn: this.base + this.allocations++, words: new Uint32Array(1024 + 8), at: 8 };
    this.live.set(pages.mfn, pages);
    return pages;
  }
  free(pages: TablePages): void {
    if (!this.live.delete(pages.mfn)) throw new Error(`page ${pages.mfn} freed twice`);
    pages.words.fill(0xdeadbeef);
  }
}

export type ReadTable = (frame: number, index: number) => bigint | null;

/** Where a walk ended: a frame and its attributes (present, RW and the PAT index), or why nowhere. */
export interface Walk {
  frame: number;
  attributes: number;
}

const ADDRESS = 0x3fff_ffff_f000n;

/** Walks one address by the book, in 64-bit arithmetic. @returns null where an entry on the way is not present */
export function walk(read: ReadTable, root: number, levels: number, gmadr: bigint, ips: boolean): Walk | null {
  let frame = root;
  for (let level = levels; level >= 1; level--) {
    const index = Number((gmadr >> BigInt(12 + 9 * (level - 1))) & 511n);
    const entry = read(frame, index);
    if (entry === null || (entry & 1n) === 0n) return null;
    if (level === 2 && (entry & 0x80n) !== 0n) {
      const base = Number((entry & ADDRESS & ~0x1fffffn) >> 12n);
      const pat = (entry >> 12n) & 1n;
      return { frame: base + Number((gmadr >> 12n) & 511n), attributes: Number((entry & 0x1bn) | (pat << 7n)) };
    }
    if (level === 1) return { frame: Number((entry & ADDRESS) >> 12n), attributes: Number(entry & 0x9bn) };
    frame = Number((entry & ADDRESS) >> 12n);
    if (level === 2 && ips && (entry & 0x800n) !== 0n) {
      const big = read(frame, Number((gmadr >> 12n) & 511n) & ~15);
      if (big === null || (big & 1n) === 0n) return null;
      const base = Number((big & ADDRESS & ~0xffffn) >> 12n);
      return { frame: base + Number((gmadr >> 12n) & 15n), attributes: Number(big & 0x9bn) };
    }
  }
  return null;
}

export function guestReader(guest: FakeGuest): ReadTable {
  return (frame, index) => {
    if (guest.mfnOf(frame) < 0) return null;
    const at = frame * 1024 + index * 2;
    return (BigInt(guest.words[at + 1]!) << 32n) | BigInt(guest.words[at]!);
  };
}

/** Reads device pages; anything else that is walked into is a broken shadow. */
export function poolReader(pool: FakePool): ReadTable {
  return (frame, index) => {
    const pages = pool.live.get(frame);
    if (pages === undefined) throw new Error(`the shadow points at frame ${frame.toString(16)}, which is no table`);
    const at = pages.at + index * 2;
    return (BigInt(pages.words[at + 1]!) << 32n) | BigInt(pages.words[at]!);
  };
}
