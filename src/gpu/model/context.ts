/**
 * Restore and save of a logical ring context: the register state in the image's second page is a list of register loads that
 * the engine carries out on restore and refreshes on save. Source: PRM BDW Vol 7 "Logical Ring Context Format".
 */
import { PAGE_SIZE } from '../../base/index.js';
import { CTX, CTX_DWORDS, CTX_RESTORE_INHIBIT, DESC, type EngineRow, frameOf, RING } from '../../hw/index.js';
import type { Device } from './device.js';
import { NO_OWNER } from './memory.js';
import type { Mmu } from './mmu.js';

const SECOND_BBADDR = 0x114;
const SECOND_BBSTATE = 0x118;
const SECOND_BBADDR_UDW = 0x11c;
const BB_VALID = 1;
const BB_PPGTT = 1 << 5;

const LRI_MASK = 0xff800000;
const LRI = 0x11000000;
const PAGE_WORDS = PAGE_SIZE / 4;

/** Ring registers that a save refreshes, relative to the engine. The tail is not: whoever submits may have moved it since. */
const SAVED: readonly number[] = [
  RING.CONTEXT_CONTROL,
  RING.HEAD,
  RING.BBADDR_UDW,
  RING.BBADDR,
  RING.BBSTATE,
  SECOND_BBADDR_UDW,
  SECOND_BBADDR,
  SECOND_BBSTATE,
  RING.CTX_TIMESTAMP,
];
const RING_SAVED = new Set<number>(SAVED);
/** Ring registers that an image loads. */
const RING_STATE = new Set<number>([
  ...SAVED,
  RING.TAIL,
  RING.START,
  RING.CTL,
  RING.BB_PER_CTX_PTR,
  RING.INDIRECT_CTX,
  RING.INDIRECT_CTX_OFFSET,
  ...[0, 4, 8, 12, 16, 20, 24, 28].map((offset) => RING.PDP0_LDW + offset),
]);
const GPR_END = RING.GPR0 + 0x80;
const PWR_CLK_STATE = 0xc8;

/** Registers of the engine's own part of the image that the model keeps per context. */
function isEngineState(relative: number): boolean {
  return (
    (relative >= RING.GPR0 && relative < GPR_END) || relative === RING.PREDICATE_RESULT_1 || relative === PWR_CLK_STATE
  );
}

/**
 * What a context that is taken away in the middle of its commands needs to find again, relative to the engine: counters of the
 * pipeline, predicates, operands of indirect draws and dispatches, stream output, general purpose registers. The hardware keeps
 * these in the part of its image that is not described; the model keeps them as one more list of loads near its page's end.
 */
const INTERRUPTED_STATE: readonly number[] = (
  [
    [0x214, 1],
    [0x310, 20],
    [0x400, 8],
    [0x430, 6],
    [0x500, 3],
    [RING.GPR0, 32],
    [0x3200, 40],
  ] as const
).flatMap(([first, count]) => Array.from({ length: count }, (_, i) => first + 4 * i));
/** Its place in the page of the register state, behind all that drivers know of. */
const INTERRUPTED_AT = 0x300;
const INTERRUPTED_LIST = LRI | (2 * INTERRUPTED_STATE.length - 1);
const IS_INTERRUPTED_STATE = new Set(INTERRUPTED_STATE);

/** Where a batch buffer stands: its next command and whether it lies in the context's own address space. */
export interface BatchPosition {
  address: number;
  perProcess: boolean;
  valid: boolean;
}

export class ContextImage {
  /** Graphics address of the image's first page, the per-process status page. */
  lrca = 0;
  readonly first: BatchPosition = { address: 0, perProcess: true, valid: false };
  readonly second: BatchPosition = { address: 0, perProcess: true, valid: false };
  #restoreInhibit = false;
  readonly #device: Device;
  readonly #base: number;
  readonly #mmu: Mmu;
  readonly #roots = new Float64Array(4);

  constructor(device: Device, row: EngineRow, mmu: Mmu) {
    this.#device = device;
    this.#base = row.mmioBase;
    this.#mmu = mmu;
  }

