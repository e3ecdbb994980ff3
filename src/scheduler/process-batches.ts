/**
 * Batches in per-process address spaces: on which engines they are judged, and the memory that they are read from.
 *
 * From Gen8 on the hardware isolates such a batch, so it runs unseen. Where the hardware does not look at the registers that
 * it writes, it is copied, judged, and run from the copy, whatever the operator says.
 */
import type { Frames, GuestMemory } from '../base/index.js';
import type { PerProcessBatches } from '../cmd-parser/index.js';
import type { PpgttRoot, ShadowPpgtt } from '../gtt/index.js';
import { ENGINE_SET, type EngineId, type Platform } from '../hw/index.js';

/**
 * Which engines' per-process batches are judged: those that the hardware leaves unchecked, or all. None only where a journal
 * is compared that was recorded without: it does not hold the batches at the time at which they would be judged.
 */
export type ScanProcesses = 'none' | 'needed' | 'all';

interface Unchecked {
  readonly trust: PerProcessBatches['trust'];
  readonly engines: number;
}

/**
 * Engines whose hardware lets a batch without privilege write registers that reach beyond its context.
 * Source: CVE-2019-0155 and public i915 (i915_cmd_parser.c): the driver parses all batches on Gen7, and those of the blitter
 * on Gen9.
 */
const UNCHECKED: Readonly<Record<Platform['gen'], Unchecked>> = {
  7: { trust: 'haswell', engines: ENGINE_SET.ALL },
  8: { trust: 'ppgtt', engines: 0 },
  9: { trust: 'ppgtt', engines: ENGINE_SET.BCS },
};

/** One process's memory at a time, by page of its address space, as of the last sync of its page tables. */
export class ProcessMemory implements Frames {
  words: Uint32Array = new Uint32Array(0);
  #root: PpgttRoot | null = null;

  constructor(
    private readonly ppgtt: ShadowPpgtt,
    private readonly memory: GuestMemory,
  ) {}

  enter(root: PpgttRoot): void {
    this.#root = root;
  }

  locate(page: number): number {
    const gfn = this.#root === null ? -1 : this.ppgtt.gfnOf(this.#root, page);
    if (gfn < 0) return -1;
    const at = this.memory.locate(gfn);
    this.words = this.memory.words;
    return at;
  }
}

/** @returns how batches of the process at `root` are judged on an engine; undefined where they run unseen */
export function processBatches(
  { gen }: Platform,
  engine: EngineId,
  asked: ScanProcesses,
  ppgtt: ShadowPpgtt,
  root: PpgttRoot,
  memory: ProcessMemory,
): PerProcessBatches | undefined {
  const { trust, engines } = UNCHECKED[gen];
  const copy = (engines & (1 << engine)) !== 0;
  if (asked === 'none' || (asked === 'needed' && !copy)) return undefined;
  memory.enter(root);
  return { trust, memory, space: ppgtt.spaceOf(root), copy };
}
