/** What every reader gives: one batch, where it comes from, and the memory that it lies in. */

import type { Frames } from '../../base/index.js';
import type { AddressRanges } from '../../cmd-parser/index.js';
import { BCS, type EngineId, type Platform, RCS, VCS, VCS2, VECS } from '../../hw/index.js';

export const TRUSTS = ['ring', 'ppgtt', 'haswell'] as const;
export type BatchTrust = (typeof TRUSTS)[number];

/** [start, end, kind]; addresses in bytes, the end is exclusive. */
export type Piece = readonly [start: number, end: number, kind: string];

export interface Batch {
  readonly file: string;
  /** Which one of the file: the number of the submission, or the name of the buffer. */
  readonly exec: number | string;
  readonly platform: Platform;
  readonly engine: EngineId;
  /** Graphics address of the first command. */
  readonly address: number;
  readonly memory: Frames;
  /** What counts as the guest's own slices of the global GTT. */
  readonly ranges: AddressRanges;
  /** Contents of a ring, oldest command first: judged as such, whatever trust was asked for. */
  readonly ring?: RingContents;
  /** What the file itself says of the walk. */
  readonly expected?: Expected;
}

export interface RingContents {
  readonly words: Uint32Array;
  readonly segments: readonly Piece[];
}

export interface Expected {
  readonly walk: string;
  readonly commands: number;
  readonly dwords: number;
  readonly segments: readonly Piece[];
}

/** Nothing is known of whose the addresses are: all of the global GTT counts as own. */
export const ALL_OF_GGTT: AddressRanges = { lowStart: 0, lowEnd: 2 ** 32, highStart: 0, highEnd: 0 };

export const ENGINE_NAMES = ['render', 'copy', 'video', 'video_enhance'] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

const ENGINE_IDS: Readonly<Record<EngineName, EngineId>> = { render: RCS, copy: BCS, video: VCS, video_enhance: VECS };

export function engineByName(name: string): EngineId | undefined {
  return ENGINE_NAMES.some((known) => known === name) ? ENGINE_IDS[name as EngineName] : undefined;
}

export function engineName(engine: EngineId): EngineName {
  if (engine === RCS) return 'render';
  if (engine === BCS) return 'copy';
  return engine === VCS || engine === VCS2 ? 'video' : 'video_enhance';
}

/** A Haswell batch shares its page tables with others and is always scanned; from Gen8 on the hardware isolates batches. */
export const defaultTrust = (platform: Platform): BatchTrust => (platform.gen < 8 ? 'haswell' : 'ppgtt');
