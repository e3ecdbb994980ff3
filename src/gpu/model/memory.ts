/**
 * Machine memory as the model sees it: the host's pool at frame 0 and each guest's RAM in a range of its own, so that a frame
 * number says whose it is. Pool frames carry the owner on whose behalf they were allocated.
 */
import { type Frames, GUEST_FRAMES, PAGE_DWORDS, XengtError } from '../../base/index.js';
import { type DmaPages, OWNER_MEDIATOR } from '../port.js';

/** Frames set aside for each owner. */
export const OWNER_FRAMES = GUEST_FRAMES;
/** Page-table entries hold 46 address bits, 34 bits of frame number: that many owners fit. */
export const MAX_OWNER = 2 ** 34 / OWNER_FRAMES - 1;

/** Owner of a frame that does not exist. */
export const NO_OWNER = -1;

const CHUNK_PAGES = 1024;

/** One piece of host memory: `pages` frames from `first` on, consecutive in `words`. */
interface Chunk {
  readonly first: number;
  readonly pages: number;
  readonly words: Uint32Array;
  free: number;
}

export class MachineMemory implements Frames {
  words: Uint32Array = new Uint32Array(0);
  #lastFrame = -1;
  #lastAt = -1;

  readonly #poolPages: number;
  readonly #chunks: Chunk[] = [];
  /** Chunk of each group of 1024 pool frames. */
  readonly #chunkOf: Chunk[] = [];
  readonly #ownerOf: Int16Array;
  readonly #scratch: Uint8Array;
  readonly #guests: (Frames | undefined)[] = [];

  #bytes: Uint8Array = new Uint8Array(0);
  #bytesOf: Uint32Array = this.words;
  #olderBytes: Uint8Array = this.#bytes;
  #olderBytesOf: Uint32Array = this.words;

  constructor(poolPages: number) {
    if (!Number.isInteger(poolPages) || poolPages < CHUNK_PAGES || poolPages > OWNER_FRAMES)
      throw new XengtError(
        'XENGT_E_CONFIG',
        `the pool has ${poolPages} pages; allowed are ${CHUNK_PAGES} to ${OWNER_FRAMES}`,
      );
    this.#poolPages = poolPages;
    this.#ownerOf = new Int16Array(poolPages).fill(NO_OWNER);
    this.#scratch = new Uint8Array(poolPages);
  }

