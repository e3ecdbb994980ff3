/**
 * Metrics before a real Prometheus: Debian's package scrapes a daemon with three guests, every query of the dashboard returns
 * data, promtool finds nothing to say, and what VMs are charged is what their guests measured.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { XengtError } from '../../../src/base/index.js';
import { packageInfo } from '../../../src/control/package-info.js';
import { atExit } from '../../guest/cleanup.js';
import { cacheFolder } from '../../guest/paths.js';
import { dropPartials, withCacheLock } from '../../guest/provision/cache.js';
import type { Progress } from '../../guest/provision/progress.js';
import { readDashboard } from './dashboard.js';
import { guestsAtWork } from './guests.js';
import { Prometheus, promtool } from './prometheus.js';
import { provisionPrometheus } from './root.js';

export type Check = (what: string, good: boolean, saw?: string) => void;

const { root: project } = packageInfo();
const JOURNALS = ['1-linux-6.1-monitor.xj', '2-linux-6.12-monitor.xj', '4-linux-7.2-monitor.xj'];
const START_MS = 120_000;
/** As long as the queries' windows, and some scrapes more. */
const SCRAPED_MS = 30_000;
const RATE_INTERVAL = '30s';

/** A daemon that replays three guests for ever. @returns where it serves metrics */
async function startDaemon(folder: string): Promise<{ readonly daemon: ChildProcess; readonly target: string }> {
  const vgpus = JOURNALS.map((file, i) => ({
    name: `guest${i + 1}`,
    vm: `vm${i + 1}`,
    transport: 'replay',
    file: join(project, 'assets', 'journals', file),
    loop: true,
  }));
  const config = join(folder, 'config.json');
  writeFileSync(config, JSON.stringify({ vgpus, stateDir: join(folder, 'state') }));
  const main = join(project, 'dist', 'src', 'main.js');
  const args = [main, 'serve', '--config', config, '--api', join(folder, 'api.sock'), '--metrics', '127.0.0.1:0'];
  const daemon = spawn(process.execPath, [...args, '--xen', 'off'], { stdio: ['ignore', 'pipe', 'pipe'] });
  atExit(() => daemon.kill('SIGKILL'));
  let said = '';
  for (const stream of [daemon.stdout, daemon.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
  }
  for (const end = Date.now() + START_MS; ; await delay(100)) {
    const target = /metrics: +http:\/\/([\d.:]+)\/metrics/.exec(said)?.[1];
    if (target !== undefined && said.includes(`"guest${JOURNALS.length}"`)) return { daemon, target };
    if (daemon.exitCode !== null || Date.now() > end) {
      throw new XengtError('XENGT_E_UNAVAILABLE', `the daemon does not start: ${said}`);
    }
  }
}

async function checkFiles(root: string, prometheus: Prometheus, target: string, check: Check): Promise<string> {
  const metrics = await (await fetch(`http://${target}/metrics`)).text();
  const linted = await promtool(root, ['check', 'metrics'], metrics);
  check('promtool check metrics has nothing to say', linted.code === 0 && linted.out.trim() === '', linted.out);
  const rules = prometheus.copy('xengt.rules.yml', join(project, 'packaging', 'prometheus', 'xengt.rules.yml'));
  const read = await promtool(root, ['check', 'rules', '--lint=all', '--lint-fatal', rules]);
  check(
    'promtool check rules takes every alert',
    read.code === 0 && /SUCCESS: [1-9]\d* rules found/.test(read.out),
    read.out,
  );
  const tests = prometheus.copy('xengt.test.yml', join(project, 'packaging', 'prometheus', 'xengt.test.yml'));
  const tried = await promtool(root, ['test', 'rules', tests]);
  check('promtool test rules: alerts fire when they should, and not else', tried.code === 0, tried.out);
  return rules;
}

async function checkQueries(prometheus: Prometheus, check: Check): Promise<void> {
  const dashboard = readDashboard(join(project, 'packaging', 'grafana', 'xengt-vms.json'), RATE_INTERVAL);
  for (const { panel, expression } of dashboard.queries) {
    const samples = await prometheus.queryUntilThere(expression);
    const finite = samples.some(({ value }) => Number.isFinite(value));
    check(`the dashboard's "${panel}" has data`, finite, `${expression}: ${JSON.stringify(samples)}`);
  }
  for (const { name, metric, label } of dashboard.variables) {
    const values = await prometheus.get(`/api/v1/label/${label}/values?match[]=${metric}`);
    const some = Array.isArray(values) && values.length > 0;
    check(`the dashboard's variable "${name}" has values`, some, JSON.stringify(values));
  }
  const vms = await prometheus.queryUntilThere('sum by (vm) (xengt_vgpu_gpu_seconds_total{engine="RCS"}) > 0');
  const names = vms.map(({ labels }) => labels.vm).sort();
  check('the render engine has worked for each of three VMs', names.join() === 'vm1,vm2,vm3', names.join());
}

async function checkAlerts(prometheus: Prometheus, check: Check): Promise<void> {
  const data = await prometheus.get('/api/v1/rules');
  const text = JSON.stringify(data);
  const health = [...text.matchAll(/"health":"(\w+)"/g)].map((match) => match[1]);
  check('every alert can be evaluated', health.length > 0 && health.every((one) => one === 'ok'), health.join());
  const firing = (await prometheus.query('ALERTS{alertstate="firing"}')).map(({ labels }) => labels.alertname);
  check('no alert fires for guests that do nothing wrong', firing.length === 0, firing.join());
}

/** All of it. @param progress is told of long steps */
export async function prometheus(check: Check, progress: Progress): Promise<void> {
  const cache = cacheFolder();
  const root = await withCacheLock(cache, progress, () => {
    dropPartials(cache);
    return provisionPrometheus(cache, progress);
  });
  const folder = mkdtempSync(join(tmpdir(), 'xengt-prometheus-'));
  const server = new Prometheus(root);
  let daemon: ChildProcess | undefined;
  try {
    const started = await startDaemon(folder);
    daemon = started.daemon;
    const rules = await checkFiles(root, server, started.target, check);
    await server.start(started.target, rules);
    progress(`Prometheus scrapes three guests for ${SCRAPED_MS / 1000} s`);
    await delay(SCRAPED_MS);
    await checkQueries(server, check);
    await checkAlerts(server, check);
  } finally {
    await server.stop();
    daemon?.kill('SIGTERM');
    rmSync(folder, { recursive: true, force: true });
  }
  const other = new Prometheus(root);
  try {
    const rules = other.copy('xengt.rules.yml', join(project, 'packaging', 'prometheus', 'xengt.rules.yml'));
    await guestsAtWork(other, (target) => other.start(target, rules), check, progress);
  } finally {
    await other.stop();
  }
}
