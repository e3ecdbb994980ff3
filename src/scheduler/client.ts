/**
 * The arbiter's record of one vGPU: what it owns and what the mediator keeps on its behalf. Everything that a vGPU asks for
 * is checked against this, never against the vGPU's word.
 */
import { type GuestMemory, PAGE_SIZE } from '../base/index.js';
import { type AddressRanges, VerdictCache } from '../cmd-parser/index.js';
import type { ShadowPpgtt } from '../gtt/index.js';
import { type EngineId, type GgttFormat, type Grant, PTE_PRESENT } from '../hw/index.js';
import type { ContextShadow } from './context-shadows.js';
import type { BrokenOff } from './engine-slot.js';
import type { HostBuffer } from './host-gm.js';
import { ProcessMemory, type ScanProcesses } from './process-batches.js';
import { addScans, type ScanStats } from './scan-stats.js';
import { Strikes } from './strikes.js';
import type { ArbiterEvents, Workload } from './workload.js';

export interface ClientParts {
  readonly grant: Grant;
  readonly memory: GuestMemory;
  /** The vGPU's register bank: memory shared between both sides. */
  readonly bank: Uint32Array;
  readonly ppgtt: ShadowPpgtt;
  readonly events: ArbiterEvents;
  /** Default: 'needed'. */
  readonly scanProcesses?: ScanProcesses;
}

/** Bytes copied on the way of workloads to the engines and back. */
export interface CopiedBytes {
  /** Of context images, from the guest and back to it. */
  contextIn: number;
  contextOut: number;
  /** Of rings. */
  ring: number;
  /** Of batches that run from a copy: privileged ones, workarounds, those that the hardware does not check. */
  batches: number;
}

export const nothingCopied = (): CopiedBytes => ({ contextIn: 0, contextOut: 0, ring: 0, batches: 0 });

export class Client {
  /** Guest frame behind each own GGTT page, low slice first then high; -1 unmapped. */
  readonly #gfns: Float64Array;
  readonly #lowFirst: number;
  readonly #lowPages: number;
  readonly #highFirst: number;
  readonly #highPages: number;
  /** FIFO of workloads by engine. */
  readonly queues: Workload[][] = [];
  /** What of the head of a queue was run already, by engine. */
  readonly brokenOff: (BrokenOff | undefined)[] = [];
  /** GMADR of the guest's own status page by engine, 0 when not set. */
  readonly hwsp: number[] = [];
  /** Shadows of contexts by engine, the last used first; shadow ring by engine. All made on first use. */
  readonly contexts: (ContextShadow[] | undefined)[] = [];
  readonly rings: (HostBuffer | undefined)[] = [];
  words: Uint32Array = new Uint32Array(0);
  /** The own slices as the scanner wants them: one object for good, which verdicts that are kept can be compared by. */
  readonly ranges: AddressRanges;
  readonly verdicts = new VerdictCache();
  readonly process: ProcessMemory;
  scanProcesses: ScanProcesses;
  readonly strikes = new Strikes();
  /** Bytes that were copied for its workloads. */
  readonly copied: CopiedBytes;
  /** What the scanner looked at. */
  commands = 0;
  dwords = 0;

  /** @param copied of its vGPU's guests so far; goes on being counted */
  constructor(
    readonly parts: ClientParts,
    copied: CopiedBytes,
    private readonly format: GgttFormat,
  ) {
    const { grant } = parts;
    this.copied = copied;
    this.#lowFirst = grant.lowStart / PAGE_SIZE;
    this.#lowPages = grant.lowBytes / PAGE_SIZE;
    this.#highFirst = grant.highStart / PAGE_SIZE;
    this.#highPages = grant.highBytes / PAGE_SIZE;
    this.#gfns = new Float64Array(this.#lowPages + this.#highPages).fill(-1);
    this.ranges = {
      lowStart: grant.lowStart,
      lowEnd: grant.lowStart + grant.lowBytes,
      highStart: grant.highStart,
      highEnd: grant.highStart + grant.highBytes,
    };
    this.process = new ProcessMemory(parts.ppgtt, parts.memory);
    this.scanProcesses = parts.scanProcesses ?? 'needed';
  }

  get id(): number {
    return this.parts.grant.vgpu;
  }

  /** Index of an own GGTT page in the record, -1 for everybody else's. */
  slot(page: number): number {
    const low = page - this.#lowFirst;
    if (low >= 0 && low < this.#lowPages) return low;
    const high = page - this.#highFirst;
    return high >= 0 && high < this.#highPages ? this.#lowPages + high : -1;
  }

  /** Pages `first` to `last` lie in one range of the vGPU's own. */
  ownsPages(first: number, last: number): boolean {
    const from = this.slot(first);
    const to = this.slot(last);
    return from >= 0 && to >= from && to - from === last - first;
  }

  note(slot: number, lo: number, hi: number): void {
    this.#gfns[slot] = (lo & PTE_PRESENT) !== 0 ? this.format.frameOf(lo, hi) : -1;
  }

  /** Forgets all entries. @returns the own pages as [first, count], for the device to forget them too */
  clearEntries(): readonly (readonly [first: number, pages: number])[] {
    this.#gfns.fill(-1);
    return [
      [this.#lowFirst, this.#lowPages],
      [this.#highFirst, this.#highPages],
    ];
  }

  gfnOf(page: number): number {
    const slot = this.slot(page);
    return slot < 0 ? -1 : this.#gfns[slot]!;
  }

  /** The guest's memory by page of its graphics address space (Frames over GMADR pages). */
  locate(page: number): number {
    const gfn = this.gfnOf(page);
    if (gfn < 0) return -1;
    const { memory } = this.parts;
    const at = memory.locate(gfn);
    this.words = memory.words;
    return at;
  }

  /** @param before of the vGPU's guests before this one */
  scanStats(before: ScanStats): ScanStats {
    return addScans(before, this.commands, this.dwords, this.verdicts);
  }

  queue(engine: EngineId): Workload[] {
    const queue = this.queues[engine] ?? [];
    this.queues[engine] = queue;
    return queue;
  }
}
