/** What a scan takes and what it answers. All of it is plain data, reused from scan to scan by the caller. */
import type { Frames } from '../base/index.js';
import type { EngineId } from '../hw/index.js';
import { SCAN_RULES, type ScanCode } from './rules.js';
import type { VerdictCache } from './verdict-cache.js';

/** The guest's own slices of the global GTT, in bytes of graphics address; ends are exclusive. */
export interface AddressRanges {
  lowStart: number;
  lowEnd: number;
  highStart: number;
  highEnd: number;
}

/**
 * Translates the root of a guest's page tables into that of its shadow, for streams that load a root themselves
 * (MI_LOAD_REGISTER_IMM to a PDP register). The answer is left in `lo` and `hi`.
 */
export interface RootTranslator {
  translate(pdp: number, lo: number, hi: number): boolean;
  lo: number;
  hi: number;
}

/** What to do with batches of per-process memory that a ring starts. */
export interface PerProcessBatches {
  readonly trust: 'ppgtt' | 'haswell';
  /** The process's memory: a frame is a page of its address space. */
  readonly memory: Frames;
  /** Which of the guest's address spaces this is, for verdicts that are used again: 1 to 2^20. */
  readonly space: number;
  /** Whether private copies are executed in their place; else they are judged where they are. */
  readonly copy: boolean;
}

export interface ScanInput {
  engine: EngineId;
  /** 'ring': ring contents. 'wa': indirect context and per-context buffers, which run with privilege at a context switch. */
  trust: 'ring' | 'wa';
  /** A private copy of what will be executed, patched in place. */
  words: Uint32Array;
  /** Dword range within `words`; `end` is exclusive. */
  start: number;
  end: number;
  ranges: AddressRanges;
  /** Guest memory through the guest's own GGTT entries: a frame is a page of graphics address (GMADR >> 12). */
  ggtt: Frames;
  /** GMADR (bytes) of the page that store-data-index forms are rewritten to. */
  hwspPage: number;
  /** Without it batches in per-process memory are started unseen: the hardware isolates them. */
  perProcess?: PerProcessBatches;
  /** Verdicts on the guest's batches, to be used again. */
  cache?: VerdictCache | undefined;
  /** Asked for each write to a register with the PATCH bit. @returns the value that is really written */
  onRegisterWrite?: (offset: number, value: number) => number;
  /** Without it a stream that loads a page-table root is refused. */
  root?: RootTranslator;
}

/** A batch that is judged by itself, without the ring that starts it. */
export interface BatchInput {
  engine: EngineId;
  /**
   * 'ring': a privileged batch, 'haswell': a Gen7 per-process batch; of both a private copy is made, judged and patched.
   * 'ppgtt': a Gen8+ per-process batch, judged where it is unless a copy is asked for.
   */
  trust: 'ring' | 'ppgtt' | 'haswell';
  /** Graphics address of the first command, below 2^48. */
  address: number;
  /** Its address space: a frame is a page of graphics address. */
  memory: Frames;
  /** As PerProcessBatches.space; 0 without it. */
  space?: number;
  ranges: AddressRanges;
  hwspPage: number;
  copy?: boolean;
  /** Verdicts on batches of the same address space, to be used again; only copies have any. */
  cache?: VerdictCache | undefined;
  /**
   * Go on after a refusal, for complete totals: the first one is reported. What hides where the next command is (an unknown
   * header, a bad length, the end of memory) ends the walk all the same.
   */
  survey?: boolean;
}

/** Where the address of a shadow batch goes: low half at `dword`, and where `wide` the high half at `dword + 1`. */
export interface BatchPatch {
  /** Index in ScanResult.batches of the buffer to patch, -1 for the scanned ring contents. */
  batch: number;
  dword: number;
  wide: boolean;
}

/** Private copy of a batch, scanned and patched: the copy is what must be executed. */
export interface ShadowBatch {
  /** The first `dwords` are in use. Valid until the scanner's next scan. */
  words: Uint32Array;
  dwords: number;
  /** Where it was copied from: an address of the global GTT, or of the process. */
  sourceGmadr: number;
  perProcess: boolean;
  level: 1 | 2;
  patchAt: BatchPatch[];
}

