/**
 * What an audience costs a guest: 1,000 clients of the API and 100 watchers, there and not there by turns, while a guest at work
 * is timed. Both halves of every pair are of one run, one after the other, so that the ratio is not the machine's mood.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { XengtError } from '../../../src/base/index.js';
import { type MediatorStats, TRAP_STEPS, type TrapTimes } from '../../../src/mediator/api.js';
import { atExit } from '../../guest/cleanup.js';
import { ask } from '../../guest/http.js';
import { projectRoot } from '../../guest/paths.js';
import type { Progress } from '../../guest/provision/progress.js';

type Check = (what: string, good: boolean, saw?: string) => void;
type Child = ChildProcessByStdio<Writable, Readable, Readable>;

const CLIENTS = 1000;
const WATCHERS = 100;
const PAIRS = 6;
const SETTLE_MS = 2000;
const MEASURE_MS = 3000;
/** Service time with the audience against without. */
const MOST = 1.1;

/** Median of timed traps between two looks, s: within a step as if they were spread evenly. */
export function medianBetween(before: TrapTimes, after: TrapTimes): number {
  const half = (after.count - before.count) / 2;
  let below = 0;
  for (let step = 0; step < TRAP_STEPS.length; step++) {
    const upTo = (after.upTo[step] ?? 0) - (before.upTo[step] ?? 0);
    if (upTo >= half && upTo > below) {
      const from = step === 0 ? 0 : (TRAP_STEPS[step - 1] ?? 0);
      return from + (((TRAP_STEPS[step] ?? 0) - from) * (half - below)) / (upTo - below);
    }
    below = upTo;
  }
  return Number.POSITIVE_INFINITY;
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

class Program {
  readonly lines: string[] = [];
  readonly #child: Child;
  #said = '';

  constructor(module: string, ...args: string[]) {
    const script = join(projectRoot(), 'dist', module);
    this.#child = spawn(process.execPath, [script, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    atExit(() => this.#child.kill('SIGKILL'));
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.#said += chunk.toString();
        const parts = this.#said.split('\n');
        this.#said = parts.pop() ?? '';
        this.lines.push(...parts);
      });
    }
  }

  /** Waits for a line behind the first `from`. */
  async says(what: RegExp, from = 0): Promise<string> {
    for (const end = Date.now() + 60_000; ; await delay(20)) {
      const line = this.lines.slice(from).find((one) => what.test(one));
      if (line !== undefined) return line;
      if (this.#child.exitCode !== null || Date.now() > end) {
        throw new XengtError('XENGT_E_UNAVAILABLE', `no ${what}: ${this.lines.join('\n')}`);
      }
    }
  }

  tell(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  stop(): Promise<void> {
    const ended = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    if (this.#child.exitCode !== null) return Promise.resolve();
    this.#child.kill('SIGTERM');
    return ended;
  }
}

interface Measured {
  /** Median that the mediator took to answer, s. */
  readonly service: number;
  /** Median that the guest waited, us. */
  readonly roundTrip: number;
}

async function measure(api: string, driver: Program): Promise<Measured> {
  const look = async (): Promise<TrapTimes> => {
    const { body } = await ask({ socketPath: api }, 'GET', '/v1/stats');
    const { vgpus } = JSON.parse(body.toString('utf8')) as MediatorStats;
    const [vgpu] = vgpus;
    if (vgpu === undefined) throw new XengtError('XENGT_E_UNAVAILABLE', 'the vGPU is gone');
    return vgpu.trapTimes;
  };
  await delay(SETTLE_MS);
  const from = driver.lines.length;
  const before = await look();
  await delay(MEASURE_MS);
  const service = medianBetween(before, await look());
  const trips = driver.lines.slice(from + 1).map((line) => Number(line.split(' ')[1]));
  return { service, roundTrip: median(trips) };
}

export async function load(check: Check, progress: Progress): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'xengt-load-'));
  atExit(() => rmSync(folder, { recursive: true, force: true }));
  const api = join(folder, 'api.sock');
  const socket = join(folder, 'guest.sock');
  const running: Program[] = [];
  const start = (module: string, ...args: string[]) => {
    const program = new Program(module, ...args);
    running.push(program);
    return program;
  };
  try {
    const state = join(folder, 'state');
    const flags = ['--no-demo', '--xen', 'off', '--metrics', 'off', '--state-dir', state];
    const daemon = start('src/main.js', '--api', api, 'serve', ...flags);
    await daemon.says(/native addon/);
    const made = await ask({ socketPath: api }, 'POST', '/v1/vgpus', {
      name: 'guest',
      type: 'V5_8',
      transport: 'vfio-user',
      socket,
    });
    check('a vGPU for the guest is made', made.status === 201, made.body.toString('utf8'));
    const driver = start('test/operator/load/driver.js', socket);
    await driver.says(/^\d+ \d/);
    const audience = start('test/operator/load/clients.js', api, `${CLIENTS}`, `${WATCHERS}`);
    progress(`a guest with and without ${CLIENTS} clients and ${WATCHERS} watchers, ${PAIRS} times`);

    const ratios: number[] = [];
    const trips: number[] = [];
    let answered = 0;
    let failed = 0;
    for (let pair = 0; pair < PAIRS; pair++) {
      const alone = await measure(api, driver);
      audience.tell('go');
      const watched = await measure(api, driver);
      const from = audience.lines.length;
      audience.tell('stop');
      const [asked = 0, refused = 0, watching = 0] = (await audience.says(/^\d+ \d+ \d+$/, from))
        .split(' ')
        .map(Number);
      answered += asked;
      failed = refused;
      check(`${WATCHERS} watch, pair ${pair + 1}`, watching === WATCHERS, `${watching}`);
      ratios.push(watched.service / alone.service);
      trips.push(watched.roundTrip / alone.roundTrip);
      const us = (seconds: number) => (seconds * 1e6).toFixed(2);
      progress(
        `service ${us(alone.service)} -> ${us(watched.service)} us, round trip ${alone.roundTrip} -> ${watched.roundTrip} us`,
      );
    }
    const ratio = median(ratios);
    const least = (PAIRS * CLIENTS * (SETTLE_MS + MEASURE_MS)) / 1000 / 4;
    check(
      `the clients were served`,
      failed === 0 && answered > least,
      `${answered} answers, ${failed} failures: ${audience.lines.filter((line) => line.startsWith('a client')).join('; ')}`,
    );
    check(
      `trap service time with ${CLIENTS} clients and ${WATCHERS} watchers is ${ratio.toFixed(3)} times that without; at most ${MOST}`,
      ratio <= MOST,
      ratios.map((one) => one.toFixed(3)).join(', '),
    );
    progress(`round trips of the guest, the way through the sockets included: ${median(trips).toFixed(2)} times`);
  } finally {
    for (const program of running.reverse()) await program.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
