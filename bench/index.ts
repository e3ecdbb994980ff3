/**
 * bench: what the hot paths cost, each beside a baseline in the same run. `npm run bench [-- NAME]` prints tables,
 * `npm run bench -- --write-docs` also writes docs/benchmarks.md. Every benchmark runs in a process of its own, so that
 * what one has taught the compiler does not show in the next.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { reasonOf, XengtError } from '../src/base/index.js';
import { packageInfo } from '../src/control/package-info.js';
import { BENCHMARKS, type Benchmark } from './catalogue.js';
import { EFFORT, type Table } from './measure.js';
import { caution, forTerminal, manual, type Result } from './report.js';

const USAGE = `npm run bench -- [NAME] [--write-docs]\nnames: ${BENCHMARKS.map(({ name }) => name).join(', ')}`;

function byName(name: string): Benchmark {
  const found = BENCHMARKS.find((benchmark) => benchmark.name === name);
  if (found === undefined) throw new XengtError('XENGT_E_USAGE', `there is no benchmark "${name}"\n${USAGE}`);
  return found;
}

function parse(): { chosen: readonly Benchmark[]; writeDocs: boolean; table: Benchmark | null } {
  let parsed: { values: { 'write-docs'?: boolean; table?: string }; positionals: string[] };
  try {
    parsed = parseArgs({
      options: { 'write-docs': { type: 'boolean' }, table: { type: 'string' } },
      allowPositionals: true,
    });
  } catch (cause) {
    throw new XengtError('XENGT_E_USAGE', `${reasonOf(cause)}\n${USAGE}`, { cause });
  }
  const { values, positionals } = parsed;
  const writeDocs = values['write-docs'] ?? false;
  if (writeDocs && positionals.length > 0) {
    throw new XengtError('XENGT_E_USAGE', `the page shows one whole run: --write-docs takes no names\n${USAGE}`);
  }
  return {
    chosen: positionals.length > 0 ? positionals.map(byName) : BENCHMARKS,
    writeDocs,
    table: values.table === undefined ? null : byName(values.table),
  };
}

/** Runs one benchmark in a process of its own. */
function inChild(benchmark: Benchmark): Table {
  const child = spawnSync(process.execPath, [fileURLToPath(import.meta.url), '--table', benchmark.name], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  if (child.error) throw child.error;
  if (child.status !== 0) throw new XengtError('XENGT_E_IO', `benchmark ${benchmark.name} failed (see above)`);
  return JSON.parse(child.stdout) as Table;
}

async function main(): Promise<void> {
  const { chosen, writeDocs, table } = parse();
  if (table !== null) {
    process.stdout.write(JSON.stringify(await table.run(EFFORT)));
    return;
  }
  const results: Result[] = [];
  for (const benchmark of chosen) {
    const result = { benchmark, table: inChild(benchmark) };
    results.push(result);
    console.log(forTerminal(result));
  }
  const said = caution(results);
  if (said !== '') console.log(said);
  if (!writeDocs) return;
  const skipped = results.filter(({ table: { skipped: why } }) => why !== null).map(({ benchmark: { name } }) => name);
  if (skipped.length > 0) {
    throw new XengtError('XENGT_E_UNAVAILABLE', `the page is not written without ${skipped.join(', ')} (see above)`);
  }
  const file = join(packageInfo().root, 'docs', 'benchmarks.md');
  const cpu = cpus();
  const machine = { node: process.version, cpu: cpu[0]?.model.trim() || process.arch, cpus: cpu.length };
  writeFileSync(file, manual(results, machine));
  console.log('docs/benchmarks.md is written.');
}

try {
  await main();
} catch (error) {
  if (!(error instanceof XengtError)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
}
