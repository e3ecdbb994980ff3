/** The scan in progress: what handlers see of the buffer, the guest and the result, and the checks that they share. */
import type { Frames } from '../base/index.js';
import { type CommandTable, commandRow, ENGINES, RCS } from '../hw/index.js';
import type { ScanCode } from './rules.js';
import {
  type AddressRanges,
  createScanResult,
  ruleOf,
  type ScanInput,
  type ScanResult,
  type ShadowBatch,
} from './types.js';

/** What a handler decides. */
export const GO_ON = 0;
export const END_OF_BUFFER = 1;
export const REFUSED = 2;
export type Next = typeof GO_ON | typeof END_OF_BUFFER | typeof REFUSED;

/** Dwords of privileged batches that one scan copies at most (4 MiB), and their number. i915's own are a page or two. */
export const BATCH_BUDGET_DWORDS = 1 << 20;
export const BATCH_BUDGET_COUNT = 256;

/** Which kind of buffer is being scanned. */
export const LEVEL_RING = 0;
export const LEVEL_FIRST = 1;
export const LEVEL_SECOND = 2;

const NO_WORDS = new Uint32Array(0);
const NOWHERE: Frames = { words: NO_WORDS, locate: () => -1 };
const NO_RANGES: AddressRanges = { lowStart: 0, lowEnd: 0, highStart: 0, highEnd: 0 };
const IDLE: ScanInput = {
  engine: RCS,
  trust: 'ring',
  words: NO_WORDS,
  start: 0,
  end: 0,
  ranges: NO_RANGES,
  ggtt: NOWHERE,
  hwspPage: 0,
};

export class ScanState {
  input: ScanInput = IDLE;
  result: ScanResult = createScanResult();
  policy: Uint8Array = new Uint8Array(0);
  /** Buffer being scanned; `at` is the dword of the command in hand. */
  words: Uint32Array = NO_WORDS;
  at = 0;
  level: 0 | 1 | 2 = LEVEL_RING;
  batch = -1;
  copied = 0;
  readonly table: CommandTable;

  constructor(table: CommandTable) {
    this.table = table;
  }

  /** Drops references to the caller's memory. */
  release(): void {
    this.input = IDLE;
    this.words = NO_WORDS;
  }

  /** Whether all of `bytes` from graphics address hi:lo are the guest's own. */
  owns(lo: number, hi: number, bytes: number): boolean {
    if (hi !== 0) return false;
    const ranges = this.input.ranges;
    const start = lo >>> 0;
    const end = start + bytes;
    return (start >= ranges.lowStart && end <= ranges.lowEnd) || (start >= ranges.highStart && end <= ranges.highEnd);
  }

  /** Audits an access through the global GTT. */
  audit(lo: number, hi: number, bytes: number, verb: string): Next {
    if (this.owns(lo, hi, bytes)) return GO_ON;
    const gmadr = (lo >>> 0) + (hi >>> 0) * 0x100000000;
    return this.refuse(
      'address',
      `it ${verb} ${bytes} bytes at GMADR 0x${gmadr.toString(16)}, outside the own ranges`,
      gmadr,
    );
  }

  patch(dword: number, value: number): void {
    this.words[dword] = value;
    this.result.patches++;
  }

  /** Replaces the command by MI_NOOP. */
  neutralise(at: number, length: number): void {
    this.words.fill(0, at, at + length);
    this.result.patches += length;
  }

  refuse(code: ScanCode, detail: string, gmadr = -1, register = -1): Next {
    const { result, at } = this;
    const header = this.words[at] ?? 0;
    result.code = code;
    result.rule = ruleOf(code);
    result.command = commandRow(this.table, header)?.name ?? 'unknown';
    result.engine = ENGINES[this.table.engine]!.name;
    result.batch = this.batch;
    result.dword = at;
    result.gmadr = gmadr;
    result.register = register;
    result.message =
      `${result.engine} ${this.#where()} dword ${at}: ${result.command} (0x${header.toString(16).padStart(8, '0')}) ` +
      `refused [${code}]: ${detail}; rule: ${result.rule}.`;
    return REFUSED;
  }

  refuseRegister(code: ScanCode, detail: string, offset: number): Next {
    return this.refuse(code, `register 0x${offset.toString(16)} ${detail}`, -1, offset);
  }

  /**
   * A privileged batch was asked for at `gmadr`: notes where its address must be written, and queues it for copy and scan
   * unless it is there already.
   */
  requestBatch(gmadr: number, level: 1 | 2, patchDword: number): Next {
    const { batches } = this.result;
    let target: ShadowBatch | undefined;
    for (const known of batches) if (known.sourceGmadr === gmadr && known.level === level) target = known;
    if (target === undefined) {
      if (batches.length >= BATCH_BUDGET_COUNT) {
        return this.refuse('batch-budget', `more than ${BATCH_BUDGET_COUNT} privileged batches`, gmadr);
      }
      target = { words: NO_WORDS, dwords: 0, sourceGmadr: gmadr, level, patchAt: [] };
      batches.push(target);
    }
    target.patchAt.push({ batch: this.batch, dword: patchDword });
    return GO_ON;
  }

  #where(): string {
    if (this.batch < 0) return this.input.trust === 'wa' ? 'workaround buffer' : 'ring';
    return `batch 0x${this.result.batches[this.batch]!.sourceGmadr.toString(16)}`;
  }
}
