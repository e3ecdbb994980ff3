import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageInfo } from '../../src/control/package-info.js';
import { blocksOf, isShown } from '../operator/guide/blocks.js';

const guide = readFileSync(join(packageInfo().root, 'docs', 'operator-guide.md'), 'utf8');

test('each block of the guide says how it is walked, in words that are understood', () => {
  const blocks = blocksOf(guide);
  const lines = blocks.flatMap((block) => block.lines);
  expect(lines.filter(({ not }) => not === null).length).toBeGreaterThan(60);
  expect(lines.filter(({ stays }) => stays).length).toBeGreaterThan(2);
  expect(blocks.filter(({ kind }) => kind === 'shows').length).toBeGreaterThan(3);
});

test('a block is lines of a shell, and marks above it say what is special', () => {
  const text = [
    '## Start',
    '',
    '<!-- walk: not "there": far away -->',
    '<!-- walk: stays "serve" -->',
    '<!-- walk: exit 4 "show" -->',
    '',
    '    # a comment',
    '    serve',
    '    show \\',
    '      more',
    '    go there',
    '',
    '<!-- walk: shows -->',
    '',
    '        a',
    '          b',
  ];
  const [first, second, ...none] = blocksOf(text.join('\n'));
  expect(first).toMatchObject({ section: 'Start', kind: 'shell', at: 7 });
  expect(first?.lines.map(({ text: line, not, stays, exit }) => [line, not, stays, exit])).toEqual([
    ['serve', null, true, 0],
    ['show    more', null, false, 4],
    ['go there', 'far away', false, 0],
  ]);
  expect(second).toMatchObject({ kind: 'shows', text: 'a\n  b', lines: [] });
  expect(none).toEqual([]);
});

test.each([
  ['<!-- walk: sings -->\n\n    a', 'Line 1 of the guide: "walk: sings" is not understood'],
  ['<!-- walk: exit 1 "b" -->\n\n    a', 'Line 3 of the guide: no line of the block has "b"'],
])('a mark that says nothing is refused', (text, message) => {
  expect(() => blocksOf(text)).toThrow(message);
});

test.each([
  ['NAME  TYPE\na     V5_4', 'NAME TYPE\n   a  V5_8\n', true],
  ['NAME  TYPE\na     V5_4', 'NAME TYPE\n   b  V5_8\n', false],
  ['a', 'a\nb', false],
  ['a\n…', 'a\nb\nc', true],
  ['…\nc', 'a\nb\nc', true],
  ['…\nb', 'a\nb\nc', false],
  ['at …/x.sock', 'at /run/7/x.sock', true],
  ['at …/x.sock', 'in /run/7/x.sock', false],
  ['12345678-9abc-4def-8123-456789abcdef 1.5 s', '00000000-0000-4000-8000-0000000000ff 12 s', true],
])('%j shows %j: %s', (shown, answer, good) => {
  expect(isShown(shown, answer)).toBe(good);
});
