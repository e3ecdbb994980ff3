/** Cases written by hand: a stream on Skylake's render engine, unless said otherwise. */
import { type FuzzCase, padded } from '../../fuzz/case.js';
import { CMD, platformByName, RCS } from '../../src/hw/index.js';

export const SKL = platformByName('SKL')!;

export function caseOf(words: readonly number[], more: Partial<FuzzCase> = {}): FuzzCase {
  const whole: FuzzCase = {
    platform: SKL,
    engine: RCS,
    trust: 'ring',
    words: Uint32Array.from(words),
    perProcess: 'unseen',
    address: 0,
    wa: 'indirect',
    fill: CMD.MI_BATCH_BUFFER_END,
    pieces: [],
    answered: false,
    warm: null,
    ...more,
  };
  return { ...whole, words: padded(whole.words, whole.trust, whole.wa) };
}

/** A batch by itself, at dword `at` of the guest's memory. */
export const batchOf = (words: readonly number[], more: Partial<FuzzCase> = {}, at = 0): FuzzCase =>
  caseOf([], { trust: 'batch', pieces: [{ at, words: Uint32Array.from(words) }], ...more });
