/** Shape of a register row. Tables of rows are compiled once per platform into flat typed arrays (src/mmio). */
import type { ReadBehaviour, WriteBehaviour } from './behaviours.js';

/** Row flags. */
export const R = {
  /** The guest cannot change it; a write is dropped and counted. */
  RO: 1,
  /** High half enables writes to the low half, bit by bit. */
  MODE_MASK: 2,
  /** Commands (LRI and kin) may reach it. */
  CMD: 4,
  /** Holds a graphics address of the guest's own ranges. */
  GMADR: 8,
  /** Part of the logical ring context image. */
  IN_CTX: 16,
  /** Saved and restored over host suspend. */
  PM_SAVE: 32,
  /** May be accessed unaligned. */
  UNALIGNED: 64,
  /** A command's write goes through the register's write handler, and the value may be replaced. */
  CMD_PATCH: 128,
} as const;

export interface RegisterRow {
  readonly name: string;
  /** Byte offset in the 2 MiB register window, a multiple of 4. */
  readonly offset: number;
  /** Bytes covered, a multiple of 4; default 4. More than 8 is a block of like dwords. */
  readonly size?: number;
  /** Value after reset, per dword; default 0. */
  readonly reset?: number;
  /** Bits that a guest may change; default all. Others keep their value, silently (R.RO drops the write and counts it). */
  readonly writeMask?: number;
  /** Bits cleared by writing 1; never set by a write. */
  readonly w1c?: number;
  /**
   * [request bits, state bits]: after each write the state bits follow the request bits. Both have the same pattern,
   * one shifted against the other (request 31 -> state 30).
   */
  readonly mirror?: readonly [request: number, state: number];
  readonly flags?: number;
  /** Bit set of platforms (P.*); default all. */
  readonly platforms?: number;
  /** Named behaviours (behaviours.ts). A handler replaces the columns above unless it calls back to them. */
  readonly read?: ReadBehaviour;
  readonly write?: WriteBehaviour;
}
