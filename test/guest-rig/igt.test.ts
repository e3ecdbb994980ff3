import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseLists, parseSubtest, readList, titleOf } from '../guest/igt/lists.js';
import { parseTestLog } from '../guest/igt/log.js';
import { ownList } from '../guest/igt/main.js';
import { reasonIn, saidSuccess, verdictOf } from '../guest/igt/outcome.js';
import { render } from '../guest/igt/table.js';

describe('a list of subtests', () => {
  const TEXT =
    '# a comment\ngem_first@one\n[basic]\ngem_busy@busy # why\n\n  core_auth \n[full]\ngem_exec_reloc@basic-*\n';

  it('has sections, in order', () => {
    const lists = [...parseLists(TEXT)].map(([name, subtests]) => [name, subtests.map(titleOf)]);
    expect(lists).toEqual([
      ['', ['gem_first@one']],
      ['basic', ['gem_busy@busy', 'core_auth']],
      ['full', ['gem_exec_reloc@basic-*']],
    ]);
  });

  it.each(['', 'gem busy', '../bin/sh', 'gem_busy@', 'gem_busy@$(reboot)', 'Gem_busy', '@busy', 'a@b@c'])(
    'does not take "%s" for a subtest',
    (text) => expect(() => parseSubtest(text)).toThrow(/no IGT subtest/),
  );

  describe('on a disk', () => {
    let folder: string;
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'igt-lists-'));
      writeFileSync(join(folder, 'list'), TEXT);
    });
    afterEach(() => rmSync(folder, { recursive: true }));

    it('is read as a whole, or one section', () => {
      expect(readList(join(folder, 'list')).length).toBe(4);
      expect(readList(`${join(folder, 'list')}#full`).map(titleOf)).toEqual(['gem_exec_reloc@basic-*']);
    });

    it('says what sections there are when another is asked for', () => {
      expect(() => readList(`${join(folder, 'list')}#none`)).toThrow(/\[basic\] \[full\]/);
      expect(() => readList(join(folder, 'missing'))).toThrow(/--igt-list: .*ENOENT/);
    });
  });

  it('of the project names no subtest twice', () => {
    const names = ownList().map(titleOf);
    expect(ownList('basic').length).toBe(45);
    expect(names.length).toBeGreaterThan(300);
    expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
  });
});

describe('what became of a subtest', () => {
  it.each([
    [0, 'pass'],
    [77, 'skip'],
    [79, 'fail'],
    [98, 'fail'],
    [112, 'fail'],
    [139, 'fail'],
    [124, 'timeout'],
    [137, 'timeout'],
  ])('exit code %i is a %s', (code, verdict) => expect(verdictOf(code)).toBe(verdict));

  it('is explained by the requirement that was not met', () => {
    const log =
      'Starting subtest: x\nTest requirement not met in function f, file a.c:1:\nTest requirement: has_it(fd)\n';
    expect(reasonIn('skip', `${log}Last errno: 19, No such device\nSubtest x: SKIP (0.0s)\n`)).toBe(
      'has_it(fd); Last errno: 19, No such device',
    );
  });

  it('is explained by the assertion that failed', () => {
    const log = '(a:1) CRITICAL: Test assertion failure function f\n(a:1) CRITICAL: Failed assertion: x == 0\n';
    expect(reasonIn('fail', log)).toBe('x == 0');
  });

  it('is explained by the last line where IGT says nothing', () => {
    expect(reasonIn('timeout', 'Starting subtest: x\n\n')).toBe('Starting subtest: x');
    expect(reasonIn('fail', '')).toBe('no output');
  });
});

