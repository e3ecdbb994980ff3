import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { BENCHMARKS } from '../../bench/catalogue.js';
import type { Row } from '../../bench/measure.js';
import { caution, duration, forTerminal, manual } from '../../bench/report.js';

const benchmark = BENCHMARKS[0]!;
const subject: Row = { label: 'read | write', ns: 1234, spread: 0.04, ratios: [{ baseline: 'bare', times: 2.469 }] };
const bare: Row = { label: 'bare', ns: 500, spread: 0.2, ratios: [] };
const result = { benchmark, table: { rows: [subject, bare], skipped: null } };
const machine = { node: 'v0', cpu: 'a processor', cpus: 3 };

test.each([
  [0.8512, '0.851 ns'],
  [42.44, '42.4 ns'],
  [999.4, '999 ns'],
  [1000, '1 µs'],
  [7040, '7.04 µs'],
  [1.5e6, '1.5 ms'],
  [2.25e9, '2.25 s'],
])('%d ns reads as %s', (ns, text) => {
  expect(duration(ns)).toBe(text);
});

test('the terminal shows each operation with its time and what it is relative to', () => {
  const text = forTerminal(result);
  expect(text).toMatch(/read \| write +1\.23 µs +±4 % +2\.47× bare/);
  expect(text).toMatch(/bare +500 ns +±20 % +baseline/);
});

test('a benchmark that could not run says why', () => {
  const skipped = { benchmark, table: { rows: [], skipped: 'there is no journal' } };
  expect(forTerminal(skipped)).toContain('skipped: there is no journal');
});

test('figures that varied too much are pointed out', () => {
  expect(caution([result])).toContain('1 of 2 figures');
  expect(caution([{ benchmark, table: { rows: [subject], skipped: null } }])).toBe('');
});

describe('the page of the manual', () => {
  test('says where its figures come from, and keeps its table in shape', () => {
    const page = manual([result], machine);
    expect(page).toContain('Machine: a processor, 3 processors, Node v0.');
    expect(page).toContain('| read \\| write | 1.23 µs | ±4 % | 2.47× bare |');
  });

  test('as it is checked in has every benchmark as it is described now', () => {
    const page = readFileSync(resolve(import.meta.dirname, '..', '..', 'docs', 'benchmarks.md'), 'utf8');
    const sections = page.split('\n## ').slice(1);
    expect(sections.map((section) => section.split('\n')[0])).toEqual(BENCHMARKS.map(({ title }) => title));
    BENCHMARKS.forEach(({ about, name }, i) => {
      expect(sections[i]).toContain(about);
      expect(sections[i]).toContain(`npm run bench -- ${name}`);
    });
  });
});
