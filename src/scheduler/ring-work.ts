/**
 * A piece of a guest's ring as it will run: the mediator's commands before and behind the guest's own. They load the address
 * space, bring the render engine's context in and out, note the time, and say when all is done.
 * Source: PRM HSW Vol 2a MI_LOAD_REGISTER_IMM, MI_STORE_REGISTER_MEM, MI_STORE_DATA_IMM, MI_SET_CONTEXT.
 */
import { PAGE_DWORDS, PAGE_SIZE } from '../base/index.js';
import {
  CCID,
  CMD,
  ENGINES,
  type EngineId,
  MI_USE_GGTT,
  PP_DCLV_ALL,
  RCS,
  RING,
  RING7,
  SET_CONTEXT,
} from '../hw/index.js';
import type { HostBuffer } from './host-gm.js';
import type { Prepared } from './work.js';

/** Dwords of the page behind the ring that the mediator's commands write. */
export const NOTE = { START_TIME: 0, END_TIME: 1, CONTEXT: 2, END: 3 } as const;

/** Dwords before and behind the guest's commands; an even number, as tails are in quadwords. */
export const BEFORE_DWORDS = 14;
export const BEHIND_DWORDS = 14;

export interface RingFrame {
  /** Directory of the shadow address space, as PP_DIR_BASE has it. */
  readonly directory: number;
  /** The render context that the guest left current, and whether its image was ever saved. */
  readonly context: number;
  readonly restore: boolean;
  /** A context of the mediator's that is current between workloads, so that the guest's own are saved. */
  readonly parking: number;
  /** Where what the engine holds before any guest has run is to be kept, 0: it is known. */
  readonly fresh: number;
}

export class PreparedRing implements Prepared {
  constructor(
    /** The ring, and behind it the page of notes. */
    readonly ring: HostBuffer,
    readonly tail: number,
    readonly statusPage: number,
    /** What the last command writes. */
    readonly serial: number,
    readonly batches: readonly HostBuffer[],
    /** PP_DIR_BASE as the guest has it when all is done. */
    readonly guestDirectory: number,
    /** It keeps the engine's state after a reset. */
    readonly keepsFresh: boolean,
  ) {}

  get ringPages(): number {
    return this.ring.memory.pages - 1;
  }

  note(which: number): number {
    const { words, at } = this.ring.memory;
    return words[at + this.ringPages * PAGE_DWORDS + which]!;
  }

  clearNotes(): void {
    const { words, at } = this.ring.memory;
    words.fill(0, at + this.ringPages * PAGE_DWORDS, at + this.ringPages * PAGE_DWORDS + 4);
  }
}

const STORE_REGISTER = CMD.MI_STORE_REGISTER_MEM | MI_USE_GGTT | 1;
const LOAD_TWO_REGISTERS = CMD.MI_LOAD_REGISTER_IMM | 3;
const STORE_DWORD = CMD.MI_STORE_DATA_IMM | MI_USE_GGTT | 2;

/** Writes what comes before the guest's commands and behind its `dwords`. @returns dwords in all */
export function frameRing(
  engine: EngineId,
  ring: HostBuffer,
  dwords: number,
  serial: number,
  { directory, context, restore, parking, fresh }: RingFrame,
): number {
  const { words, at, pages } = ring.memory;
  const base = ENGINES[engine]!.mmioBase;
  const notes = ring.gmadr + (pages - 1) * PAGE_SIZE;
  const note = (which: number): number => notes + 4 * which;
  const render = engine === RCS;
  const flags = SET_CONTEXT.MEMORY_GTT | (restore ? 0 : SET_CONTEXT.RESTORE_INHIBIT);
  const park = SET_CONTEXT.MEMORY_GTT | SET_CONTEXT.RESTORE_INHIBIT;
  const before = [
    ...[STORE_REGISTER, base + RING.TIMESTAMP, note(NOTE.START_TIME)],
    ...[LOAD_TWO_REGISTERS, base + RING7.PP_DCLV, PP_DCLV_ALL, base + RING7.PP_DIR_BASE, directory],
    // A context that is left is saved: this one is left with what a reset has put into the engine.
    ...(render && fresh !== 0 ? [CMD.MI_SET_CONTEXT, (fresh | park) >>> 0, CMD.MI_NOOP] : []),
    ...(render ? [CMD.MI_SET_CONTEXT, (context | flags) >>> 0, CMD.MI_NOOP] : []),
  ];
  const behind = [
    ...(render ? [STORE_REGISTER, CCID, note(NOTE.CONTEXT), CMD.MI_SET_CONTEXT, (parking | park) >>> 0] : []),
    CMD.MI_NOOP,
    ...[STORE_REGISTER, base + RING.TIMESTAMP, note(NOTE.END_TIME)],
    ...[STORE_DWORD, 0, note(NOTE.END), serial],
    CMD.MI_USER_INTERRUPT,
  ];
  const first = at + BEFORE_DWORDS + dwords;
  words.fill(CMD.MI_NOOP, at, at + BEFORE_DWORDS);
  words.fill(CMD.MI_NOOP, first, first + BEHIND_DWORDS);
  words.set(before, at);
  words.set(behind, first);
  return BEFORE_DWORDS + dwords + BEHIND_DWORDS;
}
