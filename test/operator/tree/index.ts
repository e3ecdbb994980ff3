/**
 * A real daemon with its tree mounted, operated by a shell script that knows only echo, cat and ls.
 * What it does is looked for over HTTP, in the command line's answers and in the metrics, at once.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { packageInfo } from '../../../src/control/package-info.js';

const UUID = '11111111-2222-4333-8444-555555555555';
const BUSY = '99999999-2222-4333-8444-555555555555';
const { root } = packageInfo();
const MAIN = join(root, 'dist', 'src', 'main.js');
const SCRIPT = join(root, 'test', 'operator', 'tree', 'tree.sh');
const START_MS = 120_000;

const say = (line: string) => void process.stdout.write(`${line}\n`);

export type Check = (what: string, good: boolean, saw?: string) => void;

/** Where what was seen is told. */
let check: Check = () => {
  throw new Error('no checks are run yet');
};

interface Ran {
  readonly code: number;
  readonly out: string;
}

/** Never waits in this thread for a file of the mount: the daemon is another process, but a habit is a habit. */
function run(command: string, args: readonly string[], cwd: string, uid?: number): Promise<Ran> {
  return new Promise((resolve) => {
    const options = { cwd, timeout: 120_000, ...(uid === undefined ? {} : { uid, gid: uid }) };
    execFile(command, args, options, (error, out, err) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, out: `${out}${err}` });
    });
  });
}

async function phase(name: string, mount: string): Promise<void> {
  say(`\n== ${name}`);
  const { out, code } = await run('sh', [SCRIPT, name], mount);
  const lines = out.split('\n').filter((line) => line !== '');
  for (const line of lines) {
    if (line.startsWith('ok ')) check(line.slice(3), true);
    else check(line.replace(/^FAIL /, ''), false);
  }
  check(`${name} ran to its end`, code === 0 && lines.length > 0, `exit code ${code}`);
}

interface Known {
  readonly name: string;
  readonly weight: number;
  readonly cap: number;
  readonly monitor: boolean;
  readonly ports: readonly { port: string; type: string; connected: boolean; preferred: string }[];
}

async function get(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path }, (response) => text(response).then(resolve, reject));
    asked.on('error', reject);
    asked.end();
  });
}

/** The vGPUs as HTTP shows them; the command line and the metrics must show the same. */
async function others(socket: string, mount: string): Promise<Known[]> {
  const { vgpus } = JSON.parse(await get(socket, '/v1/vgpus')) as { vgpus: Known[] };
  const names = vgpus.map(({ name }) => name).sort();
  const cli = await run(process.execPath, [MAIN, '--api', socket, '--json', 'vgpu', 'list'], root);
  const listed = [...cli.out.matchAll(/"name": "([^"]+)"/g)].map(([, name]) => name).sort();
  check('the command line lists the same vGPUs', listed.join() === names.join(), cli.out);
  const metrics = await get(socket, '/metrics');
  const counted = new Set([...metrics.matchAll(/^xengt_vgpu_state\{vgpu="([^"]+)"/gm)].map(([, name]) => name));
  check('the metrics count the same vGPUs', [...counted].sort().join() === names.join(), [...counted].join());
  const { out } = await run('ls', ['vgpus'], mount);
  check('the tree has the same vGPUs', out.trim().split('\n').sort().join() === names.join(), out);
  return vgpus;
}

async function started(daemon: ChildProcess): Promise<string> {
  let out = '';
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`the daemon did not start: ${out}`)), START_MS);
    const listen = (chunk: Buffer) => {
      out += chunk.toString();
      if (!/vGPU \d+ "vm5"/.test(out)) return;
      clearTimeout(late);
      resolve(out);
    };
    daemon.stdout?.on('data', listen);
    daemon.stderr?.on('data', listen);
    daemon.on('exit', (code) => {
      clearTimeout(late);
      reject(new Error(`the daemon ended with ${code}: ${out}`));
    });
  });
}

