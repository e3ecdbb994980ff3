import { expect, test } from 'vitest';
import { PageComparer, sameDwords } from '../../src/gtt/page-compare.js';

test('a page equals its copy until any one dword of it changes, in whichever backing it lies', () => {
  const comparer = new PageComparer();
  const shared = new ArrayBuffer(5 * 4096);
  const backings = [new Uint32Array(3 * 1024), new Uint32Array(shared, 4096, 2048)];
  for (let round = 0; round < 3; round++) {
    for (const words of backings) {
      words.forEach((_, i) => {
        words[i] = Math.imul(i + round, 0x9e3779b1);
      });
      const copy = words.slice(1024, 2048);
      const bytes = Buffer.from(copy.buffer);
      const same = () => {
        const answer = comparer.same(words, 1024, copy, bytes);
        expect(sameDwords(words, 1024, copy)).toBe(answer);
        return answer;
      };
      expect(same()).toBe(true);
      for (const dword of [1024, 1025, 1500, 2047]) {
        words[dword]! ^= 0x80000000;
        expect(same(), `dword ${dword}`).toBe(false);
        words[dword]! ^= 0x80000000;
      }
      words[1023]! ^= 1;
      expect(same(), 'what lies before does not count').toBe(true);
    }
  }
});
