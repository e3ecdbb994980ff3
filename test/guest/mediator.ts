/** The mediator under test: started as a child of the rig or already running, and asked over its own API. */
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { XengtError } from '../../src/base/index.js';
import type { EngineStats, MediatorStats, ShareChange, UnknownRegister, VgpuInfo } from '../../src/mediator/api.js';
import { Child, type Exit } from './child.js';
import { type Answer, ask } from './http.js';
import { projectRoot } from './paths.js';

export interface EngineReport extends EngineStats {
  /** Seconds by vGPU id. */
  readonly perVgpu: Readonly<Record<string, number>>;
}

export interface VgpuRequest {
  readonly name: string;
  /** A type, or sizes of one's own. */
  readonly type?: string;
  readonly lowMiB?: number;
  readonly highMiB?: number;
  readonly fences?: number;
  readonly monitor: boolean;
  /** Each with the mode line of the monitor that is plugged in. */
  readonly ports?: readonly { readonly port: 'B' | 'C' | 'D'; readonly type?: 'DP' | 'HDMI'; readonly mode: string }[];
  readonly socket: string;
  readonly record?: string;
}

/** The answers are trusted to have the shape that the API promises: a wrong one fails the check that reads it. */
function parsed<T>(answer: Answer): T {
  return JSON.parse(answer.body.toString('utf8')) as T;
}

export class MediatorClient {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  async #ask(method: string, path: string, body?: unknown): Promise<Answer> {
    const answer = await ask({ socketPath: this.#socketPath }, method, path, body);
    if (answer.status >= 200 && answer.status < 300) return answer;
    const text = answer.body.toString('utf8').slice(0, 300);
    throw new XengtError('XENGT_E_UNAVAILABLE', `${method} ${path} was answered ${answer.status}: ${text}`);
  }

  async createVgpu(wanted: VgpuRequest): Promise<VgpuInfo> {
    return parsed(await this.#ask('POST', '/v1/vgpus', { ...wanted, transport: 'vfio-user' }));
  }

  async removeVgpu(id: number): Promise<void> {
    await this.#ask('DELETE', `/v1/vgpus/${id}`);
  }

  async vgpus(): Promise<VgpuInfo[]> {
    return parsed<{ vgpus: VgpuInfo[] }>(await this.#ask('GET', '/v1/vgpus')).vgpus;
  }

  async vgpu(id: number): Promise<VgpuInfo> {
    return parsed(await this.#ask('GET', `/v1/vgpus/${id}`));
  }

  /** A recorded guest, again and again, at the place in the device that its journal needs. */
  async replayVgpu(name: string, file: string): Promise<VgpuInfo> {
    return parsed(await this.#ask('POST', '/v1/vgpus', { name, transport: 'replay', file, loop: true }));
  }

  /** In force from the next period on. */
  async setShare(id: number, change: ShareChange): Promise<void> {
    await this.#ask('PATCH', `/v1/vgpus/${id}`, change);
  }

  async setMonitor(id: number, connected: boolean): Promise<void> {
    await this.#ask('PUT', `/v1/vgpus/${id}/monitor`, { connected });
  }

  /** The guest's screen as a PNG file; null while it shows nothing. */
  async screen(id: number): Promise<Buffer | null> {
    const answer = await ask({ socketPath: this.#socketPath }, 'GET', `/v1/vgpus/${id}/screen.png`);
    if (answer.status === 404) return null;
    if (answer.status === 200) return answer.body;
    throw new XengtError('XENGT_E_UNAVAILABLE', `screen.png was answered ${answer.status}`);
  }

  async unknownRegisters(id: number): Promise<UnknownRegister[]> {
    return parsed<{ registers: UnknownRegister[] }>(await this.#ask('GET', `/v1/vgpus/${id}/unknown-registers`))
      .registers;
  }

  async engines(): Promise<EngineReport[]> {
    return parsed<{ engines: EngineReport[] }>(await this.#ask('GET', '/v1/engines')).engines;
  }

  async isolation(): Promise<{ violations: number; last: string[] }> {
    return parsed(await this.#ask('GET', '/v1/isolation'));
  }

  async stats(): Promise<MediatorStats> {
    return parsed(await this.#ask('GET', '/v1/stats'));
  }

  /** Waits until a vGPU says that it is in `state`. */
  async reaches(id: number, state: VgpuInfo['state'], timeoutMs: number): Promise<VgpuInfo> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      const info = await this.vgpu(id);
      if (info.state === state) return info;
      if (Date.now() > end) {
        throw new XengtError(
          'XENGT_E_UNAVAILABLE',
          `vGPU ${info.name} is ${info.state}, not ${state} (${info.reason})`,
        );
      }
      await delay(100);
    }
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 15_000;

/** A mediator of the rig's own, with the model GPU. */
export class Mediator {
  readonly client: MediatorClient;
  readonly metricsPort: number;
  readonly #child: Child;

  private constructor(child: Child, client: MediatorClient, metricsPort: number) {
    this.#child = child;
    this.client = client;
    this.metricsPort = metricsPort;
  }

  /** `runFolder` holds its sockets (a short path), `logFolder` its log. */
  static async start(runFolder: string, logFolder: string, extraFlags: readonly string[] = []): Promise<Mediator> {
    const api = join(runFolder, 'api.sock');
    const state = join(runFolder, 'state');
    mkdirSync(state);
    const port = await freePort();
    const child = new Child({
      name: 'mediator',
      command: process.execPath,
      args: [
        join(projectRoot(), 'dist/src/main.js'),
        'serve',
        ...['--api', api, '--metrics', `127.0.0.1:${port}`, '--state-dir', state, '--no-demo'],
        ...extraFlags,
      ],
      logFile: join(logFolder, 'mediator.log'),
    });
    const client = new MediatorClient(api);
    const end = Date.now() + START_LIMIT_MS;
    for (;;) {
      try {
        await client.stats();
        return new Mediator(child, client, port);
      } catch (error) {
        if (!child.running || Date.now() > end) {
          await child.stop(1000);
          const tail = child.lines.all.slice(-15).join('\n  ');
          throw new XengtError('XENGT_E_UNAVAILABLE', `The mediator did not come up:\n  ${tail}`, { cause: error });
        }
      }
      await delay(100);
    }
  }

  get running(): boolean {
    return this.#child.running;
  }

  get log(): readonly string[] {
    return this.#child.lines.all;
  }

  async metrics(): Promise<string> {
    const answer = await ask({ host: '127.0.0.1', port: this.metricsPort }, 'GET', '/metrics');
    return answer.body.toString('utf8');
  }

  stop(): Promise<Exit> {
    return this.#child.stop(STOP_LIMIT_MS);
  }
}
