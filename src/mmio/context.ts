/** What register handlers get to work with, and what they are. */
import type { Platform } from '../hw/index.js';

/** The registers of one vGPU, as handlers see them. */
export interface Registers {
  /** One dword per four bytes of register window. */
  readonly bank: Uint32Array;
  /** Registers behind the sideband (SBI) port: pairs of key and value. Part of the state, not of the window. */
  readonly sideband: Uint32Array;
  /**
   * Stores by the row's columns alone (write mask, w1c, mode mask, mirror, read-only), without calling its handler.
   * @param value bits to write, zero outside `mask`
   * @param mask bits of the dword that the access covers
   */
  store(offset: number, value: number, mask: number): void;
}

/** The least that the standard handlers need. A vGPU passes more to its own. */
export interface MmioContext {
  readonly regs: Registers;
  readonly platform: Platform;
  /** The guest did what a vGPU cannot give: it loses its vGPU, for the reason given. */
  failsafe(reason: string): void;
  /** The guest asked for a TLB invalidation by the register at `offset`. */
  tlbInvalidate(offset: number): void;
  /** Counts an access that was refused, under the name of the rule. */
  refuse(rule: string): void;
}

/** Answers a dword read at `offset` (a multiple of 4). */
export type ReadHandler<C> = (ctx: C, offset: number) => number;

/**
 * Takes a write to the dword at `offset` and stores what it wants.
 * @param value bits written, zero outside `mask`
 * @param mask bits of the dword that the access covers: 0xffffffff except for byte and word accesses
 */
export type WriteHandler<C> = (ctx: C, offset: number, value: number, mask: number) => void;

/** Implementations of the behaviours that rows name. */
export interface Handlers<C> {
  readonly read: Readonly<Record<string, ReadHandler<C>>>;
  readonly write: Readonly<Record<string, WriteHandler<C>>>;
}

/** `old` with the bits of `mask` taken from `value`. */
export function merge(old: number, value: number, mask: number): number {
  return ((old & ~mask) | (value & mask)) >>> 0;
}
