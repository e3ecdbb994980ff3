/** The Debian package: made from the tree, installed in a clean root, used there, run by systemd, and taken away without a trace. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { XengtError } from '../../../src/base/index.js';
import { packageInfo } from '../../../src/control/package-info.js';
import { atExit } from '../../guest/cleanup.js';
import { cacheFolder, projectRoot } from '../../guest/paths.js';
import { dropPartials, withCacheLock } from '../../guest/provision/cache.js';
import type { Progress } from '../../guest/provision/progress.js';
import { runCommand } from '../../guest/provision/run-command.js';
import { everything, Machine } from '../machine.js';
import { checkCompletions } from './completion.js';
import { packageMade } from './deb.js';
import { inside } from './inside.js';
import { provisionCleanRoot } from './root.js';
import { checkPurge, checkUnit } from './unit.js';

type Check = (what: string, good: boolean, saw?: string) => void;

const START_MS = 60_000;
const digestOf = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');

async function checkFiles(root: string, check: Check): Promise<void> {
  const verified = await inside(root, 'dpkg', '--verify', 'xengt');
  check('what is installed is what was packed', verified.code === 0 && verified.out === '', everything(verified));
  for (const unit of ['xengt.service', 'xengt-qemu.service']) {
    const looked = await inside(root, 'systemd-analyze', 'verify', '--man=no', `/usr/lib/systemd/system/${unit}`);
    check(`systemd takes ${unit}`, looked.code === 0 && looked.out === '' && looked.err === '', everything(looked));
  }
  const pages = await inside(
    root,
    'sh',
    '-c',
    'for page in /usr/share/man/man1/xengt*; do echo "$page"; mandoc -T lint -W warning "$page" || exit; done',
  );
  const count = pages.out.trim().split('\n').length;
  check('mandoc has nothing to say about the pages of the manual', pages.code === 0 && count > 15, everything(pages));
  const shown = await inside(root, 'sh', '-c', 'mandoc -T utf8 /usr/share/man/man1/xengt-serve.1.gz');
  // Bold is overstruck.
  const text = shown.out.replaceAll(/.[\b]/g, '');
  check('a page can be read', text.includes('--token-file') && text.includes('EXIT STATUS'), everything(shown));
}

async function checkProgram(root: string, check: Check): Promise<void> {
  const version = await inside(root, 'xengt', '--version');
  check('xengt --version is that of the tree', version.out.trim() === packageInfo().version, everything(version));
  const doctor = await inside(root, 'xengt', 'doctor');
  const healthy =
    doctor.code === 0 && /^ok +Node\.js/m.test(doctor.out) && /^ok +native addon +loaded/m.test(doctor.out);
  check("the distribution's Node.js and the addon are good", healthy, everything(doctor));
}

async function started(daemon: ChildProcess): Promise<string> {
  let said = '';
  for (const stream of [daemon.stdout, daemon.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
  }
  for (const end = Date.now() + START_MS; ; await delay(100)) {
    if (/vGPU \d+ ".*": .*replay[\s\S]*vGPU \d+ "/.test(said)) return said;
    if (daemon.exitCode !== null || Date.now() > end) {
      throw new XengtError('XENGT_E_UNAVAILABLE', `the installed daemon does not start: ${said}`);
    }
  }
}

/** The daemon as it is installed, with the demo's guests, asked by the command line as it is installed. */
async function checkDaemon(root: string, check: Check): Promise<void> {
  const args = ['chroot', root, 'xengt', 'serve', '--metrics', '127.0.0.1:0', '--xen', 'off'];
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root' };
  const daemon = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  atExit(() => daemon.kill('SIGKILL'));
  const said = await started(daemon);
  check('the installed daemon starts, with the addon', said.includes('native addon: loaded'), said);
  const address = /http:\/\/[\d.:]+\//.exec(said)?.[0] ?? '';
  const page = await (await fetch(address)).text();
  check('its console is there', /<script[^>]+src="[^"]*assets\//.test(page), page.slice(0, 300));
  const made = await inside(
    root,
    'xengt',
    'vgpu',
    'create',
    'desk',
    '--type',
    'V5_8',
    '--socket',
    '/run/xengt/desk.sock',
  );
  check('a vGPU can be made', made.code === 0, everything(made));
  const list = await inside(root, 'xengt', '--json', 'vgpu', 'list');
  check(
    'and is listed',
    (JSON.parse(list.out) as { name: string }[]).some(({ name }) => name === 'desk'),
    everything(list),
  );
  const ended = new Promise<number | null>((resolve) => daemon.once('exit', resolve));
  daemon.kill('SIGTERM');
  check('it ends when it is told to', (await ended) === 0, `${daemon.exitCode}`);
}

const TRACES = [
  'usr/lib/xengt',
  'usr/share/xengt',
  'usr/share/doc/xengt',
  'etc/default/xengt',
  'usr/bin/xengt',
  'usr/lib/systemd/system/xengt-qemu.service',
  'var/lib/xengt',
];

/** The root booted, with systemd as process 1. */
async function checkMachine(root: string, check: Check): Promise<void> {
  const machine = await Machine.boot(root);
  try {
    await checkUnit(machine, check);
    await checkCompletions(machine, ['desk'], check);
    await checkPurge(machine, check);
  } finally {
    await machine.stop();
  }
  const there = TRACES.filter((path) => existsSync(join(root, path)));
  check('nothing of it is left', there.length === 0, there.join());
}

export async function packaging(check: Check, progress: Progress): Promise<void> {
  const cache = cacheFolder();
  const clean = await withCacheLock(cache, progress, () => {
    dropPartials(cache);
    return provisionCleanRoot(cache, progress);
  });
  const folder = mkdtempSync(join(tmpdir(), 'xengt-packaging-'));
  atExit(() => rmSync(folder, { recursive: true, force: true }));
  const root = join(folder, 'root');
  try {
    progress('making the package, twice');
    await runCommand('npm', ['run', '--silent', 'build:console'], { cwd: projectRoot() });
    const deb = await packageMade(join(folder, 'one'));
    const again = await packageMade(join(folder, 'two'));
    check('the same tree makes the same package', digestOf(deb) === digestOf(again));
    // A root of its own: what a run leaves there when it is interrupted is not in the next one's way.
    await runCommand('cp', ['-a', '--reflink=auto', clean, root]);
    copyFileSync(deb, join(root, 'root', basename(deb)));
    const installed = await inside(root, 'dpkg', '--install', join('/root', basename(deb)));
    check('dpkg installs it in a clean root', installed.code === 0, everything(installed));
    await checkFiles(root, check);
    await checkProgram(root, check);
    await checkDaemon(root, check);
    progress('booting the root');
    await checkMachine(root, check);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
