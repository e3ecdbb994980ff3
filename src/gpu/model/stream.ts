/**
 * Where an engine's commands come from: the ring, up to two levels of batch buffers above it, and what runs while a context
 * is restored. Knows positions only; what a command does is not its business.
 */
import { PAGE_SIZE } from '../../base/index.js';
import { RING } from '../../hw/index.js';
import type { ContextImage } from './context.js';
import type { Device } from './device.js';
import { GMADR_SPAN, type Mmu } from './mmu.js';

const INDIRECT = -2;
const PER_CONTEXT = -1;
const RING_LEVEL = 0;
const FIRST_LEVEL = 1;
const SECOND_LEVEL = 2;

const RING_ENABLE = 1;
const RING_PAGES = 0x1ff000;
const RING_OFFSET = 0x1ffffc;
/** The longest command: 10 bits of length, and room. */
export const LONGEST_COMMAND = 1040;

export class CommandStream {
  /** Offset of the ring's next command. */
  head = 0;
  #tail = 0;
  #ringStart = 0;
  #ringSize = PAGE_SIZE;
  #level = RING_LEVEL;
  /** Address of the next command, outside the ring. */
  #next = 0;
  #perProcess = false;
  #returnTo = 0;
  #returnPerProcess = false;
  #indirectEnd = 0;
  /** Address of the per-context batch; 0 is none. */
  #perContext = 0;
  /** Where the command began that was met last. */
  #mark = 0;

  readonly #device: Device;
  readonly #base: number;
  readonly #mmu: Mmu;
  readonly #context: ContextImage;

  constructor(device: Device, mmioBase: number, mmu: Mmu, context: ContextImage) {
    this.#device = device;
    this.#base = mmioBase;
    this.#mmu = mmu;
    this.#context = context;
  }

  reset(): void {
    this.#level = RING_LEVEL;
    this.head = 0;
    this.#tail = 0;
  }

  get tail(): number {
    return this.#tail;
  }
  set tail(value: number) {
    this.#tail = value & RING_OFFSET;
  }

  /** Graphics address of the next command. */
  get address(): number {
    return this.#level === RING_LEVEL ? this.#ringStart + this.head : this.#next;
  }
  /** The next command lies in the global GTT: it comes from the ring or from a privileged batch. */
  get global(): boolean {
    return this.#level <= RING_LEVEL || !this.#perProcess;
  }
  get inRing(): boolean {
    return this.#level === RING_LEVEL;
  }
  /** Still restoring the context. */
  get restoring(): boolean {
    return this.#level < RING_LEVEL;
  }
  get empty(): boolean {
    return this.#level === RING_LEVEL && this.head === this.#tail;
  }
  /** Bytes of commands in the ring. */
  get ringLeft(): number {
    const left = this.#tail - this.head;
    return left >= 0 ? left : left + this.#ringSize;
  }

  /** The ring's place and size as its registers are now. */
  reload(): void {
    const { registers } = this.#device;
    this.#ringStart = (registers.get(this.#base + RING.START) & ~0xfff) >>> 0;
    this.#ringSize = (registers.get(this.#base + RING.CTL) & RING_PAGES) + PAGE_SIZE;
  }

  /** Goes on in the ring, at the offset that the lower bits of `value` say. */
  moveHead(value: number): void {
    this.#level = RING_LEVEL;
    this.head = (value & RING_OFFSET) % this.#ringSize;
  }

