/** Whole memories walked: batches of every trust, each in its own kind of memory, and rings that start them. */

import type { Frames } from '../../../src/base/index.js';
import {
  createScanResult,
  type RootTranslator,
  type ScanResult,
  type Segment,
  type VerdictCache,
} from '../../../src/cmd-parser/index.js';
import { CMD, type EngineId, RCS } from '../../../src/hw/index.js';
import { BATCH, framesOf, HIGH_END, HIGH_START, HWSP, LOW_END, LOW_START, SKL, scannerFor } from '../harness.js';
import { HSW, PROCESS } from '../policy/judge.js';

/** privileged: global GTT, copied; ppgtt: a process's, in place; copied: a process's as a copy; haswell: a process's on Gen7. */
export const HOMES = ['privileged', 'ppgtt', 'copied', 'haswell'] as const;
export type Home = (typeof HOMES)[number];
/** Of which private copies are made. */
export const COPIED: readonly Home[] = ['privileged', 'copied', 'haswell'];
export const PROCESSES: readonly Home[] = ['ppgtt', 'copied', 'haswell'];

export const PAGE = 0x1000;
export const END = CMD.MI_BATCH_BUFFER_END;
export const NOOP = CMD.MI_NOOP;
/** No command of any engine begins with it. */
export const JUNK = 0xffffffff;
export const SECOND = 1 << 22;
export const PREDICATED = 1 << 15;
export const GLOBAL = 1 << 22;
export const PPGTT = 1 << 8;

export const len = (dwords: number): number => dwords - 2;
export const noops = (count: number): number[] => new Array<number>(count).fill(NOOP);
export const baseOf = (home: Home): number => (home === 'privileged' ? BATCH : PROCESS);

/** Starts a batch in the memory of the home. */
export function jump(home: Home, address: number, bits = 0): number[] {
  const header = CMD.MI_BATCH_BUFFER_START | bits | (home === 'privileged' ? 0 : PPGTT);
  const lo = address % 0x100000000;
  return home === 'haswell' ? [header, lo] : [header | len(3), lo, (address - lo) / 0x100000000];
}
/** Dwords of a jump. */
export const jumpSize = (home: Home): number => (home === 'haswell' ? 2 : 3);

/** Stores data into the memory of the home. */
export function store(home: Home, address: number, ...data: number[]): number[] {
  const header = (CMD.MI_STORE_DATA_IMM | (home === 'privileged' ? GLOBAL : 0) | len(3 + data.length)) >>> 0;
  const lo = address % 0x100000000;
  return home === 'haswell' ? [header, 0, lo, ...data] : [header, lo, (address - lo) / 0x100000000, ...data];
}

/** A command that no stream may have, whoever looks at it. */
export const FORBIDDEN: readonly number[] = [CMD.MI_CLFLUSH | GLOBAL | len(4), 0, 0, 0];

/** Address to dwords, or what answers by itself. */
export type Memory = Record<number, readonly number[]> | Frames;
const isFrames = (memory: Memory): memory is Frames => 'locate' in memory && typeof memory.locate === 'function';
const framesIn = (memory: Memory): Frames => (isFrames(memory) ? memory : framesOf(memory));

/** `pages` pages from `address` on, all of them no-operations but the last, which is `last`. */
export function longMemory(address: number, pages: number, last: readonly number[]): Frames {
  const words = new Uint32Array(2048);
  words.set(last, 1024);
  const first = address / PAGE;
  return {
    words,
    locate: (page) => (page < first || page >= first + pages ? -1 : page === first + pages - 1 ? 1024 : 0),
  };
}

export interface Around {
  engine?: EngineId;
  cache?: VerdictCache | undefined;
  space?: number;
  address?: number;
  survey?: boolean;
  hwspPage?: number;
  ranges?: { lowStart: number; lowEnd: number; highStart: number; highEnd: number };
  onRegisterWrite?: (offset: number, value: number) => number;
  root?: RootTranslator;
}

export const RANGES = { lowStart: LOW_START, lowEnd: LOW_END, highStart: HIGH_START, highEnd: HIGH_END };
export const platformOf = (home: Home) => (home === 'haswell' ? HSW : SKL);

/** Judges the batch at the home's base, by itself. */
export function run(home: Home, memory: Memory, around: Around = {}): ScanResult {
  const { engine = RCS as EngineId, ranges = RANGES, hwspPage = HWSP, address = baseOf(home), ...asked } = around;
  const result = createScanResult();
  const trust = home === 'privileged' ? 'ring' : home === 'copied' ? 'ppgtt' : home;
  const input = {
    engine,
    trust,
    address,
    memory: framesIn(memory),
    ranges,
    hwspPage,
    copy: home === 'copied',
  } as const;
  scannerFor(platformOf(home)).scanBatch({ ...input, ...asked }, result);
  return result;
}

export interface RingJudged extends ScanResult {
  words: number[];
}

/** Judges ring contents; `memory` is where the batches of the home are, `ggtt` where privileged ones are in any case. */
export function ring(
  home: Home,
  dwords: readonly number[],
  memory: Memory,
  around: Around & { ggtt?: Memory; trust?: 'ring' | 'wa'; start?: number; end?: number } = {},
): RingJudged {
  const { engine = RCS as EngineId, ranges = RANGES, hwspPage = HWSP, trust = 'ring', space = 1, ...asked } = around;
  const words = Uint32Array.from(dwords);
  const result = createScanResult();
  const perProcess = {
    trust: home === 'haswell' ? ('haswell' as const) : ('ppgtt' as const),
    memory: framesIn(memory),
    space,
    copy: home !== 'ppgtt',
  };
  scannerFor(platformOf(home)).scan(
    {
      engine,
      trust,
      words,
      start: asked.start ?? 0,
      end: asked.end ?? words.length,
      ranges,
      ggtt: framesIn(asked.ggtt ?? (home === 'privileged' ? memory : {})),
      hwspPage,
      ...(home === 'privileged' ? {} : { perProcess }),
      cache: asked.cache,
      ...(asked.onRegisterWrite ? { onRegisterWrite: asked.onRegisterWrite } : {}),
      ...(asked.root ? { root: asked.root } : {}),
    },
    result,
  );
  return { ...result, words: [...words] };
}

/** Where a walk went: start and end relative to `base` in dwords, and how it got there. */
export const pieces = ({ segments }: ScanResult, base: number): [number, number, Segment['kind']][] =>
  [...segments].map(({ start, end, kind }) => [(start - base) / 4, (end - base) / 4, kind]);
