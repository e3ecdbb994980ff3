/** What the scanner did for a vGPU, in numbers, and how a refusal of its travels. */
import { XengtError } from '../base/index.js';
import type { ScanCode, VerdictCache } from '../cmd-parser/index.js';

export interface ScanStats {
  /** Commands that were let run or refused, and the dwords of the pieces that they stand in; reused verdicts count as well. */
  readonly commands: number;
  readonly dwords: number;
  /** Copied batches that a kept verdict stood for, and those that were judged. */
  readonly reused: number;
  readonly judged: number;
  /** Of the judged: there was a verdict on other dwords. */
  readonly changed: number;
  /** Verdicts that made room for others, and what is kept now. */
  readonly evicted: number;
  readonly verdicts: number;
  readonly verdictBytes: number;
}

export const NO_SCANS: ScanStats = {
  commands: 0,
  dwords: 0,
  reused: 0,
  judged: 0,
  changed: 0,
  evicted: 0,
  verdicts: 0,
  verdictBytes: 0,
};

/** Adds what one guest caused to what the vGPU's guests before it had. */
export function addScans(before: ScanStats, commands: number, dwords: number, cache: VerdictCache): ScanStats {
  return {
    commands: before.commands + commands,
    dwords: before.dwords + dwords,
    reused: before.reused + cache.hits,
    judged: before.judged + cache.misses,
    changed: before.changed + cache.changed,
    evicted: before.evicted + cache.evictions,
    verdicts: cache.entries,
    verdictBytes: cache.bytes,
  };
}

/** The scanner refused a stream: which rule, and whether the guest's driver broke it or only one of its processes. */
export class ScanRefusal extends XengtError {
  constructor(
    readonly rule: ScanCode | '',
    readonly ofProcess: boolean,
    message: string,
  ) {
    super('XENGT_E_SCAN', message);
  }
}