  /** Begins with the context whose registers have just been restored: first the parts that belong to the restore. */
  begin(): void {
    const { registers } = this.#device;
    const control = registers.get(this.#base + RING.CTL);
    this.#ringStart = (registers.get(this.#base + RING.START) & ~0xfff) >>> 0;
    this.#ringSize = (control & RING_PAGES) + PAGE_SIZE;
    this.head = (registers.get(this.#base + RING.HEAD) & RING_OFFSET) % this.#ringSize;
    this.#tail = (registers.get(this.#base + RING.TAIL) & RING_OFFSET) % this.#ringSize;
    if ((control & RING_ENABLE) === 0) this.#tail = this.head;
    const indirect = registers.get(this.#base + RING.INDIRECT_CTX);
    const perContext = registers.get(this.#base + RING.BB_PER_CTX_PTR);
    this.#perContext = (perContext & 1) === 0 ? 0 : (perContext & ~0xfff) >>> 0;
    const lines = indirect & 0x3f;
    this.#perProcess = false;
    this.#level = INDIRECT;
    this.#next = (indirect & ~0x3f) >>> 0;
    this.#indirectEnd = this.#next + lines * 64;
    if (lines === 0) this.#endOfRestorePart();
  }

  /** Notes in the context where it stands, so that begin() finds back there. */
  keep(): void {
    const { first, second } = this.#context;
    first.valid = this.#level >= FIRST_LEVEL;
    second.valid = this.#level === SECOND_LEVEL;
    first.address = second.valid ? this.#returnTo : this.#next;
    first.perProcess = second.valid ? this.#returnPerProcess : this.#perProcess;
    second.address = this.#next;
    second.perProcess = this.#perProcess;
    this.#device.registers.set(this.#base + RING.HEAD, this.head);
  }

  /** Ends the indirect context where it is used up: it has no end command. */
  settle(): void {
    if (this.#level === INDIRECT && this.#next >= this.#indirectEnd) this.#endOfRestorePart();
  }

  enterBatch(address: number, perProcess: boolean, secondLevel: boolean): void {
    if (this.restoring) return;
    if (this.#level === RING_LEVEL) this.#level = FIRST_LEVEL;
    else if (this.#level === FIRST_LEVEL && secondLevel) {
      this.#level = SECOND_LEVEL;
      this.#returnTo = this.#next;
      this.#returnPerProcess = this.#perProcess;
    }
    this.#next = address;
    this.#perProcess = perProcess;
  }

  leaveBatch(): void {
    if (this.#level === SECOND_LEVEL) {
      this.#level = FIRST_LEVEL;
      this.#next = this.#returnTo;
      this.#perProcess = this.#returnPerProcess;
    } else if (this.#level === FIRST_LEVEL) this.#level = RING_LEVEL;
    else if (this.restoring) this.#endOfRestorePart();
  }

  /** Goes behind a command of `dwords`. */
  advance(dwords: number): void {
    if (this.#level === RING_LEVEL) {
      this.#mark = this.head;
      this.head = (this.head + dwords * 4) % this.#ringSize;
    } else {
      this.#mark = this.#next;
      this.#next = (this.#next + dwords * 4) % GMADR_SPAN;
    }
  }

  /** Goes back to the command just passed. */
  again(): void {
    if (this.#level === RING_LEVEL) this.head = this.#mark;
    else this.#next = this.#mark;
  }

  /** Reads the next command, over page borders and the ring's end. @returns false where it cannot be read */
  fetch(into: Uint32Array, length: number): boolean {
    const { memory } = this.#device;
    const global = this.global;
    const inRing = this.#level === RING_LEVEL;
    const end = inRing ? this.#ringStart + this.#ringSize : GMADR_SPAN;
    let gma = this.address;
    for (let got = 0; got < length; ) {
      const at = this.#mmu.locate(gma, global, false);
      if (at < 0) return false;
      const count = Math.min(length - got, (PAGE_SIZE - (gma % PAGE_SIZE)) >>> 2, (end - gma) / 4);
      const { words } = memory;
      for (let i = 0; i < count; i++) into[got + i] = words[at + i]!;
      got += count;
      gma += count * 4;
      if (gma === end) gma = inRing ? this.#ringStart : 0;
    }
    return true;
  }

  /** Dwords from the next command on that lie in the same page and are commands. */
  get contiguous(): number {
    const gma = this.address;
    const inPage = (PAGE_SIZE - (gma % PAGE_SIZE)) >>> 2;
    if (this.#level === RING_LEVEL) return Math.min(inPage, this.ringLeft >>> 2, (this.#ringSize - this.head) >>> 2);
    return this.#level === INDIRECT ? Math.min(inPage, (this.#indirectEnd - gma) >>> 2) : inPage;
  }

  #endOfRestorePart(): void {
    if (this.#level === INDIRECT) this.#context.restoreState();
    if (this.#level === INDIRECT && this.#perContext !== 0) {
      this.#level = PER_CONTEXT;
      this.#next = this.#perContext;
      return;
    }
    this.#level = RING_LEVEL;
    const { first, second } = this.#context;
    if (!first.valid) return;
    // The context was taken away in the middle of a batch: on with it.
    this.#level = FIRST_LEVEL;
    this.#next = first.address;
    this.#perProcess = first.perProcess;
    if (!second.valid) return;
    this.#level = SECOND_LEVEL;
    this.#returnTo = first.address;
    this.#returnPerProcess = first.perProcess;
    this.#next = second.address;
    this.#perProcess = second.perProcess;
  }
}
