/**
 * What work costs in engine time. The model runs 3D, GPGPU and media as timed no-ops, so these numbers are all that makes one
 * workload longer than another; they are declared, not measured, of the order of a Gen9 GT2 part.
 */
export interface CostModel {
  /** A dword of MI_NOOP, ns: a parser that takes one every other clock. */
  readonly noop: number;
  /** An MI command that touches no memory, ns. */
  readonly mi: number;
  /** A jump into or out of a batch buffer: the prefetched commands are lost, ns. */
  readonly jump: number;
  /** A read or write of memory by the command streamer, ns. */
  readonly memory: number;
  /** PIPE_CONTROL or MI_FLUSH_DW, ns. */
  readonly flush: number;
  /** A pipeline state command, ns. */
  readonly state: number;
  /** 3DPRIMITIVE, ns, plus ns per vertex, at most. */
  readonly draw: number;
  readonly drawVertex: number;
  readonly drawMost: number;
  /** GPGPU_WALKER or MEDIA_OBJECT, ns, plus ns per thread group, at most. */
  readonly dispatch: number;
  readonly dispatchGroup: number;
  readonly dispatchMost: number;
  /** A command that makes a video engine decode, encode or process a picture or a slice of it, ns. */
  readonly mediaObject: number;
  /** A blit, ns, plus what it moves at this many bytes per ns (1 = 1 GB/s; a copy moves each byte once). */
  readonly blit: number;
  readonly blitBytesPerNs: number;
  /** Restore of a context, ns. */
  readonly contextRestore: number;
  /** Save of a context, ns. */
  readonly contextSave: number;
  /** First and longest interval at which MI_SEMAPHORE_WAIT looks again, ns; it doubles in between. */
  readonly semaphorePoll: number;
  readonly semaphorePollMost: number;
  /**
   * How much longer a turn of a batch that jumps in a circle and does nothing takes, ns: the first, and at most. Hardware
   * turns as fast as it can; here each turn is the host's time, and the circle only waits for somebody to break it.
   */
  readonly idleLoop: number;
  readonly idleLoopMost: number;
}

export const DEFAULT_COST: CostModel = {
  noop: 2,
  mi: 50,
  jump: 400,
  memory: 100,
  flush: 500,
  state: 60,
  draw: 8_000,
  drawVertex: 2,
  drawMost: 4_000_000,
  dispatch: 10_000,
  dispatchGroup: 100,
  dispatchMost: 4_000_000,
  mediaObject: 100_000,
  blit: 1_000,
  blitBytesPerNs: 8,
  contextRestore: 4_000,
  contextSave: 2_000,
  semaphorePoll: 2_000,
  semaphorePollMost: 256_000,
  idleLoop: 1_000,
  idleLoopMost: 64_000,
};
