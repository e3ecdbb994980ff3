import { expect, test } from 'vitest';
import { judge } from './judge.js';

test('four are enough, and nobody asks for the secret', () => {
  expect(judge(4, false)).toBe('ok');
  expect(judge(5, false)).toBe('too-long');
});
