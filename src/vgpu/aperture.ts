/**
 * The CPU's window on a vGPU's low graphics memory, trapped: an access to BAR2 goes through the guest's own GGTT entries to
 * its memory, detiled where a fence covers the address. Back ends that map the aperture do not come here.
 */
import type { GuestMemory } from '../base/index.js';
import { FENCE_BASE, FENCE_TILE_Y, FENCE_VALID, type Grant, surfaceOffset, TILE_X, TILE_Y } from '../hw/index.js';

export interface ApertureHost {
  readonly bank: Uint32Array;
  readonly grant: Grant;
  readonly memory: GuestMemory;
  gfnOfGmadrPage(page: number): number;
  refuse(rule: string): void;
}

const FENCES = FENCE_BASE >>> 2;

export class Aperture {
  /** High half of the last 8-byte read. */
  readHi = 0;
  /** Fences in use, so that the common case costs one comparison. */
  #active = 0;

  constructor(private readonly host: ApertureHost) {}

  /** Counts valid fences after one changed. */
  fencesChanged(): void {
    this.#active = 0;
    for (let i = 0; i < this.host.grant.fenceCount; i++) {
      if ((this.host.bank[FENCES + 2 * i]! & FENCE_VALID) !== 0) this.#active++;
    }
  }

  /** @returns the low 32 bits, those above are in `readHi`; zero where nothing is mapped or the access is refused */
  read(gmadr: number, bytes: number): number {
    this.readHi = 0;
    if (!this.#decodes(gmadr, bytes)) return 0;
    if (bytes === 8) this.readHi = this.#read32(gmadr + 4);
    const value = this.#read32(gmadr & ~3);
    if (bytes >= 4) return value;
    return (value >>> ((gmadr & 3) * 8)) & (bytes === 2 ? 0xffff : 0xff);
  }

  /** Dropped where nothing is mapped. */
  write(gmadr: number, bytes: number, lo: number, hi: number): void {
    if (!this.#decodes(gmadr, bytes)) return;
    if (bytes >= 4) {
      this.#write32(gmadr, lo, -1);
      if (bytes === 8) this.#write32(gmadr + 4, hi, -1);
      return;
    }
    const shift = (gmadr & 3) * 8;
    this.#write32(gmadr & ~3, lo << shift, (bytes === 2 ? 0xffff : 0xff) << shift);
  }

  /** 1, 2, 4 or 8 bytes, aligned, all of them in the own slice. */
  #decodes(gmadr: number, bytes: number): boolean {
    const { lowStart, lowBytes } = this.host.grant;
    const width = bytes === 4 || bytes === 8 || bytes === 1 || bytes === 2;
    if (!width || gmadr % bytes !== 0) {
      this.host.refuse('aperture-access');
      return false;
    }
    if (gmadr >= lowStart && gmadr + bytes <= lowStart + lowBytes) return true;
    this.host.refuse('aperture-range');
    return false;
  }

  #read32(gmadr: number): number {
    const at = this.#locate(gmadr);
    return at < 0 ? 0 : this.host.memory.words[at]!;
  }

  /** Writes those bits of an aligned dword that `mask` names. */
  #write32(gmadr: number, value: number, mask: number): void {
    const at = this.#locate(gmadr);
    if (at < 0) return;
    const { words } = this.host.memory;
    words[at] = mask === -1 ? value : (words[at]! & ~mask) | (value & mask);
  }

  #locate(gmadr: number): number {
    const address = this.#active === 0 ? gmadr : this.#detile(gmadr);
    const gfn = this.host.gfnOfGmadrPage(Math.floor(address / 4096));
    if (gfn < 0) return -1;
    const at = this.host.memory.locate(gfn);
    return at < 0 ? -1 : at + ((address & 0xfff) >>> 2);
  }

  /**
   * Graphics address of the tiled byte that a linear aperture address means.
   * Fence layout: low dword start page | tiling | valid, high dword end page | pitch in 128 bytes less one (PRM Vol 2c FENCE).
   */
  #detile(gmadr: number): number {
    const { bank, grant } = this.host;
    for (let i = 0; i < grant.fenceCount; i++) {
      const lo = bank[FENCES + 2 * i]!;
      const hi = bank[FENCES + 2 * i + 1]!;
      const start = (lo & 0xfffff000) >>> 0;
      const end = ((hi & 0xfffff000) >>> 0) + 0x1000;
      if ((lo & FENCE_VALID) === 0 || gmadr < start || gmadr >= end) continue;
      const pitch = ((hi & 0xfff) + 1) * 128;
      const linear = gmadr - start;
      const tiling = (lo & FENCE_TILE_Y) !== 0 ? TILE_Y : TILE_X;
      return start + surfaceOffset(tiling, linear % pitch, Math.floor(linear / pitch), pitch, 4);
    }
    return gmadr;
  }
}
