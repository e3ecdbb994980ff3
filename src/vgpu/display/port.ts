/** What the virtual display needs from the vGPU it is part of. */
import type { Frames } from '../../base/index.js';
import type { DisplayEventName, Platform } from '../../hw/index.js';

export interface DisplayHost {
  readonly platform: Platform;
  /** The vGPU's register bank, one dword per 4 bytes of register window. */
  readonly bank: Uint32Array;
  /** The guest's memory; none while it is not attached. */
  readonly memory: Frames;
  /** Time of the event being processed, ns. */
  now(): number;
  /** Raises a display event; `pipe` (0..2) moves pipe events from pipe A to the given pipe's group. */
  raise(event: DisplayEventName, pipe?: number): void;
  /**
   * Guest frame behind a graphics address of this vGPU, by its own GGTT; -1 where nothing is mapped.
   * Takes a page number of the graphics address space (GMADR >> 12).
   */
  gfnOfGmadrPage(page: number): number;
}
