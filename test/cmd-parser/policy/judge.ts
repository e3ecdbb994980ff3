/** Commands judged wherever a stream can stand, with one call for all: what differs is who trusts it how far. */
import {
  type AddressRanges,
  createScanResult,
  type RootTranslator,
  type ScanResult,
  type Trust,
  type VerdictCache,
} from '../../../src/cmd-parser/index.js';
import { CMD, type EngineId, type Platform, RCS } from '../../../src/hw/index.js';
import {
  BATCH,
  BDW,
  framesOf,
  HIGH_END,
  HIGH_START,
  HWSP,
  LOW_END,
  LOW_START,
  platformNamed,
  SKL,
  scannerFor,
} from '../harness.js';

export const HSW = platformNamed('HSW');
export const END = CMD.MI_BATCH_BUFFER_END;
/** Where a process has its batch. */
export const PROCESS = 0x1234_5000;

/**
 * ring: ring contents; privileged: a batch in the global GTT that the ring starts; wa: a workaround buffer; ppgtt: a
 * process's batch judged in place; copied: the same as a copy; haswell: a process's batch on Gen7.
 */
export const PLACES = ['ring', 'privileged', 'wa', 'ppgtt', 'copied', 'haswell'] as const;
export type Place = (typeof PLACES)[number];

export const trustOf = (place: Place): Trust =>
  place === 'privileged' ? 'ring' : place === 'copied' ? 'ppgtt' : place;
export const platformOf = (place: Place): Platform => (place === 'haswell' ? HSW : SKL);

export interface Circumstances {
  platform?: Platform;
  engine?: EngineId;
  /** Address to dwords: the process's memory for its batches, otherwise the guest's behind its GGTT. */
  memory?: Record<number, readonly number[]>;
  onRegisterWrite?: (offset: number, value: number) => number;
  root?: RootTranslator;
  /** Of streams that the guest's ring starts. */
  cache?: VerdictCache;
  survey?: boolean;
  ranges?: AddressRanges;
}

export interface Judged extends ScanResult {
  /** The commands as they would run. */
  words: number[];
}

const ownRanges = { lowStart: LOW_START, lowEnd: LOW_END, highStart: HIGH_START, highEnd: HIGH_END };

function ring(
  words: Uint32Array,
  trust: 'ring' | 'wa',
  {
    platform,
    engine,
    ranges,
    memory,
    ...asked
  }: Circumstances & Required<Pick<Circumstances, 'platform' | 'engine' | 'ranges'>>,
): ScanResult {
  const result = createScanResult();
  const ggtt = framesOf(memory ?? {});
  const input = { engine, trust, words, start: 0, end: words.length, ranges, ggtt, hwspPage: HWSP, ...asked };
  scannerFor(platform).scan(input, result);
  return result;
}

/** Judges commands; a batch gets its end behind them. */
export function judge(place: Place, dwords: readonly number[], circumstances: Circumstances = {}): Judged {
  const {
    survey = false,
    platform = platformOf(place),
    engine = RCS as EngineId,
    ranges = ownRanges,
    ...rest
  } = circumstances;
  const setup = { platform, engine, ranges, ...rest };
  if (place === 'ring' || place === 'wa') {
    const words = Uint32Array.from(dwords);
    return { ...ring(words, place, setup), words: [...words] };
  }
  if (place === 'privileged') {
    const wide = platform.gen >= 8;
    const start = wide ? [CMD.MI_BATCH_BUFFER_START | 1, BATCH, 0] : [CMD.MI_BATCH_BUFFER_START, BATCH];
    const memory = { [BATCH]: [...dwords, END], ...setup.memory };
    const result = ring(Uint32Array.from(start), 'ring', { ...setup, memory });
    return { ...result, words: [...(result.batches[0]?.words.slice(0, dwords.length) ?? [])] };
  }
  const memory = framesOf({ [PROCESS]: [...dwords, END], ...setup.memory });
  const result = createScanResult();
  scannerFor(platform).scanBatch(
    {
      engine,
      trust: place === 'copied' ? 'ppgtt' : place,
      address: PROCESS,
      memory,
      ranges,
      hwspPage: HWSP,
      copy: place === 'copied',
      survey,
    },
    result,
  );
  const first = memory.locate(PROCESS / 4096);
  const ran = place === 'ppgtt' ? memory.words.slice(first) : result.batches[0]!.words;
  return { ...result, words: [...ran.slice(0, dwords.length)] };
}

/** Length field for so many dwords. */
export const len = (dwords: number): number => dwords - 2;

// tables are compiled when they are first needed: before the tests, so that no test takes long for another's sake
for (const place of PLACES) judge(place, [CMD.MI_NOOP]);
scannerFor(BDW);