describe('the output of a whole test', () => {
  const LOG = [
    'IGT-Version: 2.5-NO-GIT (x86_64)',
    'Opened device: /dev/dri/card0',
    'Starting subtest: good',
    'Subtest good: SUCCESS (1.250s)',
    'Starting subtest: needs',
    'Test requirement not met in function f, file ../a.c:10:',
    'Test requirement: has_it(fd)',
    'Last errno: 19, No such device',
    'Subtest needs: SKIP (0.001s)',
    'Starting subtest: bad',
    '(a:1) CRITICAL: Failed assertion: x == 0',
    'Subtest bad failed.',
    '**** DEBUG ****',
    '(a:1) CRITICAL: Failed assertion: x == 0',
    'Subtest bad: FAIL (0.100s)',
    'Test requirement not met in function g, file ../a.c:20:',
    'Test requirement: group_has_it(fd)',
    'Subtest grouped: SKIP',
    'Subtest grouped-too: SKIP',
    'Starting subtest: says',
    'No such thing here',
    'Subtest says: SKIP (0.0s)',
    'Starting subtest: endless',
  ].join('\n');

  it('tells each subtest, with its reason', () => {
    const { results, unfinished } = parseTestLog(LOG);
    expect(results.map(({ name, verdict, seconds, reason }) => [name, verdict, seconds, reason])).toEqual([
      ['good', 'pass', 1.25, ''],
      ['needs', 'skip', 0.001, 'has_it(fd)'],
      ['bad', 'fail', 0.1, 'x == 0'],
      ['grouped', 'skip', 0, 'group_has_it(fd)'],
      ['grouped-too', 'skip', 0, 'group_has_it(fd)'],
      ['says', 'skip', 0, 'No such thing here'],
    ]);
    expect(unfinished).toBe('endless');
  });

  it('tells a test without subtests', () => {
    expect(parseTestLog('Opened device: x\nSUCCESS (2.5s)\n').results).toEqual([
      { name: '', verdict: 'pass', seconds: 2.5, reason: '' },
    ]);
  });

  it('lets a subtest pass whose program was ended while it looked for others', () => {
    const log = 'Starting subtest: x\nSubtest x: SUCCESS (0.1s)\nTest requirement: y\n';
    expect(saidSuccess(log, 'x')).toBe(true);
    expect(saidSuccess(`${log}Starting subtest: x2\n`, 'x')).toBe(false);
    expect(saidSuccess('Starting subtest: x\n', 'x')).toBe(false);
    expect(saidSuccess(log.replace('SUCCESS', 'FAIL'), 'x')).toBe(false);
  });
});

describe('the page of all tests', () => {
  const page = render({
    tests: ['kms_b', 'gem_a', 'gem_c'],
    reports: {
      gem_a: {
        test: 'gem_a',
        results: [
          { name: 'one', verdict: 'pass', seconds: 1, reason: '' },
          { name: 'two', verdict: 'skip', seconds: 0, reason: 'has_it(fd) | other' },
          { name: 'three', verdict: 'skip', seconds: 0, reason: 'has_it(fd) | other' },
          { name: 'four', verdict: 'fail', seconds: 0, reason: 'x < y' },
        ],
        notRun: ['five'],
        notRunMore: 7,
      },
      gem_c: {
        test: 'gem_c',
        results: [{ name: '', verdict: 'pass', seconds: 1, reason: '' }],
        notRun: [],
        notRunMore: 0,
      },
    },
  });

  it('names every subtest with its reason, a row for each', () => {
    expect(page.split('\n').filter((line) => line.startsWith('| gem_a '))).toEqual([
      '| gem_a | pass | one | |',
      '| gem_a | skip | two, three | has_it(fd) \\| other |',
      '| gem_a | fail | four | x &lt; y |',
      '| gem_a | not run | five, and 7 more | |',
    ]);
    expect(page).toContain('| gem_c | pass | the test | |');
  });

  it('leaves no test out, and adds up', () => {
    expect(page).toContain('| kms_b | not run | the test | |');
    expect(page).toContain('| gem_* | 2 | 2 | 2 | 1 | 0 | 8 |');
    expect(page).toContain('| kms_* | 1 | 0 | 0 | 0 | 0 | 1 |');
  });
});
