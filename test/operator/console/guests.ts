/** A daemon with three replayed guests, and the way from a browser to its UNIX socket that `ssh -L` would make. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { XengtError } from '../../../src/base/index.js';
import { packageInfo } from '../../../src/control/package-info.js';
import type { Screen } from '../../../src/mediator/api.js';
import { replayFile } from '../../../src/mediator/index.js';
import { atExit } from '../../guest/cleanup.js';

const { root: project } = packageInfo();
const START_MS = 120_000;

/** Names by journal; one is that of a numbered VM, which can be brought to the foreground. */
const GUESTS = [
  ['linux-6.1', '1-linux-6.1-monitor.xj'],
  ['linux-6.12', '2-linux-6.12-monitor.xj'],
  ['vm7', '4-linux-7.2-monitor.xj'],
] as const;

export interface Guest {
  readonly name: string;
  /** What it shows at the end, from its journal alone: no daemon, no console and no viewer had a part in it. */
  readonly own: Screen;
}

export function ownFrames(): Guest[] {
  return GUESTS.map(([name, file]) => {
    const { screen } = replayFile(join(project, 'assets', 'journals', file));
    if (screen === null) throw new XengtError('XENGT_E_JOURNAL', `The guest of ${file} shows nothing`);
    return { name, own: screen };
  });
}

/** Digest of a picture: its size, then its pixels as red, green, blue and 255. */
export function digest({ width, height, rgba }: Screen): string {
  const opaque = rgba.map((byte, at) => (at % 4 === 3 ? 255 : byte));
  return `${width}x${height} ${createHash('sha256').update(opaque).digest('hex')}`;
}

export class Daemon {
  readonly api: string;
  /** HOST:PORT that changes nothing. */
  metrics = '';
  readonly #folder: string;
  readonly #vnc: number;
  /** Started with it, the metrics address serves everything to who has it. */
  token: string | null = null;
  #process: ChildProcess | null = null;
  #said = '';

  /** @param vnc port of the foreground's display */
  constructor(folder: string, vnc: number) {
    this.#folder = folder;
    this.#vnc = vnc;
    this.api = join(folder, 'api.sock');
  }

  async start(): Promise<void> {
    const vgpus = GUESTS.map(([name, file]) => {
      return { name, transport: 'replay', file: join(project, 'assets', 'journals', file), loop: false };
    });
    const config = join(this.#folder, 'config.json');
    writeFileSync(config, JSON.stringify({ vgpus, stateDir: join(this.#folder, 'state') }));
    const main = join(project, 'dist', 'src', 'main.js');
    const places = ['--api', this.api, '--metrics', '127.0.0.1:0', '--vnc', `127.0.0.1:${this.#vnc}`];
    const guard: string[] = [];
    if (this.token !== null) {
      const file = join(this.#folder, 'token');
      writeFileSync(file, this.token, { mode: 0o600 });
      guard.push('--token-file', file);
    }
    const args = [main, 'serve', '--config', config, ...places, ...guard, '--xen', 'off'];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#process = child;
    atExit(() => child.kill('SIGKILL'));
    this.#said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.#said += chunk.toString();
      });
    }
    const last = GUESTS.at(-1)?.[0];
    for (const end = Date.now() + START_MS; ; await delay(100)) {
      const metrics = /metrics: +http:\/\/([\d.:]+)\/metrics/.exec(this.#said)?.[1];
      if (metrics !== undefined && this.#said.includes(`"${last}"`)) {
        this.metrics = metrics;
        return;
      }
      if (child.exitCode !== null || Date.now() > end) {
        throw new XengtError('XENGT_E_UNAVAILABLE', `the daemon does not start: ${this.#said}`);
      }
    }
  }

  /** @returns what it ended with */
  async stop(): Promise<number | null> {
    const child = this.#process;
    if (child === null || child.exitCode !== null) return child?.exitCode ?? null;
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    return ended;
  }

  async ask(method: string, path: string, body?: object): Promise<{ readonly status: number; readonly body: Buffer }> {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    return new Promise((resolve, reject) => {
      const asked = request({ socketPath: this.api, method, path, headers, agent: false }, (response) => {
        buffer(response).then((bytes) => resolve({ status: response.statusCode ?? 0, body: bytes }), reject);
      });
      asked.on('error', reject);
      asked.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /** A vGPU in the daemon's words, and the last of what the daemon said. */
  async describe(name: string): Promise<string> {
    return `${(await this.ask('GET', `/v1/vgpus/${name}`)).body} ${this.#said.slice(-500)}`;
  }

  async vgpus(): Promise<{ readonly id: number; readonly name: string; readonly weight: number }[]> {
    const { body } = await this.ask('GET', '/v1/vgpus');
    return (JSON.parse(body.toString()) as { vgpus: { id: number; name: string; weight: number }[] }).vgpus;
  }
}

/** A port whose connections end at the daemon's UNIX socket; while nobody is there, they end at once. */
export async function tunnel(path: string): Promise<{ readonly address: string; readonly server: Server }> {
  const server = createServer((near) => {
    const far = connect(path);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
      one.pipe(other);
    }
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

/** The first of four ports in a row that are free, from VNC's usual one on. */
export async function freeDisplays(): Promise<number> {
  for (let port = 5910; port < 6900; port += 10) {
    const free = await Promise.all([0, 1, 2, 3, 4].map((n) => isFree(port + n)));
    if (free.every(Boolean)) return port;
  }
  throw new XengtError('XENGT_E_UNAVAILABLE', 'No ports for VNC displays are free from 5910 on');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
