/**
 * Restore and save of a logical ring context: the register state in the image's second page is a list of register loads that
 * the engine carries out on restore and refreshes on save. Source: PRM BDW Vol 7 "Logical Ring Context Format".
 */
import { PAGE_SIZE } from '../../base/index.js';
import { CTX, CTX_DWORDS, CTX_RESTORE_INHIBIT, DESC, type EngineRow, frameOf, RCS, RING } from '../../hw/index.js';
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

/** Registers as [offset, count]. */
type Ranges = readonly (readonly [offset: number, count: number])[];

/**
 * What belongs to a context besides its ring and its batches, relative to the engine: general purpose registers and predicates;
 * of the blitter its switch of tilings. The hardware keeps these in the part of its image that is not described; the model keeps
 * them as more lists of loads near the end of the register state's page. Source: PRM SKL Vol 7 "Register State Context"; which
 * registers drivers may rely on is what gem_ctx_isolation of IGT looks at.
 */
const ENGINE_STATE: Ranges = [
  [0x200, 1],
  [0x400, 8],
  [RING.GPR0, 32],
];
/** Of the render engine also, by absolute offset: counters of the pipeline, indirect draws and dispatches, modes, stream output. */
const RENDER_STATE: Ranges = [
  [0x2158, 1],
  [0x2214, 1],
  [0x2290, 2],
  [0x22c8, 2],
  [0x22d8, 2],
  [0x22f0, 4],
  [0x2300, 24],
  [0x2360, 2],
  [0x2420, 1],
  [0x2430, 12],
  [0x2500, 3],
  [0x2580, 1],
  [0x7000, 3],
  [0x7014, 1],
  [0x7034, 1],
  [0x7304, 1],
  [0x5200, 8],
  [0x5240, 8],
  [0x5280, 4],
  [0xe400, 2],
];
/** Where the lists begin, behind all that drivers know of, and how many loads one has at most. */
export const CONTEXT_STATE_AT = 0x2c0;
const LOADS = 64;

/** Registers of an engine's state, and where each stands in the page of its image. */
interface StateLists {
  readonly registers: Uint32Array;
  readonly places: Uint32Array;
}

function stateLists({ id, mmioBase }: EngineRow): StateLists {
  const all: number[] = [];
  const add = (ranges: Ranges, base: number): void => {
    for (const [first, count] of ranges) for (let i = 0; i < count; i++) all.push(base + first + 4 * i);
  };
  add(ENGINE_STATE, mmioBase);
  if (id === RCS) add(RENDER_STATE, 0);
  const places = all.map((_, i) => CONTEXT_STATE_AT + Math.floor(i / LOADS) * (1 + 2 * LOADS) + 1 + 2 * (i % LOADS));
  return { registers: Uint32Array.from(all), places: Uint32Array.from(places) };
}

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
  readonly #state: StateLists;

  constructor(device: Device, row: EngineRow, mmu: Mmu) {
    this.#device = device;
    this.#base = row.mmioBase;
    this.#mmu = mmu;
    this.#state = stateLists(row);
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

  save(): void {
    this.#writeBatch(this.first, RING.BBADDR_UDW, RING.BBADDR, RING.BBSTATE);
    this.#writeBatch(this.second, SECOND_BBADDR_UDW, SECOND_BBADDR, SECOND_BBSTATE);
    const control = this.#base + RING.CONTEXT_CONTROL;
    this.#device.registers.set(control, this.#device.registers.get(control) & ~CTX_RESTORE_INHIBIT);
    this.#walk(false);
  }

  #saveState(words: Uint32Array, page: number): void {
    const { registers, places } = this.#state;
    const { length } = registers;
    for (let i = 0; i < length; i++) {
      const at = page + places[i]!;
      if (i % LOADS === 0) words[at - 1] = LRI | (2 * Math.min(LOADS, length - i) - 1);
      words[at] = registers[i]!;
      words[at + 1] = this.#device.registers.get(registers[i]!);
    }
  }

  /**
   * Loads the engine's own state, which the hardware does behind the indirect context (PRM BDW Vol 7 "Indirect Context Offset").
   * What stands there may be the guest's word as well as the device's: only the registers of a context are loaded, each from its place.
   */
  restoreState(): void {
    if (this.#restoreInhibit) return;
    const page = this.#mmu.locate(this.lrca + PAGE_SIZE, true, false);
    if (page < 0) return;
    const { words } = this.#device.memory;
    const { registers, places } = this.#state;
    for (let i = 0; i < registers.length; i++) {
      const at = page + places[i]!;
      if (words[at] === registers[i]!) this.#device.registers.set(registers[i]!, words[at + 1]!);
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
    // What drivers describe of the engine's own state: more loads with padding in between, up to the first thing that is neither.
    for (let dword = CTX_DWORDS; dword < CONTEXT_STATE_AT; ) {
      const header = words[at + dword]!;
      if (header === 0) dword++;
      else if ((header & LRI_MASK) === LRI) dword += this.#loads(words, at, dword, restore, false);
      else break;
    }
    if (!restore) this.#saveState(words, at);
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
