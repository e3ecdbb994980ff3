/**
 * The world of a case: which graphics addresses are the guest's own, and how all of them lead to 64 KiB of memory. Every page
 * of the own ranges and of the whole per-process address space maps frame (page & 15), so that any address can be executed
 * from, read and written; every 64th page is a hole that nothing maps. Everything else in the global GTT is somebody else's.
 */
import type { Frames } from '../src/base/index.js';
import type { AddressRanges } from '../src/cmd-parser/index.js';

export const RAM_PAGES = 16;
export const RAM_DWORDS = RAM_PAGES * 1024;
export const RAM_BYTES = RAM_DWORDS * 4;

const HOLE_EVERY = 64;
const HOLE = 32;

export const isHole = (page: number): boolean => page % HOLE_EVERY === HOLE;
export const frameOfPage = (page: number): number => page % RAM_PAGES;
/** Dword of the guest's memory behind a graphics address of its own. */
export const ramDword = (address: number): number => Math.floor((address % RAM_BYTES) / 4);

export interface Layout {
  readonly ranges: AddressRanges;
  /** First address of the mediator's own graphics memory: shadow rings, contexts, batches. */
  readonly mediator: number;
}

const MIB = 2 ** 20;

/** Ranges in the middle of the address space, one that ends with it, and one that begins with it. */
export const LAYOUTS: readonly Layout[] = [
  {
    ranges: { lowStart: 64 * MIB, lowEnd: 128 * MIB, highStart: 512 * MIB, highEnd: 768 * MIB },
    mediator: MIB,
  },
  {
    ranges: { lowStart: 16 * MIB, lowEnd: 80 * MIB, highStart: 3840 * MIB, highEnd: 4096 * MIB },
    mediator: 96 * MIB,
  },
  {
    ranges: { lowStart: 0, lowEnd: 64 * MIB, highStart: 256 * MIB, highEnd: 512 * MIB },
    mediator: 192 * MIB,
  },
];

export const isOwn = ({ lowStart, lowEnd, highStart, highEnd }: AddressRanges, from: number, bytes: number): boolean =>
  (from >= lowStart && from + bytes <= lowEnd) || (from >= highStart && from + bytes <= highEnd);

/** The guest's memory by page of graphics address, in any address space; counts how often it was asked. */
export class GuestView implements Frames {
  words: Uint32Array;
  located = 0;
  constructor(ram: Uint32Array) {
    this.words = ram;
  }
  locate(page: number): number {
    this.located++;
    return isHole(page) ? -1 : frameOfPage(page) * 1024;
  }
}
