/**
 * Registers that a batch buffer without privilege may write. Source: PRM SKL Vol 2c/Vol 7 "non-privileged registers", and
 * the FORCE_TO_NONPRIV slots of each command streamer, into which a driver programs more.
 */
import { type EngineRow, RCS, RING } from '../../hw/index.js';
import type { RegisterFile } from './registers.js';

type Range = readonly [first: number, last: number];

/** Relative to the engine's base. */
const ENGINE_RANGES: readonly Range[] = [
  [RING.NOPID, RING.NOPID],
  [0x400, RING.PREDICATE_RESULT_1],
  [RING.GPR0, RING.GPR0 + 0x7c],
  [0x200, 0x200], // BCS_SWCTRL: which tiling the blitter's tiled bit means
];

/** Of the render engine only: batch offset, 3D statistics, predicate, indirect draw and dispatch parameters, stream output, modes. gem_ctx_isolation of IGT (nonpriv) looks at them. */
const RENDER_RANGES: readonly Range[] = [
  [0x2158, 0x2158],
  [0x2214, 0x2214],
  [0x2290, 0x2294], // not RING_MODE, which follows
  [0x22c8, 0x22cc],
  [0x22d8, 0x22dc],
  [0x22f0, 0x22fc],
  [0x2300, 0x2354], // not the timestamp, which follows
  [0x2360, 0x2364],
  [0x2400, 0x2454],
  [0x2500, 0x2508],
  [0x5200, 0x523c],
  [0x5240, 0x525c],
  [0x5280, 0x528c],
  [0x7000, 0x7008],
  [0x7034, 0x7034],
  [0xb020, 0xb024],
  [0xe400, 0xe404],
];

const NONPRIV_SLOTS = 12;
const REGISTER_BITS = 0x03fffffc;

export class UnprivilegedRegisters {
  readonly #allowed = new Uint8Array(0x40000 >>> 2);
  readonly #registers: RegisterFile;
  readonly #slots: number;

  constructor(registers: RegisterFile, { id, mmioBase }: EngineRow) {
    this.#registers = registers;
    this.#slots = mmioBase + RING.FORCE_TO_NONPRIV;
    for (const [first, last] of ENGINE_RANGES)
      this.#allowed.fill(1, (mmioBase + first) >>> 2, ((mmioBase + last) >>> 2) + 1);
    if (id !== RCS) return;
    for (const [first, last] of RENDER_RANGES) this.#allowed.fill(1, first >>> 2, (last >>> 2) + 1);
  }

  mayWrite(offset: number): boolean {
    if (this.#allowed[offset >>> 2] === 1) return true;
    for (let slot = 0; slot < NONPRIV_SLOTS; slot++)
      if ((this.#registers.get(this.#slots + slot * 4) & REGISTER_BITS) === offset) return offset !== 0;
    return false;
  }
}
