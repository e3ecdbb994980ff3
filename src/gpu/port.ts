/**
 * The Gpu port: the one device below the mediator, real or model. Reached only through registers, GGTT entries, memory
 * that both sides see, and interrupts; nothing here tells which back end it is.
 */
import type { Frames } from '../base/index.js';
import type { Platform } from '../hw/index.js';

/** Who a machine frame belongs to: a vGPU id (1 and up) or the mediator itself. */
export const OWNER_MEDIATOR = 0;

/** Pages of the mediator that the device can reach: shadow tables, shadow contexts, shadow rings, scratch. */
export interface DmaPages {
  /** Machine frame of the first page; the pages are consecutive. */
  readonly mfn: number;
  readonly pages: number;
  /** The pages' contents, as dwords. */
  readonly words: Uint32Array;
  /** Dword index of the first page's first dword within `words`. */
  readonly at: number;
}

/** Bytes of graphics address space that the CPU can map, and how the device is laid out. */
export interface Gpu {
  readonly platform: Platform;
  readonly apertureBytes: number;
  readonly fences: number;

  /** Physical register access, 4 bytes. */
  read32(offset: number): number;
  write32(offset: number, value: number): void;
  /** Physical GGTT entry. */
  writeGgtt(index: number, lo: number, hi: number): void;
  readGgttLo(index: number): number;
  readGgttHi(index: number): number;

  /**
   * Consecutive zeroed pages that the device can reach, used on behalf of `owner`.
   * @throws XengtError XENGT_E_NO_SPACE when the pool is exhausted
   */
  allocate(pages: number, owner: number): DmaPages;
  free(pages: DmaPages): void;
  /** Declares a mediator page that every context may reach: scratch. Only a model's isolation oracle cares. */
  markScratch(mfn: number): void;

  /** First machine frame of a guest's memory, where the back end numbers guests itself (the model); a real device returns 0. */
  frameBase(owner: number): number;
  /** Makes a guest's memory reachable by the device, under the frame numbers that start at frameBase(owner). */
  attachMemory(owner: number, memory: Frames): void;
  detachMemory(owner: number): void;

  /** Called from within advance() or write32() when the device raises its interrupt; the listener must only take note. */
  onInterrupt: (() => void) | null;

  /** Lets the device work up to `now` (ns). A real device needs no help. @returns whether anything observable happened */
  advance(now: number): boolean;
  /** When advance() is needed next, ns; NEVER when idle. */
  nextDue(): number;
}

/** One access that the running context had no right to. */
export interface IsolationViolation {
  readonly at: number;
  readonly engine: string;
  readonly owner: number;
  readonly mfn: number;
  readonly mfnOwner: number;
  readonly gmadr: number;
  readonly write: boolean;
}

/** What only a model can offer: an independent witness of isolation. */
export interface IsolationOracle {
  readonly violations: number;
  readonly last: readonly IsolationViolation[];
}
