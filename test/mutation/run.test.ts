import { join } from 'node:path';
import { expect, test } from 'vitest';
import { BEGIN, END, forManual, forTerminal, staleNotes, withSection } from './report.js';
import { runMutations } from './run.js';

const SAMPLE = 'test/mutation/sample/judge.ts';

test('a run over a sample tells the check that no test looks at from those that are looked at', async () => {
  const run = await runMutations({
    root: join(import.meta.dirname, '..', '..'),
    folder: '.cache/mutation-sample',
    sources: [SAMPLE],
    tests: ['test/mutation/sample/judge.spec.ts'],
    processes: 1,
    silenceMs: 30_000,
  });
  const fates = Object.fromEntries(run.tried.map(({ site, variant, fate }) => [site.variants[variant]!.change, fate]));
  expect(fates).toEqual({
    'length > 4 → true': 'killed',
    'length > 4 → false': 'killed',
    'length > 4 → length >= 4': 'killed',
    '4 → 5': 'killed',
    '4 → 3': 'killed',
    "'too-long' → 'mutated'": 'killed',
    'secret → true': 'killed',
    'secret → false': 'survived',
    "'refused' → 'mutated'": 'not reached',
    'left > 0 → false': 'survived',
    'left > 0 → left >= 0': 'survived',
    '0 → 1': 'survived',
    'left--; → removed': 'endless',
    "'ok' → 'mutated'": 'killed',
    '7 → 8': 'not reached',
    '7 → 6': 'not reached',
  });
  expect(run.tried).toHaveLength(16);

  const known = { file: SAMPLE, at: 'while', change: 'left > 0 → false', why: 'nobody sees the count' };
  const stale = { file: SAMPLE, at: 'while', change: 'left > 0 → true', why: 'no more' };
  expect(staleNotes(run, [known, stale])).toEqual([stale]);
  expect(forTerminal(run, [known])).toContain(`${SAMPLE}:4: secret → false\n`);
  expect(forTerminal(run, [known])).toContain('left > 0 → false [equivalent: nobody sees the count]');
  const manual = forManual(run, [known]);
  expect(manual).toContain('9 of 16 mutations are noticed by a test: **56.3 %**');
  expect(manual).toContain('without them the score is 60.0 %');
  expect(manual).toContain('| `test/mutation/sample/judge.ts:4` | `secret → false` | no test notices |');
});

test('the section of the manual is replaced between its marks, and added where there is none', () => {
  const once = withSection('# Page\n', 'first');
  expect(once).toBe(`# Page\n\n## Mutations\n\n${BEGIN}\nfirst\n${END}\n`);
  expect(withSection(`${once}\nmore\n`, 'second')).toBe(`# Page\n\n## Mutations\n\n${BEGIN}\nsecond\n${END}\n\nmore\n`);
});
