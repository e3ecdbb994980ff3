import { describe, expect, it } from 'vitest';
import { minimise } from '../../fuzz/minimise.js';
import { CMD } from '../../src/hw/index.js';
import { caseOf } from './cases.js';

const BAD = 0x11000001;
const noise = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);

describe('a failing case', () => {
  const hasBad = (words: Uint32Array): boolean => words.includes(BAD);

  it('loses all that it does not need to fail', () => {
    const large = caseOf([...noise(1, 100), BAD, ...noise(200, 57)], {
      answered: true,
      fill: 0,
      pieces: [{ at: 3, words: Uint32Array.from(noise(1, 50)) }],
    });
    const small = minimise(large, ({ words }) => hasBad(words));
    expect([...small.words]).toEqual([BAD, 0]);
    expect(small).toMatchObject({ pieces: [], answered: false, fill: CMD.MI_BATCH_BUFFER_END });
    expect(hasBad(large.words)).toBe(true);
  });

  it('keeps what it needs, in the guest memory too', () => {
    const large = caseOf(noise(1, 10), {
      pieces: [
        { at: 0, words: Uint32Array.from(noise(1, 20)) },
        { at: 64, words: Uint32Array.from([...noise(1, 9), BAD, 5, BAD, 6]) },
      ],
    });
    const small = minimise(large, ({ pieces }) =>
      pieces.some(({ words }) => words.filter((w) => w === BAD).length === 2),
    );
    expect(small.pieces).toEqual([{ at: 64, words: Uint32Array.of(BAD, BAD) }]);
    expect([...small.words]).toEqual([0, 0]);
  });
});
