/** What gtt needs from outside, as small interfaces: pages that the device can reach, and notice of guest writes. */

/** Consecutive pages that both the mediator and the device can reach. */
export interface TablePages {
  readonly mfn: number;
  /** Contents as dwords; the first page starts at index `at`. */
  readonly words: Uint32Array;
  readonly at: number;
}

/** Where shadow tables and scratch come from. Pages arrive zeroed. `P` is the giver's own record of an allocation. */
export interface PagePool<P extends TablePages = TablePages> {
  /** @throws XengtError XENGT_E_NO_SPACE when exhausted */
  allocate(pages: number): P;
  free(pages: P): void;
}

/**
 * How writes to guest page tables become known. A page that is tracked is compared only after a write to it was noticed;
 * one that cannot be (track answered false) is compared at each submission.
 *
 * A hybrid lives behind this interface too: a tracker that gives up the protection of a page written often answers
 * takeDirty with true for it from then on.
 */
export interface TrackingStrategy {
  /** Starts to watch guest frame `gfn`; called once until untrack. @returns false where writes cannot be noticed */
  track(gfn: number): boolean;
  untrack(gfn: number): void;
  /**
   * Whether `gfn` was written since the last call. Asked before the page is read, so a write that lands during the read is
   * reported the next time.
   */
  takeDirty(gfn: number): boolean;
}

/** Sync-on-submit: nothing is watched, everything reachable is compared. All that a VMM without write tracking allows. */
export const SYNC_ON_SUBMIT: TrackingStrategy = {
  track: () => false,
  untrack: () => {},
  takeDirty: () => true,
};
