/**
 * Memory by frames of 4 KiB. The one way in which any layer reads or writes memory that the GPU can also reach: a guest's
 * RAM by guest frame number, or all of machine memory by machine frame number.
 *
 * `locate` is the choke point on purpose: it allocates nothing, and an observer placed behind it sees every page that is
 * touched (that is how a journal learns which memory a replay will need). A located page may be used until the next
 * `locate` on the same object or until the current event ends, never kept: the memory may be unmapped between events.
 */
export interface Frames {
  /**
   * Finds `frame` and points `words` at memory that holds it.
   * @returns dword index of the frame's first dword within `words`, or -1 when there is no such frame
   */
  locate(frame: number): number;
  /** Backing of the last frame located, as dwords. */
  words: Uint32Array;
}

export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 4096;
export const PAGE_DWORDS = 1024;

/**
 * Guest frames that a device can reach: 64 GiB. Memory above is not RAM to it. Who numbers machine frames by guest keeps this
 * many for each, so that no frame of one guest has the number of another's.
 */
export const GUEST_FRAMES = 2 ** 24;

/** Memory of a guest: its frames and what machine frames they are. */
export interface GuestMemory extends Frames {
  /** Machine frame number of guest frame `gfn`, or -1 when the guest has no RAM there. */
  mfnOf(gfn: number): number;
  /** Frames of RAM that are mapped now. */
  readonly mappedFrames: number;
  /** Changes when frames that were found before may be others now: what was made of them must be made anew. */
  readonly generation: number;
}

/** Reads the dword at byte address `address` (4-byte aligned), or `missing` where there is no memory. */
export function read32(frames: Frames, address: number, missing = 0): number {
  const at = frames.locate(Math.floor(address / PAGE_SIZE));
  return at < 0 ? missing : frames.words[at + ((address >>> 2) & 0x3ff)]!;
}

/** Writes the dword at byte address `address` (4-byte aligned). @returns false where there is no memory */
export function write32(frames: Frames, address: number, value: number): boolean {
  const at = frames.locate(Math.floor(address / PAGE_SIZE));
  if (at < 0) return false;
  frames.words[at + ((address >>> 2) & 0x3ff)] = value;
  return true;
}
