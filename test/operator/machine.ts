/**
 * A Debian root that is booted: its own systemd as process 1, in namespaces of its own (mounts, processes, control groups, host name,
 * network with a loopback alone). What runs in it ends with it, and what it does to the kernel's settings is refused.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { reasonOf, XengtError } from '../../src/base/index.js';
import { atExit } from '../guest/cleanup.js';

/** What a command did. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export const everything = ({ code, out, err }: Ran): string => `exit ${code}: ${out}${err}`;

const BOOT_MS = 60_000;
const RUN_MS = 120_000;

/**
 * Outside: a control group of its own, then the namespaces. Inside: what a container's manager mounts for an init
 * (systemd's "Container Interface"); /proc/sys is read only, and modules and the clock are out of reach.
 */
const JOIN = 'echo $$ > "$0/cgroup.procs" && exec "$@"';
const INIT = `
set -e
cd "$0"
mount --bind . .
cd "$0"
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom tty fuse; do
  [ -e /dev/$name ] || continue
  : > dev/$name
  mount --bind /dev/$name dev/$name
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=755 tmpfs run
exec chroot . /usr/bin/env -i container=xengt-rig PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  setpriv --bounding-set -sys_module,-sys_time,-sys_boot -- /usr/lib/systemd/systemd --log-target=journal
`;

/** Where this machine has its control groups of version 2. */
function controlGroups(): string {
  const found = /^\S+ \S+ \S+ \S+ (\S+) .* - cgroup2 /m.exec(readFileSync('/proc/self/mountinfo', 'utf8'))?.[1];
  if (found === undefined) throw new XengtError('XENGT_E_UNAVAILABLE', 'No control groups of version 2 are mounted');
  return found;
}

function removeGroups(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeGroups(join(folder, entry.name));
  }
  rmdirSync(folder);
}

export class Machine {
  readonly #unshare: ChildProcess;
  readonly #group: string;
  #said = '';

  private constructor(root: string) {
    this.#group = join(controlGroups(), `xengt-rig-${process.pid}`);
    mkdirSync(this.#group);
    const namespaces = ['--mount', '--pid', '--fork', '--kill-child', '--cgroup', '--uts', '--ipc', '--net'];
    const unshare = ['unshare', ...namespaces, '--', 'sh', '-c', INIT, root];
    const args = ['--pdeathsig', 'KILL', '--', 'sh', '-c', JOIN, this.#group, ...unshare];
    this.#unshare = spawn('setpriv', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    atExit(() => this.#unshare.kill('SIGKILL'));
    for (const stream of [this.#unshare.stdout, this.#unshare.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#said = (this.#said + chunk.toString()).slice(-4000);
      });
    }
  }

  /** @param root a folder that the machine may write to */
  static async boot(root: string): Promise<Machine> {
    const machine = new Machine(root);
    try {
      for (const end = Date.now() + BOOT_MS; ; await delay(200)) {
        const state = await machine.run('systemctl is-system-running 2>&1');
        if (/^(running|degraded)$/m.test(state.out)) return machine;
        if (Date.now() > end || machine.#unshare.exitCode !== null) {
          throw new XengtError('XENGT_E_UNAVAILABLE', `systemd does not start: ${machine.#said} ${everything(state)}`);
        }
      }
    } catch (error) {
      await machine.stop();
      throw error;
    }
  }

  /** Process 1 as this machine counts; 0 while there is none. */
  #init(): number {
    const pid = this.#unshare.pid ?? 0;
    try {
      return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')[0] ?? 0);
    } catch (error) {
      throw new XengtError('XENGT_E_UNAVAILABLE', `the machine is gone: ${this.#said} ${reasonOf(error)}`);
    }
  }

  /**
   * Runs lines of a shell as root in it.
   * @param shell that reads them
   */
  run(lines: string, timeout = RUN_MS, shell: readonly string[] = ['/bin/sh', '-c']): Promise<Ran> {
    const init = this.#init();
    if (init === 0) return Promise.resolve({ code: 1, out: '', err: 'not there yet' });
    const namespaces = ['--mount', '--pid', '--cgroup', '--uts', '--ipc', '--net', '--root'];
    const environment = ['PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root', 'LC_ALL=C.UTF-8', 'USER=root'];
    const enter = [
      `--target=${init}`,
      ...namespaces,
      'env',
      '-i',
      '--chdir=/root',
      'DEBIAN_FRONTEND=noninteractive',
      ...environment,
    ];
    return new Promise((resolve) => {
      const options = { timeout, maxBuffer: 1 << 24, killSignal: 'SIGKILL' as const };
      execFile('nsenter', [...enter, ...shell, lines], options, (error, out, err) => {
        const late = error?.killed === true ? `\nnot at its end after ${timeout / 1000} s` : '';
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
        resolve({ code, out, err: err + late });
      });
    });
  }

  async stop(): Promise<void> {
    if (this.#unshare.exitCode === null && this.#unshare.signalCode === null) {
      const ended = new Promise((resolve) => this.#unshare.once('exit', resolve));
      this.#unshare.kill('SIGKILL');
      await ended;
    }
    // The last processes leave their groups a moment after the kernel was told.
    for (let tries = 0; ; tries++, await delay(100)) {
      try {
        removeGroups(this.#group);
        return;
      } catch (error) {
        if (tries > 50) throw new XengtError('XENGT_E_IO', `${this.#group} stays: ${reasonOf(error)}`);
      }
    }
  }
}
