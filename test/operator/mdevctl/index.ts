/**
 * Debian's own mdevctl, unmodified, on the mounted tree: every command of it runs in the namespace that `xengt sysfs-shell`
 * makes, where the tree stands at the kernel's places for mediated devices.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Mediator } from '../../guest/mediator.js';
import { cacheFolder, newLogFolder, projectRoot } from '../../guest/paths.js';
import { dropPartials, withCacheLock } from '../../guest/provision/cache.js';
import type { Progress } from '../../guest/provision/progress.js';
import { newRunFolder } from '../../guest/run-folder.js';
import { provisionMdevctl } from './root.js';

export type Check = (what: string, good: boolean, saw?: string) => void;

const UUID = '12345678-9abc-4def-8123-456789abcdef';
const OTHER = '22345678-9abc-4def-8123-456789abcdef';
const PARENT = '0000:00:02.0';
const TYPE = 'i915-GVTg_V5_8';
const LIMIT_MS = 60_000;

interface Ran {
  readonly code: number;
  readonly out: string;
}

/** Runs mdevctl of the root, with the namespace's /sys and definitions of its own. */
class Mdevctl {
  readonly #tree: string;
  readonly #script: string;

  constructor(root: string, tree: string, runFolder: string) {
    this.#tree = tree;
    this.#script = join(runFolder, 'mdevctl.sh');
    const definitions = join(runFolder, 'mdevctl.d');
    mkdirSync(definitions);
    const lines = [
      'set -eu',
      `mount --rbind /sys "${root}/sys"`,
      `mount --bind "${definitions}" "${root}/etc/mdevctl.d"`,
      `exec chroot "${root}" mdevctl "$@"`,
    ];
    writeFileSync(this.#script, `${lines.join('\n')}\n`);
  }

  run(...args: string[]): Promise<Ran> {
    const main = join(projectRoot(), 'dist', 'src', 'main.js');
    const line = [main, 'sysfs-shell', '--tree', this.#tree, '--', 'sh', this.#script, ...args];
    return new Promise((resolve) => {
      execFile(process.execPath, line, { timeout: LIMIT_MS }, (error, out, err) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
        resolve({ code, out: `${out}${err}`.trim() });
      });
    });
  }
}

async function operate(mdevctl: Mdevctl, tree: string, check: Check): Promise<void> {
  const says = async (what: string, args: readonly string[], expected: RegExp | string) => {
    const { code, out } = await mdevctl.run(...args);
    const right = typeof expected === 'string' ? out === expected : expected.test(out);
    check(`mdevctl ${what}`, code === 0 && right, `exit code ${code}: ${out}`);
  };
  const fails = async (what: string, args: readonly string[], expected: RegExp) => {
    const { code, out } = await mdevctl.run(...args);
    check(`mdevctl ${what} is refused`, code !== 0 && expected.test(out), `exit code ${code}: ${out}`);
  };
  const read = (path: string) => readFileSync(join(tree, path), 'utf8').trim();
  const start = ['start', '-u', UUID, '-p', PARENT, '-t', TYPE];

  const sizes = 'low_gm_size: 64MB, high_gm_size: 384MB, fence: 4, resolution: 1024x768, weight: 2';
  const type = `${TYPE}\\s+Available instances: 6\\s+Device API: vfio-pci\\s+Name: GVTg_V5_8\\s+Description: ${sizes}`;
  await says('types lists the types, and how many fit', ['types'], new RegExp(`^${PARENT}\\n[^]*${type}`));
  await says('list is empty at first', ['list'], '');
  await says('start makes an mdev', start, '');
  await says('list has it', ['list'], `${UUID} ${PARENT} ${TYPE} manual`);
  check('so has the tree', read(`vgpus/${UUID}/type`) === 'V5_8', read(`vgpus/${UUID}/type`));
  await says('types has one less', ['types'], new RegExp(`${TYPE}\\s+Available instances: 5`));
  await says('define keeps what runs', ['define', '-u', UUID], '');
  await says('list -d has it as active', ['list', '-d'], `${UUID} ${PARENT} ${TYPE} manual (active)`);
  await says('modify has it started with the machine', ['modify', '-u', UUID, '--auto'], '');
  await says('modify gives it a weight', ['modify', '-u', UUID, '--addattr', 'xengt/weight', '--value', '9'], '');
  await says('list -d has that', ['list', '-d', '-v'], new RegExp(`${TYPE} auto \\(active\\)[^]*xengt/weight[^]*9`));
  await says('stop removes it', ['stop', '-u', UUID], '');
  await says('list is empty again', ['list'], '');
  await says('start makes it from what was kept', ['start', '-u', UUID], '');
  check('with its weight', read(`vgpus/${UUID}/weight`) === '9', read(`vgpus/${UUID}/weight`));
  await says('stop removes it again', ['stop', '-u', UUID], '');
  await says('start-parent-mdevs makes what is to start with the machine', ['start-parent-mdevs', PARENT], '');
  await says('list has it as defined', ['list'], `${UUID} ${PARENT} ${TYPE} auto (defined)`);
  await fails(
    'start of a type for which there is no room',
    ['start', '-u', OTHER, '-p', PARENT, '-t', 'i915-GVTg_V5_1'],
    /./,
  );
  await fails('start of a UUID that is none', ['start', '-u', 'nonsense', '-p', PARENT, '-t', TYPE], /invalid/);
  await fails('stop of what does not run', ['stop', '-u', OTHER], /./);
  await says('undefine forgets it', ['undefine', '-u', UUID], '');
  await says('stop of the last one', ['stop', '-u', UUID], '');
  await says('list -d is empty', ['list', '-d'], '');
}

/** All of it. @param progress is told of long steps */
export async function mdevctl(check: Check, progress: Progress): Promise<void> {
  const cache = cacheFolder();
  const root = await withCacheLock(cache, progress, () => {
    dropPartials(cache);
    return provisionMdevctl(cache, progress);
  });
  const runFolder = newRunFolder();
  const tree = join(runFolder, 'tree');
  const mediator = await Mediator.start(runFolder, newLogFolder(), ['--sysfs', tree]);
  try {
    // The largest type then has no room, which it would have on an empty device.
    const socket = join(runFolder, 'big.sock');
    await mediator.client.createVgpu({ name: 'big', lowMiB: 448, highMiB: 384, fences: 4, monitor: false, socket });
    await operate(new Mdevctl(root, tree, runFolder), tree, check);
  } finally {
    await mediator.stop();
  }
}
