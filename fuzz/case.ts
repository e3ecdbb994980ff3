/** One case: what a guest submits, and the file form in which findings are kept. */
import { XengtError } from '../src/base/index.js';
import { ENGINES, type EngineId, type Platform, platformByName } from '../src/hw/index.js';
import { RAM_DWORDS } from './surroundings.js';

/** Most dwords of ring contents or of a workaround buffer. */
export const MOST_WORDS = 1024;

/**
 * How a stream comes to be scanned and run. 'ring', 'wa': ring contents, workaround buffer. 'batch': a privileged batch by
 * itself. 'ppgtt', 'haswell': a per-process batch by itself.
 */
export const FUZZ_TRUSTS = ['ring', 'wa', 'batch', 'ppgtt', 'haswell'] as const;
export type FuzzTrust = (typeof FUZZ_TRUSTS)[number];

/** What is done with per-process batches that a ring starts. */
export const PER_PROCESS = ['unseen', 'in-place', 'copied'] as const;
export type PerProcess = (typeof PER_PROCESS)[number];

export type WaKind = 'indirect' | 'per-context';

/** Dwords in the guest's memory, from dword `at` on. */
export interface Piece {
  at: number;
  words: Uint32Array;
}

export interface FuzzCase {
  platform: Platform;
  engine: EngineId;
  trust: FuzzTrust;
  /** Ring contents or workaround buffer; empty where a batch is judged by itself. */
  words: Uint32Array;
  perProcess: PerProcess;
  /** Where a batch that is judged by itself begins. */
  address: number;
  wa: WaKind;
  /** What the guest's memory holds besides the pieces. */
  fill: number;
  pieces: Piece[];
  /**
   * Whether verdicts are kept and used again, and on what they were reached before: on the guest's memory with these bits of
   * this dword changed.
   */
  warm: readonly [dword: number, bits: number] | null;
  /** Whether someone answers for page-table roots and for registers whose writes are decided one by one. */
  answered: boolean;
}

export interface CaseFile {
  readonly target: 'scanner';
  readonly platform: string;
  readonly engine: string;
  readonly trust: FuzzTrust;
  readonly wa: WaKind;
  readonly perProcess: PerProcess;
  readonly address: string;
  readonly answered: boolean;
  readonly fill: string;
  readonly warm: readonly [dword: number, bits: number] | null;
  /** Dwords in hexadecimal, separated by spaces. */
  readonly words: string;
  readonly pieces: readonly { readonly at: number; readonly words: string }[];
  /** What was found, and the case that it was found with; not needed to replay it. */
  readonly kind?: string;
  readonly detail?: string;
  readonly seed?: number;
  readonly case?: number;
}

const hex = (words: ArrayLike<number>): string =>
  Array.from(words, (word) => word.toString(16).padStart(8, '0')).join(' ');

function dwords(text: string, most: number): Uint32Array {
  const parts = text.split(' ').filter((part) => part !== '');
  const words = Uint32Array.from(parts, (part) => Number.parseInt(part, 16));
  const wrong = parts.find((part) => !/^[0-9a-f]{1,8}$/i.test(part));
  if (wrong !== undefined || words.length > most)
    throw new XengtError('XENGT_E_USAGE', `the case file has ${wrong ?? `more than ${most} dwords`} for dwords`);
  return words;
}

export function toFile(fuzzCase: FuzzCase, extra: Partial<CaseFile> = {}): CaseFile {
  return {
    target: 'scanner',
    platform: fuzzCase.platform.name,
    engine: ENGINES[fuzzCase.engine]!.name,
    trust: fuzzCase.trust,
    wa: fuzzCase.wa,
    perProcess: fuzzCase.perProcess,
    address: fuzzCase.address.toString(16),
    answered: fuzzCase.answered,
    fill: hex([fuzzCase.fill]),
    warm: fuzzCase.warm,
    words: hex(fuzzCase.words),
    pieces: fuzzCase.pieces.map(({ at, words }) => ({ at, words: hex(words) })),
    ...extra,
  };
}

export function fromFile(file: CaseFile): FuzzCase {
  const platform = platformByName(file.platform);
  const engine = ENGINES.find(({ name }) => name === file.engine);
  if (file.target !== 'scanner' || platform === undefined || engine === undefined)
    throw new XengtError(
      'XENGT_E_USAGE',
      `no case of ${file.target} on ${file.platform} ${file.engine} can be replayed`,
    );
  const pieces = file.pieces.map(({ at, words }) => ({ at, words: dwords(words, RAM_DWORDS - at) }));
  return {
    platform,
    engine: engine.id,
    trust: file.trust,
    wa: file.wa,
    perProcess: file.perProcess,
    address: Number.parseInt(file.address, 16),
    answered: file.answered,
    fill: dwords(file.fill, 1)[0] ?? 0,
    warm: file.warm,
    words: dwords(file.words, MOST_WORDS),
    pieces,
  };
}

/** Filled up with MI_NOOP to what the hardware counts in: rings in quadwords, indirect buffers in cache lines. */
export function padded(words: Uint32Array, trust: FuzzTrust, wa: WaKind): Uint32Array {
  if (isBatch(trust)) return words;
  const unit = trust === 'wa' && wa === 'indirect' ? 16 : 2;
  const length = Math.max(1, Math.ceil(words.length / unit)) * unit;
  if (length === words.length) return words;
  const whole = new Uint32Array(length);
  whole.set(words);
  return whole;
}

/** Whether a batch is judged by itself, without a ring. */
export const isBatch = (trust: FuzzTrust): boolean => trust !== 'ring' && trust !== 'wa';
