/**
 * Notice of writes to guest page tables: Xen sends writes to frames of the type HVMMEM_ioreq_server to us, where they are
 * carried out and noted; reads stay direct.
 *
 * A trapped write costs thousands of direct ones, so a frame that is written often between two looks is given up: it is
 * plain memory again, and counts as written at every look. After some looks it gets another chance.
 *
 * A page that the guest gives back loses its type, and the one that comes in its place is plain memory. So once Xen says
 * that pages went, each frame is protected anew at its next look.
 */
import { GUEST_FRAMES } from '../../base/index.js';
import type { Native } from '../native.js';

/** Memory types and access flags (Xen's public headers hvm/hvm_op.h and hvm/dm_op.h). */
export const MEMORY_RAM_RW = 0;
export const MEMORY_IOREQ_SERVER = 4;
const ACCESS_WRITE = 2;

/** Trapped writes between two looks that make a frame plain memory. */
export const HOT_WRITES = 8;
/** Looks at a frame that was given up until it is protected again. */
export const CALM_LOOKS = 64;

const PROTECTED = 1;
const WRITTEN = 2;
const GIVEN_UP = 4;

export class WriteTracker {
  /** Frames that are protected now, and those of the tracked ones that are not. */
  protectedFrames = 0;
  givenUpFrames = 0;
  /** Times that a frame was given up, and that Xen refused to protect one. */
  givenUp = 0;
  refused = 0;
  readonly #native: Native;
  readonly #guest: number;
  readonly #state = new Uint8Array(GUEST_FRAMES);
  /** Of a protected frame, writes since the last look; of one that was given up, looks. */
  readonly #count = new Uint8Array(GUEST_FRAMES);
  /** The invalidation after which a frame was protected. */
  readonly #since = new Uint32Array(GUEST_FRAMES);
  #invalidations = 0;
  /** Xen has been told that we take the type: at the first frame, and only one server of a domain can. */
  #claimed: boolean | null = null;
  #closed = false;

  constructor(native: Native, guest: number) {
    this.#native = native;
    this.#guest = guest;
  }

  /** @returns false where writes to this frame cannot be noticed */
  track(gfn: number): boolean {
    if (!(gfn >= 0 && gfn < GUEST_FRAMES) || !this.#claim()) return false;
    return this.#state[gfn] !== 0 || this.#protect(gfn);
  }

  untrack(gfn: number): void {
    if (!(gfn >= 0 && gfn < GUEST_FRAMES) || this.#state[gfn] === 0) return;
    if ((this.#state[gfn]! & PROTECTED) !== 0) this.#release(gfn);
    else this.givenUpFrames--;
    this.#state[gfn] = 0;
  }

  /** Whether the frame was written since the last look; true of one that is not tracked. Asked before it is read. */
  takeDirty(gfn: number): boolean {
    const state = this.#state[gfn] ?? 0;
    if ((state & GIVEN_UP) !== 0) {
      this.#lookAtGivenUp(gfn);
      return true;
    }
    if ((state & PROTECTED) === 0) return true;
    if (this.#since[gfn] !== this.#invalidations) {
      this.#release(gfn);
      if (this.#protect(gfn)) this.#state[gfn] = PROTECTED;
      else this.#giveUp(gfn);
      return true;
    }
    this.#count[gfn] = 0;
    this.#state[gfn] = PROTECTED;
    return (state & WRITTEN) !== 0;
  }

  #lookAtGivenUp(gfn: number): void {
    const looks = this.#count[gfn]! + 1;
    this.#count[gfn] = looks;
    if (looks < CALM_LOOKS) return;
    this.#count[gfn] = 0;
    // Protected first, then read by the caller: what is written in between is noticed.
    if (!this.#protect(gfn)) return;
    this.#state[gfn] = PROTECTED;
    this.givenUpFrames--;
  }

  /** A trapped write to `gfn` was carried out. */
  wrote(gfn: number): void {
    const state = this.#state[gfn] ?? 0;
    if ((state & PROTECTED) === 0) return;
    this.#state[gfn] = state | WRITTEN;
    const writes = this.#count[gfn]! + 1;
    this.#count[gfn] = writes;
    if (writes < HOT_WRITES) return;
    this.#release(gfn);
    this.#giveUp(gfn);
  }

  /** Pages of the guest went, or moved: perhaps some of these. */
  invalidate(): void {
    this.#invalidations = (this.#invalidations + 1) >>> 0;
  }

  #giveUp(gfn: number): void {
    this.#state[gfn] = GIVEN_UP;
    this.#count[gfn] = 0;
    this.givenUpFrames++;
    this.givenUp++;
  }

  #claim(): boolean {
    if (this.#closed) return false;
    this.#claimed ??= this.#native.xenMapMemType(this.#guest, MEMORY_IOREQ_SERVER, ACCESS_WRITE) >= 0;
    return this.#claimed;
  }

  #protect(gfn: number): boolean {
    if (this.#closed || this.#native.xenSetMemType(this.#guest, MEMORY_IOREQ_SERVER, gfn, 1) < 0) {
      this.refused++;
      return false;
    }
    // Whatever it holds now has not been looked at.
    this.#state[gfn] = PROTECTED | WRITTEN;
    this.#count[gfn] = 0;
    this.#since[gfn] = this.#invalidations;
    this.protectedFrames++;
    return true;
  }

  #release(gfn: number): void {
    this.protectedFrames--;
    // A frame that the guest gave back cannot be changed, and needs no change.
    if (!this.#closed) this.#native.xenSetMemType(this.#guest, MEMORY_RAM_RW, gfn, 1);
  }

  /** All frames are plain memory again, by one call; whoever still asks is told that nothing can be noticed. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#claimed === true) this.#native.xenMapMemType(this.#guest, MEMORY_IOREQ_SERVER, 0);
  }
}
