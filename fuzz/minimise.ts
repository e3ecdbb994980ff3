/**
 * Makes a failing case smaller while it still fails in the same way: without pieces, with fewer dwords, with zeros for
 * operands, and with nobody who answers.
 */
import { CMD } from '../src/hw/index.js';
import { type FuzzCase, type Piece, padded } from './case.js';

/** Whether a case still fails as it did. */
export type StillFails = (fuzzCase: FuzzCase) => boolean;

export function minimise(start: FuzzCase, stillFails: StillFails): FuzzCase {
  let best: FuzzCase = { ...start, words: start.words.slice(), pieces: start.pieces.map(copyOf) };
  const attempt = (change: Partial<FuzzCase>): boolean => {
    const candidate = { ...best, ...change };
    candidate.words = padded(candidate.words, candidate.trust, candidate.wa);
    if (!stillFails(candidate)) return false;
    best = candidate;
    return true;
  };
  for (let smaller = true; smaller; ) {
    smaller = false;
    if (best.warm !== null && attempt({ warm: null })) smaller = true;
    if (best.answered && attempt({ answered: false })) smaller = true;
    if (best.fill !== CMD.MI_BATCH_BUFFER_END && attempt({ fill: CMD.MI_BATCH_BUFFER_END })) smaller = true;
    for (let i = best.pieces.length - 1; i >= 0; i--)
      if (attempt({ pieces: best.pieces.filter((_, index) => index !== i) })) smaller = true;
    smaller =
      shrink(
        best.words,
        (words) => attempt({ words }),
        () => best.words,
      ) || smaller;
    for (let i = 0; i < best.pieces.length; i++) {
      const { at } = best.pieces[i]!;
      const withWords = (words: Uint32Array): boolean => attempt({ pieces: best.pieces.with(i, { at, words }) });
      smaller = shrink(best.pieces[i]!.words, withWords, () => best.pieces[i]!.words) || smaller;
    }
  }
  return best;
}

const copyOf = ({ at, words }: Piece): Piece => ({ at, words: words.slice() });

/** Leaves stretches out, long ones first, then makes single dwords zero. @returns whether anything came of it */
function shrink(words: Uint32Array, attempt: (words: Uint32Array) => boolean, now: () => Uint32Array): boolean {
  const before = words.length;
  const meant = significant(words);
  for (let length = 2 ** Math.floor(Math.log2(Math.max(1, before))); length >= 1; length = Math.floor(length / 2))
    for (let at = now().length - length; at >= 0; at--) {
      const all = now();
      if (at + length > all.length) continue;
      const less = new Uint32Array(all.length - length);
      less.set(all.subarray(0, at));
      less.set(all.subarray(at + length), at);
      attempt(less);
    }
  for (let i = 0; i < now().length; i++) {
    if (now()[i] === 0) continue;
    const zeroed = now().slice();
    zeroed[i] = 0;
    attempt(zeroed);
  }
  return now().length < before || significant(now()) < meant;
}

const significant = (words: Uint32Array): number => words.reduce((sum, word) => sum + (word === 0 ? 0 : 1), 0);
