/**
 * Drives one physical Haswell engine by its ring: an empty ring is given its place, and its tail is moved behind the commands.
 * One workload at a time; its last commands leave a number in memory and raise a user interrupt.
 * Source: PRM HSW Vol 2c RING_BUFFER_*, GFX_MODE, HWS_PGA.
 */
import { PAGE_SIZE } from '../base/index.js';
import type { Gpu } from '../gpu/index.js';
import {
  ENGINES,
  type EngineId,
  GDRST,
  HWS_PGA_GEN7,
  PPGTT_ENABLE,
  RING,
  RING_CTL_SIZE,
  RING_CTL_VALID,
  USER_INTERRUPT,
} from '../hw/index.js';
import { NOTE, PreparedRing } from './ring-work.js';
import { own, type Prepared, type WorkDriver } from './work.js';

const MASKED_PPGTT = ((PPGTT_ENABLE << 16) | PPGTT_ENABLE) >>> 0;
const RING_OFFSET = 0x1ffffc;

export class RingDriver implements WorkDriver {
  readonly endBits = 1 << USER_INTERRUPT;
  readonly madeRoom = false;
  readonly #base: number;
  readonly #resetMask: number;
  #current: PreparedRing | null = null;
  #contextId = 0;

  constructor(
    private readonly gpu: Gpu,
    readonly engine: EngineId,
  ) {
    const row = ENGINES[engine]!;
    this.#base = row.mmioBase;
    this.#resetMask = 1 << row.resetBit;
    // Whoever had the engine before left something in it.
    this.reset();
  }

  submit(prepared: Prepared, contextId: number): void {
    const work = own(PreparedRing, prepared);
    this.#current = work;
    this.#contextId = contextId;
    this.#write(RING.CTL, 0);
    this.#write(RING.HEAD, 0);
    this.#write(RING.TAIL, 0);
    this.gpu.write32(HWS_PGA_GEN7[this.engine], work.statusPage);
    this.#write(RING.START, work.ring.gmadr);
    this.#write(RING.CTL, ((work.ringPages * PAGE_SIZE - PAGE_SIZE) & RING_CTL_SIZE) | RING_CTL_VALID);
    this.#write(RING.TAIL, work.tail);
  }

  makeRoom(): never {
    throw new TypeError('what runs from a ring can not be broken off');
  }

  completed(contextId: number): boolean {
    const work = this.#current;
    return work !== null && contextId === this.#contextId && work.note(NOTE.END) === work.serial;
  }

  reset(): void {
    this.gpu.write32(GDRST, this.#resetMask);
    this.#current = null;
    this.#start();
  }

  get idle(): boolean {
    return ((this.read(RING.HEAD) ^ this.read(RING.TAIL)) & RING_OFFSET) === 0;
  }

  read(offset: number): number {
    return this.gpu.read32(this.#base + offset);
  }

  /** Per-process page tables are on for good: without them every address of a command would be a global one. */
  #start(): void {
    this.#write(RING.CTL, 0);
    this.#write(RING.MODE, MASKED_PPGTT);
    this.#write(RING.IMR, 0);
  }

  #write(offset: number, value: number): void {
    this.gpu.write32(this.#base + offset, value);
  }
}
