/** Memory of an in-process guest: any size of RAM, only the pages in use exist. */
import { GUEST_FRAMES, type GuestMemory, PAGE_DWORDS } from '../../base/index.js';

const CHUNK_PAGES = 256;

export class SparseMemory implements GuestMemory {
  words: Uint32Array = new Uint32Array(0);
  mappedFrames = 0;
  /** Frames are added, never changed. */
  readonly generation = 0;
  readonly #chunks: Uint32Array[] = [];
  #used = 0;
  /** Page slot + 1 by guest frame; 0 for RAM not in use yet, -1 for no RAM. */
  #slots = new Int32Array(0);

  /** @param frameBase machine frame of guest frame 0 */
  constructor(private readonly frameBase: number) {}

  /** Makes RAM of frames, as far as a device can reach them. */
  map(gfn: number, count: number): void {
    const end = Math.min(gfn + count, GUEST_FRAMES);
    if (end > this.#slots.length) {
      const grown = new Int32Array(end).fill(-1);
      grown.set(this.#slots);
      this.#slots = grown;
    }
    for (let i = gfn; i < end; i++) {
      if (this.#slots[i] === -1) {
        this.#slots[i] = 0;
        this.mappedFrames++;
      }
    }
  }

  unmap(gfn: number, count: number): void {
    for (let i = gfn; i < Math.min(gfn + count, this.#slots.length); i++) {
      if (this.#slots[i] === -1) continue;
      this.#slots[i] = -1;
      this.mappedFrames--;
    }
  }

  /** Forgets contents and mappings; pages in use are reused. */
  clear(): void {
    this.#slots.fill(-1);
    this.mappedFrames = 0;
    this.#used = 0;
    for (const chunk of this.#chunks) chunk.fill(0);
  }

  locate(gfn: number): number {
    let slot = this.#slots[gfn] ?? -1;
    if (slot < 0) return -1;
    if (slot === 0) slot = this.#take(gfn);
    slot--;
    this.words = this.#chunks[Math.floor(slot / CHUNK_PAGES)]!;
    return (slot % CHUNK_PAGES) * PAGE_DWORDS;
  }

  mfnOf(gfn: number): number {
    return (this.#slots[gfn] ?? -1) < 0 ? -1 : this.frameBase + gfn;
  }

  #take(gfn: number): number {
    if (this.#used === this.#chunks.length * CHUNK_PAGES) this.#chunks.push(new Uint32Array(CHUNK_PAGES * PAGE_DWORDS));
    this.#slots[gfn] = ++this.#used;
    return this.#used;
  }
}
