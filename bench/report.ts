/** Tables for people: on the terminal, and as the page of the manual. */
import type { Benchmark } from './catalogue.js';
import type { Row, Table } from './measure.js';

export interface Result {
  readonly benchmark: Benchmark;
  readonly table: Table;
}

/** Where a run took place. */
export interface Machine {
  readonly node: string;
  readonly cpu: string;
  readonly cpus: number;
}

/** Rounds that differ by more than this say more about the machine than about the code. */
const RESTLESS = 0.15;

/** A time with three significant digits. */
export function duration(ns: number): string {
  for (const [unit, scale] of [
    ['s', 1e9],
    ['ms', 1e6],
    ['µs', 1e3],
  ] as const) {
    if (ns >= scale) return `${significant(ns / scale)} ${unit}`;
  }
  return `${significant(ns)} ns`;
}

function significant(value: number): string {
  return Number(value.toPrecision(3)).toString();
}

const times = (value: number): string => `${Number(value.toPrecision(value < 1 ? 2 : 3))}×`;
const percent = (part: number): string => `±${Math.round(100 * part)} %`;

function ratiosOf(row: Row): string {
  if (row.ratios.length === 0) return 'baseline';
  return row.ratios.map((ratio) => `${times(ratio.times)} ${ratio.baseline}`).join(', ');
}

export function forTerminal({ benchmark, table }: Result): string {
  const lines = [`${benchmark.title} (${benchmark.name})`];
  if (table.skipped !== null) return `${lines[0]}\n  skipped: ${table.skipped}\n`;
  const label = Math.max(...table.rows.map((row) => row.label.length));
  for (const row of table.rows) {
    const cells = [
      row.label.padEnd(label),
      duration(row.ns).padStart(8),
      percent(row.spread).padStart(6),
      ratiosOf(row),
    ];
    lines.push(`  ${cells.join('  ')}`);
    if (row.note !== undefined) lines.push(`    ${row.note}`);
  }
  return `${lines.join('\n')}\n`;
}

/** One line when the machine was too busy for the figures to be taken at their word; empty otherwise. */
export function caution(results: readonly Result[]): string {
  const rows = results.flatMap(({ table }) => table.rows);
  const restless = rows.filter((row) => row.spread > RESTLESS).length;
  if (restless === 0) return '';
  return `${restless} of ${rows.length} figures varied by more than ${percent(RESTLESS)} between rounds: the machine was busy.`;
}

const cell = (text: string): string => text.replaceAll('|', '\\|');

function forManual({ benchmark, table }: Result): string {
  const lines = [`## ${benchmark.title}`, '', benchmark.about, ''];
  lines.push(`\`npm run bench -- ${benchmark.name}\``, '');
  lines.push('| operation | median | spread | relative to |', '| --- | ---: | ---: | --- |');
  for (const row of table.rows) {
    lines.push(`| ${[row.label, duration(row.ns), percent(row.spread), ratiosOf(row)].map(cell).join(' | ')} |`);
  }
  const notes = table.rows.flatMap((row) => (row.note === undefined ? [] : [`- ${row.label}: ${row.note}.`]));
  if (notes.length > 0) lines.push('', ...notes);
  return [...lines, ''].join('\n');
}

/** The page of the manual, all of it. */
export function manual(results: readonly Result[], machine: Machine): string {
  const said = caution(results);
  return `${[
    '# Benchmarks',
    '',
    'This page is written by `npm run bench -- --write-docs`: every figure in it is from that one run. `npm run bench` prints',
    'the same tables, `npm run bench -- NAME` one of them.',
    '',
    'Subjects and baselines take turns, round by round, in one process, a process for each table. *Median* is the time of one',
    'operation; *spread* is half the distance between the quartiles of the rounds. A ratio is the median of the ratios within',
    'a round: `3× bare array` took three times as long as the baseline of that name beside it. Absolute times belong to the',
    'machine and to what else it did; ratios are what to compare.',
    '',
    `Machine: ${machine.cpu}, ${machine.cpus} processors, Node ${machine.node}.${said === '' ? '' : ` ${said}`}`,
    '',
    ...results.map(forManual),
  ]
    .join('\n')
    .trimEnd()}\n`;
}
