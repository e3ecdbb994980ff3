/** What a scan takes and what it answers. All of it is plain data, reused from scan to scan by the caller. */
import type { Frames } from '../base/index.js';
import type { EngineId } from '../hw/index.js';
import { SCAN_RULES, type ScanCode } from './rules.js';

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

/** 'ring': ring contents. 'wa': indirect context and per-context buffers, which run with privilege at a context switch. */
export type Trust = 'ring' | 'wa';

export interface ScanInput {
  engine: EngineId;
  trust: Trust;
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
  /** Asked for each write to a register with the PATCH bit. @returns the value that is really written */
  onRegisterWrite?: (offset: number, value: number) => number;
  /** Without it a stream that loads a page-table root is refused. */
  root?: RootTranslator;
}

/** Where the address of a shadow batch goes: low half at `dword`, high half at `dword + 1`. */
export interface BatchPatch {
  /** Index in ScanResult.batches of the buffer to patch, -1 for the scanned ring contents. */
  batch: number;
  dword: number;
}

/** Private copy of a privileged batch, scanned and patched: the copy is what must be executed. */
export interface ShadowBatch {
  words: Uint32Array;
  /** Dwords of `words` in use; the rest is zero (MI_NOOP). */
  dwords: number;
  sourceGmadr: number;
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
  /** Dwords of the scanned copies that were changed. */
  patches: number;
  userInterrupts: number;
  /** MI_FLUSH_DW and PIPE_CONTROL with notify enable. */
  notifies: number;
  /** MI_BATCH_BUFFER_START into per-process memory: isolated by the hardware, not followed. */
  unprivilegedBatches: number;
  batches: ShadowBatch[];
  flips: DisplayFlip[];
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
    patches: 0,
    userInterrupts: 0,
    notifies: 0,
    unprivilegedBatches: 0,
    batches: [],
    flips: [],
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
  result.patches = 0;
  result.userInterrupts = 0;
  result.notifies = 0;
  result.unprivilegedBatches = 0;
  result.batches.length = 0;
  result.flips.length = 0;
}

export const ruleOf = (code: ScanCode): string => SCAN_RULES[code];