async function operate(folder: string): Promise<void> {
  const mount = join(folder, 'tree');
  const socket = join(mount, 'api.sock');
  const journals = ['1-linux-6.1-monitor.xj', '2-linux-6.12-monitor.xj'];
  const config = join(folder, 'config.json');
  const vgpus = [BUSY, 'vm5'].map((name, i) => ({
    name,
    transport: 'replay',
    file: join(root, 'assets', 'journals', journals[i] ?? ''),
    loop: false,
  }));
  writeFileSync(config, JSON.stringify({ vgpus, stateDir: join(folder, 'state') }));
  const args = [MAIN, 'serve', '--config', config, '--api', socket, '--sysfs', mount, '--metrics', 'off'];
  const daemon = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  try {
    say(await started(daemon));
    daemon.removeAllListeners('exit');
    const shows = async () => (await run('cat', ['vgpus/vm5/mode'], mount)).out.trim();
    // The replayed guest needs as long as it was recorded to light its screen.
    for (let tries = 0; (await shows()) === '' && tries < 300; tries++)
      await new Promise((done) => setTimeout(done, 100));
    check('a guest shows its screen', /^\d+x\d+@\d+$/.test(await shows()), await shows());

    await phase('create', mount);
    const made = await others(socket, mount);
    check(
      'HTTP shows the vGPU of the VM',
      made.some(({ name, cap }) => name === 'vm7' && cap === 50),
    );

    await phase('reweight', mount);
    const weighed = await others(socket, mount);
    const weights = weighed.map(({ name, weight }) => `${name} ${weight}`);
    check('HTTP shows the new weights', weights.includes(`${UUID} 9`) && weights.includes('vm7 33'), weights.join());
    check(
      'HTTP shows the unplugged monitor',
      weighed.some(({ name, monitor }) => name === 'vm7' && !monitor),
    );

    await phase('ports', mount);
    const ports = (await others(socket, mount)).find(({ name }) => name === 'vm7')?.ports ?? [];
    const b = ports.find(({ port }) => port === 'B');
    const known = b?.type === 'HDMI' && !b.connected && b.preferred === '1920x1080@60';
    check("HTTP shows the port's monitor", known, JSON.stringify(b));
    const shown = await run(process.execPath, [MAIN, '--api', socket, 'vgpu', 'show', 'vm7'], root);
    check('so does the command line', /^port B +HDMI disconnected: .*1920x1080@60$/m.test(shown.out), shown.out);

    await phase('errors', mount);
    if (process.getuid?.() === 0) {
      const asNobody = await run('sh', ['-c', 'echo 1 > vgpus/vm7/weight; cat vgpus/vm7/weight'], mount, 65534);
      const denied = asNobody.out.includes('Permission denied') && asNobody.out.includes('33');
      check('another user may read a weight, but not set it', denied, asNobody.out);
      const closed = await run('cat', ['control/available_resource'], mount, 65534);
      check(
        "another user does not see what is for the owner's group",
        closed.out.includes('Permission denied'),
        closed.out,
      );
      const sysfs = (line: string) =>
        run(process.execPath, [MAIN, 'sysfs-shell', '--tree', mount, '--', 'sh', '-c', line], root);
      const bus = await sysfs('echo $(ls /sys/bus/mdev/devices); cat /sys/bus/mdev/devices/*/mdev_type/name');
      const expected = `${UUID} ${BUSY}\n${'GVTg_V5_8\n'.repeat(2)}`;
      check("sysfs-shell shows mdevs at the kernel's places", bus.out === expected, bus.out);
      const kept = await sysfs('[ -e /sys/class/net/lo/address ] && [ ! -e /sys/class/net/nothing ] && exit 7');
      check('sysfs-shell keeps the rest of sysfs, and ends as its command does', kept.code === 7, kept.out);
    }
    await phase('remove', mount);
    check('HTTP shows that they are gone', (await others(socket, mount)).length === 2);

    const found = await run('find', ['.', '-type', 'f', '-perm', '-444'], mount);
    check('find walks the tree', found.code === 0 && found.out.split('\n').length > 50, found.out.slice(-200));
    const read = await run('sh', ['-c', 'find . -type f -perm -444 -exec cat {} + > /dev/null'], mount);
    check('all that can be read is read without a complaint', read.code === 0 && read.out === '', read.out);
  } finally {
    const ended = new Promise<number | null>((resolve) => {
      if (daemon.exitCode !== null) resolve(daemon.exitCode);
      else daemon.once('exit', resolve);
    });
    daemon.kill('SIGTERM');
    check('the daemon ends, and the tree with it', (await ended) === 0, `${daemon.exitCode}`);
    const { out } = await run('ls', [mount], folder);
    check('nothing stays mounted', out === '', out);
  }
}

/** All of it. */
export async function tree(report: Check): Promise<void> {
  check = report;
  const folder = mkdtempSync(join(tmpdir(), 'xengt-operator-'));
  try {
    await operate(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
