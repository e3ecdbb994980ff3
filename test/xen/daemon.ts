/** The project's daemon in dom0, started as a service without an init system, and stopped by SIGTERM as systemd would. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { XengtError } from '../../src/base/index.js';
import { API_SOCKET, Dom0Api } from './api.js';
import type { Machine } from './boot.js';
import { PAYLOAD } from './guest.js';

/** Node.js loads and compiles for 10 s under emulation. */
const START_LIMIT_S = 120;
const STOP_LIMIT_S = 60;
export const METRICS_PORT = 9464;
const TOKEN_FILE = '/run/xengt/token';
const PID_FILE = '/run/xengt/pid';
const EXIT_FILE = '/run/xengt/exit';

export interface Holdings {
  readonly descriptors: number;
  /** Mappings of other domains' memory and of Xen's request pages. */
  readonly foreignMappings: number;
}

export interface DaemonOptions {
  /** The page and the metrics can be reached from outside dom0, by those who have this token. */
  readonly remoteToken?: string;
  /** What its configuration file says. */
  readonly configuration?: Readonly<Record<string, unknown>>;
}

export class Daemon {
  readonly api: Dom0Api;
  readonly pid: number;
  readonly #machine: Machine;

  private constructor(machine: Machine, pid: number) {
    this.#machine = machine;
    this.pid = pid;
    this.api = new Dom0Api(machine);
  }

  /** Until the daemon answers. Its output goes on at the end of `daemon.log` in the share. */
  static async start(machine: Machine, options: DaemonOptions = {}): Promise<Daemon> {
    const { remoteToken } = options;
    const page =
      remoteToken === undefined
        ? `127.0.0.1:${METRICS_PORT}`
        : `0.0.0.0:${METRICS_PORT} --allow-remote --token-file ${TOKEN_FILE}`;
    const flags = [`--api ${API_SOCKET}`, `--metrics ${page}`, '--state-dir /run/xengt/state', '--no-demo'];
    const serve = ['serve', ...flags, '--config /share/xengt.json'].join(' ');
    writeFileSync(join(machine.share, 'xengt.json'), JSON.stringify(options.configuration ?? {}));
    // A shell waits for it, to tell how it ended.
    const service = [
      `${PAYLOAD}/bin/node ${PAYLOAD}/dist/src/main.js ${serve} &`,
      `echo $! >${PID_FILE}`,
      'wait $!',
      `echo $? >${EXIT_FILE}`,
    ]
      .join('; ')
      .replace('&;', '&');
    const [pid] = await machine.must(
      [
        'mkdir -p /run/xengt/state',
        ...(remoteToken === undefined ? [] : [`(umask 077; echo ${remoteToken} >${TOKEN_FILE})`]),
        `rm -f ${PID_FILE} ${EXIT_FILE}`,
        `setsid bash -c '${service}' </dev/null >>/share/daemon.log 2>&1 &`,
        `while [ ! -s ${PID_FILE} ]; do sleep 0.1; done`,
        `cat ${PID_FILE}`,
      ].join('\n'),
    );
    const daemon = new Daemon(machine, Number(pid));
    const up = await machine.run(
      [
        `for _ in {1..${START_LIMIT_S * 5}}; do`,
        `  curl -sf --max-time 5 --unix-socket ${API_SOCKET} http://xengt/v1/stats >/dev/null && exit 0`,
        `  kill -0 ${pid} 2>/dev/null || exit 2`,
        '  sleep 0.2',
        'done',
        'exit 1',
      ].join('\n'),
      START_LIMIT_S,
    );
    if (up.code === 0) return daemon;
    const exit = await machine.run(`cat ${EXIT_FILE}`);
    const why = up.code === 2 ? `ended with exit code ${exit.lines.join(' ')}` : 'does not answer';
    await machine.run(`kill -9 ${pid}`);
    const tail = daemon.log.slice(-15).join('\n  ');
    throw new XengtError('XENGT_E_UNAVAILABLE', `The daemon in dom0 ${why}:\n  ${tail}`);
  }

  /** What all daemons of this run printed. */
  get log(): readonly string[] {
    return (this.#machine.file('daemon.log')?.toString('utf8') ?? '').trimEnd().split('\n');
  }

  async running(): Promise<boolean> {
    return (await this.#machine.run(`kill -0 ${this.pid}`)).code === 0;
  }

  /** What the daemon holds of dom0's kernel, to be compared before and after guests. */
  async holdings(): Promise<Holdings> {
    const [descriptors, foreign] = await this.#machine.must(
      `ls /proc/${this.pid}/fd | wc -l; grep -c -e privcmd -e xen/gnt /proc/${this.pid}/maps || :`,
    );
    return { descriptors: Number(descriptors), foreignMappings: Number(foreign) };
  }

  /** SIGTERM, as systemd would; the exit code, or null if it did not go in time and was killed. */
  async stop(): Promise<number | null> {
    const { code, lines } = await this.#machine.run(
      [
        `kill -TERM ${this.pid} || exit 3`,
        `for _ in {1..${STOP_LIMIT_S * 5}}; do [ -s ${EXIT_FILE} ] && break; sleep 0.2; done`,
        `cat ${EXIT_FILE} && exit 0`,
        `kill -9 ${this.pid}; exit 1`,
      ].join('\n'),
      STOP_LIMIT_S + 10,
    );
    return code === 0 ? Number(lines[0]) : null;
  }
}
