/**
 * Drives one physical engine in execlist mode: its status page, submission by ELSP, and the context status buffer. It knows
 * nothing of vGPUs. One context is in flight at a time, and the idle one where that is to make room, so that every event between
 * submission and completion belongs to it.
 * Source: PRM BDW Vol 7 "Execlists"; layout of the status buffer in the hardware status page: PRM SKL Vol 7.
 */
import type { Gpu } from '../gpu/index.js';
import {
  CONTEXT_SWITCH,
  CSB,
  CSB_ENTRIES,
  ENGINES,
  type EngineId,
  GDRST,
  HWSP_CSB,
  HWSP_CSB_WRITE,
  RING,
  RUN_LIST_ENABLE,
} from '../hw/index.js';
import { PreparedContext } from './dispatch.js';
import type { HostBuffer } from './host-gm.js';
import type { IdleContext } from './idle-context.js';
import { own, type Prepared, type WorkDriver } from './work.js';

const MASKED_ENABLE_RUN_LIST = ((RUN_LIST_ENABLE << 16) | RUN_LIST_ENABLE) >>> 0;
/** EXECLIST_STATUS, low half: a list waits, slot 1 and 0 hold a list, slot 1 and 0 run. Source: PRM BDW Vol 2c EXECLIST_STATUS. */
const STATUS_OCCUPIED = (1 << 2) | (1 << 3) | (1 << 4) | (1 << 17) | (1 << 18);
/** RESET_CTL is masked: request, and take the request back. */
const RESET_REQUEST = 0x00010001;
const RESET_RELEASE = 0x00010000;

/** Context ids are 20 bits wide here; this one is the idle context's. */
const IDLE_ID = 0xfffff;
/** Context ids that a submission may have are less than this. */
export const CONTEXT_IDS = IDLE_ID;

export class EngineDriver implements WorkDriver {
  readonly endBits = 1 << CONTEXT_SWITCH;
  /** It was asked to make room, and nothing runs any more that was submitted before. */
  madeRoom = false;
  readonly #base: number;
  readonly #resetMask: number;
  #read = CSB_ENTRIES - 1;

  constructor(
    private readonly gpu: Gpu,
    readonly engine: EngineId,
    private readonly hwsp: HostBuffer,
    private readonly idleContext: IdleContext,
  ) {
    const row = ENGINES[engine]!;
    this.#base = row.mmioBase;
    this.#resetMask = 1 << row.resetBit;
    this.start();
  }

  /** Puts the engine into execlist mode with an empty status buffer. */
  start(): void {
    const { gpu, hwsp } = this;
    gpu.write32(this.#base + RING.HWS_PGA, hwsp.gmadr);
    gpu.write32(this.#base + RING.MODE, MASKED_ENABLE_RUN_LIST);
    gpu.write32(this.#base + RING.IMR, 0);
    this.#read = CSB_ENTRIES - 1;
    // Read and write pointer both on the last entry: the first event goes to entry 0.
    gpu.write32(this.#base + RING.CONTEXT_STATUS_PTR, (0xffff0000 | (this.#read << 8) | this.#read) >>> 0);
    hwsp.memory.words[hwsp.memory.at + HWSP_CSB_WRITE] = this.#read;
  }

  /** Submits one context: descriptor low half (LRCA and flags) and context id. */
  submit(prepared: Prepared, contextId: number): void {
    const { descriptor } = own(PreparedContext, prepared);
    this.madeRoom = false;
    this.#submit(descriptor, contextId);
  }

  #submit(descriptor: number, contextId: number): void {
    const elsp = this.#base + RING.ELSP;
    this.gpu.write32(elsp, 0);
    this.gpu.write32(elsp, 0);
    this.gpu.write32(elsp, contextId);
    this.gpu.write32(elsp, descriptor);
  }

  /** Takes the engine from what runs, at the next point where that may be broken off; `madeRoom` tells when. */
  makeRoom(): void {
    this.madeRoom = false;
    this.#submit(this.idleContext.prepare(), IDLE_ID);
  }

  /** Drains the status buffer. @returns whether `contextId` ran to its end */
  completed(contextId: number): boolean {
    const { words, at } = this.hwsp.memory;
    const write = words[at + HWSP_CSB_WRITE]! % CSB_ENTRIES;
    let done = false;
    while (this.#read !== write) {
      this.#read = (this.#read + 1) % CSB_ENTRIES;
      const status = words[at + HWSP_CSB + 2 * this.#read]!;
      const id = words[at + HWSP_CSB + 2 * this.#read + 1]!;
      if ((status & CSB.COMPLETE) === 0) continue;
      if (id === contextId) done = true;
      else if (id === IDLE_ID) this.madeRoom = true;
    }
    return done;
  }

  /** Aborts whatever runs and starts anew. */
  reset(): void {
    this.gpu.write32(this.#base + RING.RESET_CTL, RESET_REQUEST);
    this.gpu.write32(GDRST, this.#resetMask);
    this.gpu.write32(this.#base + RING.RESET_CTL, RESET_RELEASE);
    this.start();
  }

  /** Neither a list runs nor does one wait. */
  get idle(): boolean {
    return (this.read(RING.EXECLIST_STATUS_LO) & STATUS_OCCUPIED) === 0;
  }

  /** Reads a register of this engine by its offset from the engine's base. */
  read(offset: number): number {
    return this.gpu.read32(this.#base + offset);
  }
}
