/** Prometheus of the root at work: scrapes one address every other second, and answers queries. */
import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { XengtError } from '../../../src/base/index.js';
import { atExit } from '../../guest/cleanup.js';

export interface Ran {
  readonly code: number;
  readonly out: string;
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const START_MS = 60_000;
const PATIENCE_MS = 20_000;

/** Runs promtool of the root. @param input what it reads */
export function promtool(root: string, args: readonly string[], input = ''): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn('chroot', [root, 'promtool', ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      out += chunk.toString();
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, out }));
    child.stdin.end(input);
  });
}

export class Prometheus {
  #process: ChildProcess | null = null;
  #output = '';
  #port = 0;
  /** Its folder, outside of the root and in it. */
  readonly #outside: string;
  readonly #inside: string;

  constructor(private readonly root: string) {
    this.#outside = mkdtempSync(join(root, 'var', 'tmp', 'run-'));
    this.#inside = this.#outside.slice(root.length);
    // The root stays in the cache: an interrupted run leaves nothing in it.
    atExit(() => rmSync(this.#outside, { recursive: true, force: true }));
  }

  /** A file that promtool and Prometheus can read. @returns its path in the root */
  give(name: string, text: string): string {
    writeFileSync(join(this.#outside, name), text);
    return join(this.#inside, name);
  }

  copy(name: string, file: string): string {
    cpSync(file, join(this.#outside, name));
    return join(this.#inside, name);
  }

  /** @param target HOST:PORT that is scraped as the job `xengt` */
  async start(target: string, rules: string): Promise<void> {
    const config = this.give(
      'prometheus.yml',
      [
        'global: { scrape_interval: 2s, scrape_timeout: 2s, evaluation_interval: 2s }',
        `rule_files: [${JSON.stringify(rules)}]`,
        'scrape_configs:',
        `  - { job_name: xengt, static_configs: [{ targets: [${JSON.stringify(target)}] }] }`,
        '',
      ].join('\n'),
    );
    this.#port = await freePort();
    const flags = [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(this.#inside, 'data')}`,
      `--web.listen-address=127.0.0.1:${this.#port}`,
    ];
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', 'chroot', this.root, 'prometheus', ...flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process = child;
    atExit(() => child.kill('SIGKILL'));
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.#output = (this.#output + chunk.toString()).slice(-4000);
      });
    }
    const end = Date.now() + START_MS;
    while (!(await this.#ready())) {
      if (child.exitCode !== null || Date.now() > end) {
        throw new XengtError('XENGT_E_UNAVAILABLE', `Prometheus does not start: ${this.#output}`);
      }
      await delay(200);
    }
  }

  async #ready(): Promise<boolean> {
    try {
      return (await fetch(`http://127.0.0.1:${this.#port}/-/ready`)).ok;
    } catch (error) {
      if (error instanceof TypeError) return false;
      throw error;
    }
  }

  /** What its API answers at a path; a refusal is an error with Prometheus' own words. */
  async get(path: string): Promise<unknown> {
    const answer = await fetch(`http://127.0.0.1:${this.#port}${path}`);
    const body: unknown = await answer.json();
    if (typeof body !== 'object' || body === null || !('data' in body)) {
      throw new XengtError('XENGT_E_UNAVAILABLE', `${path}: ${JSON.stringify(body)}`);
    }
    return body.data;
  }

  async query(expression: string): Promise<Sample[]> {
    const data = await this.get(`/api/v1/query?query=${encodeURIComponent(expression)}`);
    if (typeof data !== 'object' || data === null || !('result' in data) || !Array.isArray(data.result)) {
      throw new XengtError('XENGT_E_UNAVAILABLE', `${expression}: ${JSON.stringify(data)}`);
    }
    return data.result.map((one: { metric: Record<string, string>; value: [number, string] }) => ({
      labels: one.metric,
      value: Number(one.value[1]),
    }));
  }

  /** A scrape that comes too late on a busy machine leaves a gap: asks again until there is a number, for a while. */
  async queryUntilThere(expression: string): Promise<Sample[]> {
    for (const end = Date.now() + PATIENCE_MS; ; await delay(1000)) {
      const samples = await this.query(expression);
      if (samples.some(({ value }) => Number.isFinite(value)) || Date.now() > end) return samples;
    }
  }

  async stop(): Promise<void> {
    const child = this.#process;
    if (child !== null && child.exitCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await Promise.race([ended, delay(10_000)]);
      child.kill('SIGKILL');
    }
    rmSync(this.#outside, { recursive: true, force: true });
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