/** A page flip that the guest asked a command streamer for. Its command was replaced by MI_NOOP. */
export interface DisplayFlip {
  pipe: number;
  /** 0 is the primary plane. */
  plane: number;
  surface: number;
  /** In the units of the plane's stride register. */
  stride: number;
  tiling: number;
  async: boolean;
}

/** A piece of a batch that was walked without a jump: addresses in bytes, the end is exclusive. */
export interface Segment {
  start: number;
  end: number;
  kind: 'primary' | 'chain' | 'second_level' | 'second_level_chain';
}

/** Segments in the order of execution, kept from scan to scan so that recording one allocates nothing. */
export class Segments implements Iterable<Segment> {
  readonly #kept: Segment[] = [];
  length = 0;

  clear(): void {
    this.length = 0;
  }

  add(start: number, end: number, kind: Segment['kind']): void {
    const next = this.#kept[this.length];
    if (next === undefined) this.#kept.push({ start, end, kind });
    else {
      next.start = start;
      next.end = end;
      next.kind = kind;
    }
    this.length++;
  }

  /** Copies of the segments from `first` on. */
  since(first: number): Segment[] {
    const copies: Segment[] = [];
    for (let i = first; i < this.length; i++) {
      const { start, end, kind } = this.#kept[i]!;
      copies.push({ start, end, kind });
    }
    return copies;
  }

  /** Valid until the next scan. */
  *[Symbol.iterator](): Iterator<Segment> {
    for (let i = 0; i < this.length; i++) yield this.#kept[i]!;
  }
}

export interface ScanResult {
  ok: boolean;
  /** Empty when ok. */
  code: ScanCode | '';
  rule: string;
  /** One line for the operator. */
  message: string;
  /** Where it failed: command and engine by name, buffer (-1 is the ring), dword within it, addresses (-1 is none). */
  command: string;
  engine: string;
  batch: number;
  dword: number;
  gmadr: number;
  register: number;

  commands: number;
  dwords: number;
  /** Headers that no command of the engine has. */
  unknown: number;
  /** Dwords of the scanned copies that were changed. */
  patches: number;
  userInterrupts: number;
  /** MI_FLUSH_DW and PIPE_CONTROL with notify enable. */
  notifies: number;
  /** MI_BATCH_BUFFER_START into per-process memory: isolated by the hardware, not followed. */
  unprivilegedBatches: number;
  /** A jump was met twice from the same place with the same way back: the batch runs until something else ends it. */
  loop: boolean;
  batches: ShadowBatch[];
  flips: DisplayFlip[];
  /** Pieces of batches in the order of execution. */
  readonly segments: Segments;
}

export function createScanResult(): ScanResult {
  return {
    ok: false,
    code: '',
    rule: '',
    message: '',
    command: '',
    engine: '',
    batch: -1,
    dword: -1,
    gmadr: -1,
    register: -1,
    commands: 0,
    dwords: 0,
    unknown: 0,
    patches: 0,
    userInterrupts: 0,
    notifies: 0,
    unprivilegedBatches: 0,
    loop: false,
    batches: [],
    flips: [],
    segments: new Segments(),
  };
}

export function resetScanResult(result: ScanResult): void {
  result.ok = false;
  result.code = '';
  result.rule = '';
  result.message = '';
  result.command = '';
  result.engine = '';
  result.batch = -1;
  result.dword = -1;
  result.gmadr = -1;
  result.register = -1;
  result.commands = 0;
  result.dwords = 0;
  result.unknown = 0;
  result.patches = 0;
  result.userInterrupts = 0;
  result.notifies = 0;
  result.unprivilegedBatches = 0;
  result.loop = false;
  // popped one by one: setting the length would give the array's memory back, only to ask for it again
  while (result.batches.length > 0) result.batches.pop();
  while (result.flips.length > 0) result.flips.pop();
  result.segments.clear();
}

export const ruleOf = (code: ScanCode): string => SCAN_RULES[code];
