/** The manual's page of what IGT says: every subtest of every test, with the reason of each that did not pass. */
import type { Store, TestReport } from './all.js';
import type { SubtestResult } from './log.js';
import type { Verdict } from './outcome.js';

const INTRODUCTION = `# IGT

What the tests of the Intel GPU Tools (IGT 2.5) say of a vGPU on the model GPU. The tables are made by

\`\`\`sh
npm run test:guest -- --igt-all                    # every test, some hours; --igt-resume continues an interrupted run
npm run test:guest -- --igt-all gem_busy kms_flip  # these again
\`\`\`

Single subtests and lists of them are run as the [guest rig](guest-rig.md) says. A reason is in IGT's own words: the
requirement that the device or the kernel does not meet, or the assertion that failed. "timeout" is a subtest that had not
ended when the time for its test was up, on two cores that emulate the guest; "not run" are those that came after it, and
tests that have not been tried yet.
`;

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('\t', ' ');
}

function named(names: readonly string[], total: number): string {
  if (names.length === 1 && names[0] === '') return 'the test';
  if (names.length === total) return total === 1 ? `${names[0]}` : `all ${total}`;
  return names.join(', ');
}

function byReason(results: readonly SubtestResult[]): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const { name, reason } of results) groups.set(reason, [...(groups.get(reason) ?? []), name]);
  return groups;
}

function rows(report: TestReport): string[] {
  const total = report.results.length + report.notRun.length + report.notRunMore;
  const of = (verdict: Verdict) => report.results.filter((result) => result.verdict === verdict);
  const lines: string[] = [];
  const passed = of('pass').map(({ name }) => name);
  if (passed.length > 0) lines.push(`| ${report.test} | pass | ${cell(named(passed, total))} | |`);
  for (const verdict of ['skip', 'fail', 'timeout'] as const) {
    for (const [reason, names] of byReason(of(verdict))) {
      lines.push(`| ${report.test} | ${verdict} | ${cell(named(names, total))} | ${cell(reason)} |`);
    }
  }
  if (report.notRun.length > 0) {
    const more = report.notRunMore > 0 ? `, and ${report.notRunMore} more` : '';
    lines.push(`| ${report.test} | not run | ${cell(named(report.notRun, total))}${more} | |`);
  }
  return lines;
}

/** A test that has not been run is one row, so that none is missing. */
function unknown(test: string): TestReport {
  return { test, results: [], notRun: [''], notRunMore: 0 };
}

export function render({ tests: names, reports }: Store): string {
  const tests = [...names].sort().map((test) => reports[test] ?? unknown(test));
  const families = [...new Set(tests.map(({ test }) => test.split('_')[0] ?? ''))];
  const counted = families.map((family) => {
    const mine = tests.filter(({ test }) => test.startsWith(`${family}_`));
    const count = (verdict: Verdict) =>
      mine.flatMap(({ results }) => results).filter((result) => result.verdict === verdict).length;
    const left = mine.reduce((sum, { notRun, notRunMore }) => sum + notRun.length + notRunMore, 0);
    return `| ${family}_* | ${mine.length} | ${count('pass')} | ${count('skip')} | ${count('fail')} | ${count('timeout')} | ${left} |`;
  });
  const sum = [
    '| tests | number | pass | skip | fail | timeout | not run |',
    '| --- | --- | --- | --- | --- | --- | --- |',
  ];
  const tables = families.map((family) =>
    [
      `## ${family}_*`,
      '',
      '| test | result | subtests | reason |',
      '| --- | --- | --- | --- |',
      ...tests.filter(({ test }) => test.startsWith(`${family}_`)).flatMap(rows),
    ].join('\n'),
  );
  return `${[INTRODUCTION, [...sum, ...counted].join('\n'), ...tables].join('\n\n').replaceAll('\n\n\n', '\n\n')}\n`;
}
