/**
 * `npm run sim:sched`: the policies of the program against loads, synthetic and recorded. Prints what each client got, and writes
 * it as JSON and as a picture.
 *
 *   npm run sim:sched -- [--slices N] [--out FOLDER] [--journal FILE]...
 */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { reasonOf, XengtError } from '../src/base/index.js';
import { packageInfo } from '../src/control/package-info.js';
import { draw } from './draw.js';
import { recordedWorkloads } from './recorded.js';
import { lines, reportOf } from './report.js';
import { recordedScenario, run, SCENARIOS, type Scenario } from './scenarios.js';

const DEFAULT_SLICES = 1_000_000;

function journals(given: readonly string[]): string[] {
  if (given.length > 0) return [...given];
  const folder = join(packageInfo().root, 'assets', 'journals');
  if (!existsSync(folder)) return [];
  const [first] = readdirSync(folder).filter((file) => file.endsWith('.xj'));
  return first === undefined ? [] : [join(folder, first)];
}

function main(args: readonly string[]): void {
  const { values } = parseArgs({
    args: [...args],
    options: {
      slices: { type: 'string', default: String(DEFAULT_SLICES) },
      out: { type: 'string', default: 'build/sim' },
      journal: { type: 'string', multiple: true, default: [] },
    },
  });
  const slices = Number(values.slices);
  if (!Number.isInteger(slices) || slices < 1) {
    throw new XengtError(
      'XENGT_E_USAGE',
      `--slices: "${values.slices}" is not allowed; allowed: a whole number from 1`,
    );
  }
  const recorded = journals(values.journal).map((file): Scenario => {
    return recordedScenario(basename(file, '.xj'), recordedWorkloads(file));
  });
  const reports = [...SCENARIOS, ...recorded].map((scenario) => {
    const started = process.hrtime();
    const report = reportOf(scenario, run(scenario, slices));
    const [s, ns] = process.hrtime(started);
    process.stdout.write(`${lines(report)}  simulated in ${(s + ns / 1e9).toFixed(2)} s\n\n`);
    return report;
  });
  mkdirSync(values.out, { recursive: true });
  const json = join(values.out, 'scheduler.json');
  const png = join(values.out, 'scheduler.png');
  writeFileSync(json, `${JSON.stringify({ slices, scenarios: reports }, null, 2)}\n`);
  writeFileSync(png, draw(reports));
  process.stdout.write(`${json}\n${png}\n`);
}

try {
  main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`sim:sched: ${reasonOf(error)}\n`);
  process.exitCode = error instanceof XengtError ? error.exitCode : 2;
}