  /** Loads the context that the descriptor names. @returns false when its image cannot be read */
  restore(descriptorLo: number): boolean {
    const { ggtt, memory, registers } = this.#device;
    this.lrca = (descriptorLo & DESC.LRCA_MASK) >>> 0;
    const frame = ggtt.frame(this.lrca / PAGE_SIZE + 1);
    this.#mmu.owner = frame < 0 ? NO_OWNER : memory.ownerOf(frame);
    this.#mmu.flush();
    // Through the MMU although the frame is known: an image without owner or memory is a violation to be seen.
    if (this.#mmu.locate(this.lrca + PAGE_SIZE, true, false) < 0) return false;
    for (const relative of RING_STATE) if (relative !== RING.CTX_TIMESTAMP) registers.set(this.#base + relative, 0);
    this.#walk(true);
    this.#readBatch(this.first, RING.BBADDR_UDW, RING.BBADDR, RING.BBSTATE);
    this.#readBatch(this.second, SECOND_BBADDR_UDW, SECOND_BBADDR, SECOND_BBSTATE);
    for (let i = 0; i < 4; i++) this.#roots[i] = this.#root(i);
    const addressing = (descriptorLo >>> DESC.ADDRESSING_SHIFT) & DESC.ADDRESSING_MASK;
    this.#mmu.setRoots(addressing === DESC.ADDRESSING_64, this.#roots);
    return true;
  }

  /** Tail as the image has it now: what a lite restore samples. */
  readTail(): number {
    return this.#mmu.read32(this.lrca + PAGE_SIZE + CTX.RING_TAIL * 4, true);
  }

  /** @param interrupted before its commands were at an end */
  save(interrupted: boolean): void {
    this.#writeBatch(this.first, RING.BBADDR_UDW, RING.BBADDR, RING.BBSTATE);
    this.#writeBatch(this.second, SECOND_BBADDR_UDW, SECOND_BBADDR, SECOND_BBSTATE);
    const control = this.#base + RING.CONTEXT_CONTROL;
    this.#device.registers.set(control, this.#device.registers.get(control) & ~CTX_RESTORE_INHIBIT);
    this.#walk(false);
    this.#keepInterrupted(interrupted);
  }

  #keepInterrupted(interrupted: boolean): void {
    const at = this.#mmu.locate(this.lrca + PAGE_SIZE, true, true);
    if (at < 0) return;
    const { words } = this.#device.memory;
    const list = at + INTERRUPTED_AT;
    if (!interrupted) {
      if (words[list] === INTERRUPTED_LIST) words[list] = 0;
      return;
    }
    words[list] = INTERRUPTED_LIST;
    INTERRUPTED_STATE.forEach((relative, i) => {
      words[list + 1 + 2 * i] = this.#base + relative;
      words[list + 2 + 2 * i] = this.#device.registers.get(this.#base + relative);
    });
  }

  #restoreInterrupted(words: Uint32Array, at: number): void {
    if (words[at + INTERRUPTED_AT] !== INTERRUPTED_LIST) return;
    for (let i = 0; i < INTERRUPTED_STATE.length; i++) {
      const register = words[at + INTERRUPTED_AT + 1 + 2 * i]! & 0x7ffffc;
      if (!IS_INTERRUPTED_STATE.has(register - this.#base)) continue;
      this.#device.registers.set(register, words[at + INTERRUPTED_AT + 2 + 2 * i]!);
    }
  }

  #root(index: number): number {
    const { registers } = this.#device;
    const ldw = this.#base + RING.PDP0_LDW + index * 8;
    return frameOf(registers.get(ldw), registers.get(ldw + 4));
  }

  #readBatch(batch: BatchPosition, udw: number, ldw: number, state: number): void {
    const { registers } = this.#device;
    const low = registers.get(this.#base + ldw);
    batch.valid = (low & BB_VALID) !== 0;
    batch.address = (registers.get(this.#base + udw) & 0xffff) * 2 ** 32 + ((low & ~3) >>> 0);
    batch.perProcess = (registers.get(this.#base + state) & BB_PPGTT) !== 0;
  }

  #writeBatch(batch: BatchPosition, udw: number, ldw: number, state: number): void {
    const { registers } = this.#device;
    registers.set(this.#base + udw, Math.floor(batch.address / 2 ** 32));
    registers.set(this.#base + ldw, (batch.address % 2 ** 32) + (batch.valid ? BB_VALID : 0));
    registers.set(this.#base + state, batch.perProcess ? BB_PPGTT : 0);
  }

  /** Goes through the register loads of the image: on restore image to register, on save register to image. */
  #walk(restore: boolean): void {
    // All of it lies in one page, which is found once: a dword-by-dword walk would be most of what a submission costs.
    const at = this.#mmu.locate(this.lrca + PAGE_SIZE, true, !restore);
    if (at < 0) return;
    const { words } = this.#device.memory;
    this.#loads(words, at, CTX.CONTEXT_CONTROL - 2, restore, true);
    this.#loads(words, at, CTX.CTX_TIMESTAMP - 2, restore, true);
    const control = this.#device.registers.get(this.#base + RING.CONTEXT_CONTROL);
    if (restore) this.#restoreInhibit = (control & CTX_RESTORE_INHIBIT) !== 0;
    if (restore && this.#restoreInhibit) return;
    // The engine's own state: more loads with padding in between, up to the first thing that is neither.
    for (let dword = CTX_DWORDS; dword < PAGE_WORDS; ) {
      const header = words[at + dword]!;
      if (header === 0) dword++;
      else if ((header & LRI_MASK) === LRI) dword += this.#loads(words, at, dword, restore, false);
      else break;
    }
    if (restore) this.#restoreInterrupted(words, at);
  }

  /**
   * One list of register loads, its header at `dword` of the page at `page`. Registers are plain storage here: nothing that
   * is set can move the page.
   * @returns dwords it takes
   */
  #loads(words: Uint32Array, page: number, dword: number, restore: boolean, ring: boolean): number {
    const header = words[page + dword]!;
    if ((header & LRI_MASK) !== LRI) return 1;
    const pairs = ((header & 0xff) + 1) >>> 1;
    for (let i = 0; i < pairs; i++) {
      const at = dword + 1 + i * 2;
      if (at + 1 >= PAGE_WORDS) break;
      const register = words[page + at]! & 0x7ffffc;
      const relative = register - this.#base;
      if (!(ring ? (restore ? RING_STATE : RING_SAVED).has(relative) : isEngineState(relative))) continue;
      if (restore) this.#device.registers.set(register, words[page + at + 1]!);
      else words[page + at + 1] = this.#device.registers.get(register);
    }
    return 1 + pairs * 2;
  }
}
