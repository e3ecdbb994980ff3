/** A daemon in this process on the fake mediator, with addresses of its own, and the command line pointed at it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import {
  type Daemon,
  type DaemonConfig,
  type Engine,
  type Host,
  type ReplayReport,
  runCli,
  startDaemon,
} from '../../src/control/index.js';
import { FakeMediator } from './fake-mediator.js';

export function scratch(): {
  folder: string;
  path(name: string): string;
  write(name: string, text: string): string;
  drop(): void;
} {
  const folder = mkdtempSync(join(tmpdir(), 'xengt-'));
  const path = (name: string) => join(folder, name);
  return {
    folder,
    path,
    write: (name, text) => {
      writeFileSync(path(name), text);
      return path(name);
    },
    drop: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export interface Rig {
  readonly mediator: FakeMediator;
  readonly daemon: Daemon;
  readonly socket: string;
  readonly port: number;
  readonly lines: string[];
  readonly complaints: string[];
  stop(): Promise<void>;
}

export async function startRig(change: Partial<DaemonConfig> = {}, mediator = new FakeMediator()): Promise<Rig> {
  const files = scratch();
  const lines: string[] = [];
  const complaints: string[] = [];
  const config: DaemonConfig = {
    api: files.path('api.sock'),
    metrics: { host: '127.0.0.1', port: 0 },
    allowRemote: false,
    platform: 'SKL',
    apertureMiB: 1024,
    apertureBar: undefined,
    stateDir: files.path('state'),
    demo: false,
    replay: [],
    vgpus: [],
    ...change,
  };
  const log = { info: (line: string) => void lines.push(line), error: (line: string) => void complaints.push(line) };
  const daemon = await startDaemon(config, async () => mediator, log);
  return {
    mediator,
    daemon,
    socket: daemon.api,
    port: daemon.metrics?.port ?? 0,
    lines,
    complaints,
    stop: async () => {
      await daemon.stop();
      files.drop();
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly bytes: Buffer;
  readonly text: string;
  json(): Record<string, unknown>;
}

export interface Question {
  readonly method?: string;
  readonly body?: string | object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Asks at the UNIX socket (a path) or at the TCP port (a number). */
export function ask(
  where: string | number,
  path: string,
  { method = 'GET', body, headers = {} }: Question = {},
): Promise<Answer> {
  const address = typeof where === 'string' ? { socketPath: where } : { host: '127.0.0.1', port: where };
  const payload = typeof body === 'object' ? JSON.stringify(body) : body;
  const type =
    payload === undefined
      ? {}
      : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(payload)) };
  return new Promise((resolve, reject) => {
    const asked = request({ ...address, method, path, headers: { ...type, ...headers }, agent: false }, (response) => {
      buffer(response).then((bytes) => {
        const text = bytes.toString('utf8');
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          bytes,
          text,
          json: () => JSON.parse(text),
        });
      }, reject);
    });
    asked.on('error', reject);
    asked.end(payload);
  });
}

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly mediator?: FakeMediator;
  readonly replay?: Engine['replayFile'];
  readonly interrupt?: AbortSignal;
  readonly journal?: boolean;
  /** What `doctor` looks at. */
  readonly host?: Host;
  /** Sees all that was printed so far, whenever something is printed. */
  readonly onOut?: (out: string) => void;
}

/** A machine with nothing but Node. */
export function bareHost(change: Partial<Host> = {}): Host {
  return {
    node: process.version,
    uid: 0,
    read: () => null,
    list: () => [],
    link: () => null,
    mayReadAndWrite: () => false,
    run: async () => null,
    addon: () => null,
    ...change,
  };
}

const nothingDiffers: ReplayReport = {
  events: 5,
  answers: 3,
  differing: 0,
  first: null,
  violations: 0,
  failsafe: null,
};

/** The command line, in this process. */
export async function xengt(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  let out = '';
  let err = '';
  const code = await runCli(
    args,
    {
      startMediator: async () => options.mediator ?? new FakeMediator(),
      replayFile: options.replay ?? (async () => nothingDiffers),
      host: async () => options.host ?? bareHost(),
    },
    {
      out: (text) => {
        out += text;
        options.onOut?.(out);
      },
      err: (text) => {
        err += text;
      },
      environment: options.environment ?? {},
      terminal: false,
      journal: options.journal ?? false,
      interruption: () => options.interrupt ?? new AbortController().signal,
    },
  );
  return { code, out, err };
}