  locate(frame: number): number {
    if (frame === this.#lastFrame) return this.#lastAt;
    let at: number;
    if (frame < OWNER_FRAMES) {
      if (!(frame >= 0 && frame < this.#poolPages) || this.#ownerOf[frame]! < 0) return -1;
      const chunk = this.#chunkOf[frame >>> 10]!;
      this.words = chunk.words;
      at = (frame - chunk.first) * PAGE_DWORDS;
    } else {
      const owner = Math.floor(frame / OWNER_FRAMES);
      const guest = this.#guests[owner];
      if (guest === undefined) return -1;
      at = guest.locate(frame - owner * OWNER_FRAMES);
      if (at < 0) return -1;
      this.words = guest.words;
    }
    this.#lastFrame = frame;
    this.#lastAt = at;
    return at;
  }

  /** Forgets the page found last: guests' memory may come and go between events. */
  forget(): void {
    this.#lastFrame = -1;
  }

  /** The backing of the frame located last, as bytes. Kept for the last two backings: a copy alternates between two. */
  get bytes(): Uint8Array {
    const words = this.words;
    if (words === this.#bytesOf) return this.#bytes;
    const olderOf = this.#bytesOf;
    const older = this.#bytes;
    this.#bytes =
      words === this.#olderBytesOf
        ? this.#olderBytes
        : new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
    this.#bytesOf = words;
    this.#olderBytesOf = olderOf;
    this.#olderBytes = older;
    return this.#bytes;
  }

  /** Who `frame` belongs to: a guest, the vGPU or the mediator that a pool frame was allocated for, or NO_OWNER. */
  ownerOf(frame: number): number {
    if (frame < OWNER_FRAMES) return frame >= 0 && frame < this.#poolPages ? this.#ownerOf[frame]! : NO_OWNER;
    const owner = Math.floor(frame / OWNER_FRAMES);
    return this.#guests[owner] === undefined ? NO_OWNER : owner;
  }

  /** A scratch frame of the mediator: any context may touch it, nothing in it means anything. */
  isScratch(frame: number): boolean {
    return frame < this.#poolPages && this.#scratch[frame] === 1;
  }

  /** @throws XengtError XENGT_E_ACCESS unless it is an allocated frame of the mediator's own */
  markScratch(frame: number): void {
    if (frame >= OWNER_FRAMES || this.ownerOf(frame) !== OWNER_MEDIATOR)
      throw new XengtError('XENGT_E_ACCESS', `frame ${frame} is not the mediator's own and cannot become scratch`);
    this.#scratch[frame] = 1;
  }

  allocate(pages: number, owner: number): DmaPages {
    if (!Number.isInteger(pages) || pages < 1 || pages > this.#poolPages)
      throw new XengtError('XENGT_E_NO_SPACE', `${pages} pages cannot be had from a pool of ${this.#poolPages}`);
    if (!Number.isInteger(owner) || owner < OWNER_MEDIATOR || owner > MAX_OWNER)
      throw new XengtError('XENGT_E_ACCESS', `no pages are allocated for owner ${owner}`);
    for (const chunk of this.#chunks) {
      if (chunk.free < pages) continue;
      const mfn = this.#firstFit(chunk, pages);
      if (mfn >= 0) return this.#take(chunk, mfn, pages, owner);
    }
    const chunk = this.#grow(pages);
    return this.#take(chunk, this.#firstFit(chunk, pages), pages, owner);
  }

  /** @throws XengtError XENGT_E_NOT_FOUND when the pages are not allocated as they stand */
  free(pages: DmaPages): void {
    const chunk = this.#chunkOf[pages.mfn >>> 10];
    const end = pages.mfn + pages.pages;
    for (let mfn = pages.mfn; mfn < end; mfn++) {
      if (chunk?.words !== pages.words || this.ownerOf(mfn) < 0)
        throw new XengtError('XENGT_E_NOT_FOUND', `pool frame ${mfn} is not allocated`);
    }
    this.#ownerOf.fill(NO_OWNER, pages.mfn, end);
    this.#scratch.fill(0, pages.mfn, end);
    chunk!.free += pages.pages;
    this.forget();
  }

  attach(owner: number, memory: Frames): void {
    if (!Number.isInteger(owner) || owner <= OWNER_MEDIATOR || owner > MAX_OWNER)
      throw new XengtError('XENGT_E_NO_SPACE', `owner ${owner} has no machine frames; owners are 1 to ${MAX_OWNER}`);
    if (this.#guests[owner] !== undefined)
      throw new XengtError('XENGT_E_EXISTS', `memory of owner ${owner} is already attached`);
    this.#guests[owner] = memory;
    this.forget();
  }

  detach(owner: number): void {
    this.#guests[owner] = undefined;
    this.forget();
  }

  #firstFit(chunk: Chunk, pages: number): number {
    const end = chunk.first + chunk.pages;
    let run = 0;
    // Frame 0 is never handed out: an entry that was never filled in must not lead anywhere.
    for (let mfn = Math.max(chunk.first, 1); mfn < end; mfn++) {
      run = this.#ownerOf[mfn]! < 0 ? run + 1 : 0;
      if (run === pages) return mfn - pages + 1;
    }
    return -1;
  }

  #take(chunk: Chunk, mfn: number, pages: number, owner: number): DmaPages {
    this.#ownerOf.fill(owner, mfn, mfn + pages);
    chunk.free -= pages;
    const at = (mfn - chunk.first) * PAGE_DWORDS;
    chunk.words.fill(0, at, at + pages * PAGE_DWORDS);
    return { mfn, pages, words: chunk.words, at };
  }

  #grow(pages: number): Chunk {
    const first = this.#chunkOf.length * CHUNK_PAGES;
    const reserved = first === 0 ? 1 : 0;
    const groups = Math.ceil((pages + reserved) / CHUNK_PAGES);
    const size = Math.min(groups * CHUNK_PAGES, this.#poolPages - first);
    if (size < pages + reserved)
      throw new XengtError(
        'XENGT_E_NO_SPACE',
        `the pool of ${this.#poolPages} pages has no ${pages} consecutive free pages`,
      );
    const chunk: Chunk = { first, pages: size, words: new Uint32Array(size * PAGE_DWORDS), free: size - reserved };
    this.#chunks.push(chunk);
    for (let i = 0; i < groups; i++) this.#chunkOf.push(chunk);
    return chunk;
  }
}
