/**
 * The oracle's own idea of which registers a command stream must not change, and not read: written down from what the registers
 * do, by block, and not taken from the scanner's policy. Everything is privileged but the blocks that belong to the running
 * context, and of those all that moves the command streamer, its page tables or its memory.
 * Source: PRM SKL Vol 2c "Command Reference: Registers" (blocks of the register map; the ring buffer and execlist
 * registers of each command streamer); public i915 intel_engine_regs.h, intel_gt_regs.h.
 */
import { ENGINES, type EngineId, RCS } from '../src/hw/index.js';

const WINDOW_DWORDS = 0x200000 / 4;
type Range = readonly [first: number, last: number];

/** Blocks of the render engine's pipeline state, which is saved with the context or handed over with the engine. */
const RENDER_BLOCKS: readonly Range[] = [
  [0x4000, 0x4fff],
  [0x5000, 0x5fff],
  [0x7000, 0x7fff],
  [0x8000, 0x8fff],
  [0x9000, 0x97ff],
  [0xb000, 0xb4ff],
  [0xe000, 0xe7ff],
  [0x120000, 0x12000b],
];
/** Memory object control tables of all engines: caching only. */
const CACHE_CONTROL: Range = [0xc800, 0xcfff];

/** In the render blocks, but everyone's: HWS_PGA of other engines (Gen7), PAT, TLB invalidation, reset. */
const SHARED_IN_BLOCKS: readonly Range[] = [
  [0x40e0, 0x40e7],
  [0x4260, 0x4277],
  [0x941c, 0x941f],
];

/** Of the own command streamer, relative to its base. */
const STREAMER: readonly Range[] = [
  [0x030, 0x03f], // ring tail, head, start, control
  [0x050, 0x053], // power state
  [0x05c, 0x063], // active head, upper half; DMA address
  [0x064, 0x07f], // errors, active head
  [0x080, 0x083], // status page
  [0x098, 0x09b], // interrupt reports to the status page
  [0x0a8, 0x0ab], // interrupt mask
  [0x0b0, 0x0bb], // errors
  [0x0d0, 0x0d3], // reset
  [0x180, 0x183], // context id: loads a context image
  [0x1c0, 0x1cb], // workaround buffers
  [0x230, 0x23b], // execution lists
  [0x370, 0x3a3], // context status
  [0x510, 0x55f], // execution lists, Gen11; reserved before
];
/** Counters, and where the batch stands: all may read them, nobody may set them. */
const READ_ONLY: readonly Range[] = [
  [0x110, 0x11f], // batch state, second-level batch
  [0x140, 0x143], // batch address
  [0x168, 0x16b],
  [0x358, 0x35f],
  [0x3a8, 0x3ab],
];
/** The render engine's clock, which runs like all others. */
const RENDER_CLOCK: Range = [0x2358, 0x235f];
/** Written only with a value that whoever answers for it gave. */
const MODE = 0x29c;
const ROOTS: Range = [0x270, 0x28f];
const SLOTS: Range = [0x4d0, 0x4ff];

/** A page that hardware does not decode: writes that are taken out go there. Source: PVINFO, public i915_pvinfo.h. */
const PVINFO: Range = [0x78000, 0x78fff];

export const MAY_NOTHING = 0;
export const MAY_READ = 1;
export const MAY_CHANGE = 2;
export const MAY_SET_AS_TOLD = 3;

export class PrivilegedRegisters {
  readonly #rights = new Uint8Array(WINDOW_DWORDS);

  constructor(engine: EngineId) {
    const { mmioBase } = ENGINES[engine]!;
    const set = (base: number, [first, last]: Range, right: number): void => {
      this.#rights.fill(right, (base + first) >>> 2, ((base + last) >>> 2) + 1);
    };
    if (engine === RCS) {
      for (const block of RENDER_BLOCKS) set(0, block, MAY_CHANGE);
      for (const range of SHARED_IN_BLOCKS) set(0, range, MAY_NOTHING);
    }
    set(0, CACHE_CONTROL, MAY_CHANGE);
    set(0, PVINFO, MAY_CHANGE);
    set(mmioBase, [0, 0xfff], MAY_CHANGE);
    for (const range of STREAMER) set(mmioBase, range, MAY_NOTHING);
    set(0, RENDER_CLOCK, MAY_READ);
    for (const range of READ_ONLY) set(mmioBase, range, MAY_READ);
    set(mmioBase, [MODE, MODE + 3], MAY_SET_AS_TOLD);
    set(mmioBase, ROOTS, MAY_SET_AS_TOLD);
    set(mmioBase, SLOTS, MAY_SET_AS_TOLD);
  }

  /** MAY_* of the register at `offset`; what lies outside the register window does not exist and harms nobody. */
  rightsOf(offset: number): number {
    return this.#rights[offset >>> 2] ?? MAY_CHANGE;
  }

  /** The shadow's page-table roots: a guest must not learn them either. */
  isRoot(offset: number, engine: EngineId): boolean {
    const relative = offset - ENGINES[engine]!.mmioBase;
    return relative >= ROOTS[0] && relative <= ROOTS[1];
  }
}
