/** The daemon's HTTP API in dom0, asked there by curl over its UNIX socket; bodies come back through the share. */
import { rmSync } from 'node:fs';
import { XengtError } from '../../src/base/index.js';
import type { MediatorStats, PageTableAudit, UnknownRegister, VgpuInfo } from '../../src/mediator/api.js';
import type { Answer } from '../guest/http.js';
import type { EngineReport } from '../guest/mediator.js';
import type { Machine } from './boot.js';

export const API_SOCKET = '/run/xengt/api.sock';
const ANSWER = 'answer';
const REQUEST_LIMIT_S = 60;

/** The answers are trusted to have the shape that the API promises: a wrong one fails the check that reads it. */
function parsed<T>(answer: Answer): T {
  return JSON.parse(answer.body.toString('utf8')) as T;
}

export class Dom0Api {
  readonly #machine: Machine;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  async ask(method: string, path: string, body?: unknown): Promise<Answer> {
    const limit = `--max-time ${REQUEST_LIMIT_S}`;
    const payload =
      body === undefined
        ? ''
        : `-H 'content-type: application/json' --data '${JSON.stringify(body).replaceAll("'", "'\\''")}'`;
    const url = `'http://xengt${path}'`;
    const file = `/share/${ANSWER}`;
    const lines = await this.#machine.must(
      `curl -sS ${limit} --unix-socket ${API_SOCKET} -X ${method} ${payload} -o ${file} -w '%{http_code}\\n' ${url}`,
      REQUEST_LIMIT_S + 10,
    );
    const content = this.#machine.file(ANSWER) ?? Buffer.alloc(0);
    rmSync(`${this.#machine.share}/${ANSWER}`, { force: true });
    return { status: Number(lines.at(-1)), body: content };
  }

  async #good(method: string, path: string, body?: unknown): Promise<Answer> {
    const answer = await this.ask(method, path, body);
    if (answer.status >= 200 && answer.status < 300) return answer;
    const text = answer.body.toString('utf8').slice(0, 400);
    throw new XengtError('XENGT_E_UNAVAILABLE', `${method} ${path} was answered ${answer.status}: ${text}`);
  }

  async vgpus(): Promise<VgpuInfo[]> {
    return parsed<{ vgpus: VgpuInfo[] }>(await this.#good('GET', '/v1/vgpus')).vgpus;
  }

  async vgpu(id: number): Promise<VgpuInfo> {
    return parsed(await this.#good('GET', `/v1/vgpus/${id}`));
  }

  async createVgpu(body: Readonly<Record<string, unknown>>): Promise<VgpuInfo> {
    return parsed(await this.#good('POST', '/v1/vgpus', body));
  }

  async removeVgpu(id: number): Promise<void> {
    await this.#good('DELETE', `/v1/vgpus/${id}`);
  }

  async setMonitor(id: number, connected: boolean): Promise<void> {
    await this.#good('PUT', `/v1/vgpus/${id}/monitor`, { connected });
  }

  /** The guest's screen as a PNG file; null while it shows nothing. */
  async screen(id: number): Promise<Buffer | null> {
    const answer = await this.ask('GET', `/v1/vgpus/${id}/screen.png`);
    if (answer.status === 404) return null;
    if (answer.status === 200) return answer.body;
    throw new XengtError('XENGT_E_UNAVAILABLE', `screen.png was answered ${answer.status}`);
  }

  async unknownRegisters(id: number): Promise<UnknownRegister[]> {
    const answer = await this.#good('GET', `/v1/vgpus/${id}/unknown-registers`);
    return parsed<{ registers: UnknownRegister[] }>(answer).registers;
  }

  /** Shadow page tables against the guest's. */
  async auditPageTables(id: number): Promise<PageTableAudit> {
    return parsed(await this.#good('POST', `/v1/vgpus/${id}/page-tables`));
  }

  async engines(): Promise<EngineReport[]> {
    return parsed<{ engines: EngineReport[] }>(await this.#good('GET', '/v1/engines')).engines;
  }

  async isolation(): Promise<{ violations: number; last: string[] }> {
    return parsed(await this.#good('GET', '/v1/isolation'));
  }

  async stats(): Promise<MediatorStats> {
    return parsed(await this.#good('GET', '/v1/stats'));
  }

  async metrics(): Promise<string> {
    return (await this.#good('GET', '/metrics')).body.toString('utf8');
  }
}
