/**
 * Definitions on a real disk that is small: kept over a restart of the daemon, and whole whatever happens while they are written.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { atExit } from '../../guest/cleanup.js';
import { Mediator } from '../../guest/mediator.js';
import { newLogFolder, projectRoot } from '../../guest/paths.js';
import { newRunFolder } from '../../guest/run-folder.js';

export type Check = (what: string, good: boolean, saw?: string) => void;

interface Ran {
  readonly code: number;
  readonly out: string;
}

function run(command: string, args: readonly string[], cwd?: string): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(command, args, { cwd, timeout: 60_000 }, (error, out, err) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, out: `${out}${err}`.trim() });
    });
  });
}

/** A daemon and its faces. */
class Scene {
  constructor(
    readonly mediator: Mediator,
    readonly folder: string,
    readonly check: Check,
  ) {}

  static async start(disk: string, check: Check): Promise<Scene> {
    const folder = newRunFolder();
    const flags = ['--sysfs', join(folder, 'tree'), '--state-dir', disk];
    return new Scene(await Mediator.start(folder, newLogFolder(), flags), folder, check);
  }

  shell(line: string): Promise<Ran> {
    return run('/bin/sh', ['-c', line], join(this.folder, 'tree'));
  }

  cli(...args: string[]): Promise<Ran> {
    const main = join(projectRoot(), 'dist', 'src', 'main.js');
    return run(process.execPath, [main, '--api', join(this.folder, 'api.sock'), ...args]);
  }

  async takes(what: string, line: string): Promise<void> {
    const { out } = await this.shell(line);
    this.check(what, out === '', out);
  }

  async says(what: string, line: string, expected: string | RegExp): Promise<void> {
    const { out } = await this.shell(line);
    this.check(what, typeof expected === 'string' ? out === expected : expected.test(out), out);
  }
}

/** The program, because the `echo` that is built into some shells does not say which error it was. */
const put = (text: string, path: string): string => `/bin/echo ${text} > ${path}`;

async function fullDisk(scene: Scene, disk: string): Promise<void> {
  const { check } = scene;
  const file = join(disk, 'definitions', 'vm7.json');
  await scene.takes(
    'a vGPU is kept',
    `${put('7,64,384,4', 'control/create_vgt_instance')} && ${put('vm7', 'definitions/define')}`,
  );
  await scene.takes('it is to be made with the daemon', put('1', 'definitions/vm7/autostart'));
  const before = readFileSync(file, 'utf8');
  await scene.takes('another vGPU', put('8,64,384,4', 'control/create_vgt_instance'));

  await run('/bin/sh', ['-c', 'cat /dev/zero > fill'], disk);
  const full = /No space left on device/;
  await scene.says('on a full disk it is not kept: ENOSPC', put('vm8', 'definitions/define'), full);
  await scene.says(
    'the reason says which file',
    'cat xengt/last_refusal',
    /^ENOSPC \/definitions\/define: Cannot write vm8 to the definitions in/,
  );
  await scene.says('what is kept is not changed: ENOSPC', put('0', 'definitions/vm7/autostart'), full);
  await scene.says('and is what it was', 'cat definitions/vm7/autostart', '1');
  const cli = await scene.cli('vgpu', 'define', 'vm8');
  check(
    'the command line says so too',
    cli.code === 74 && full.test(cli.out.replace('ENOSPC: no space', 'No space')),
    cli.out,
  );
  check('the file is as before, to the byte', readFileSync(file, 'utf8') === before);
  const left = readdirSync(join(disk, 'definitions'));
  check('nothing half done is left', left.join() === 'vm7.json', left.join());
  await scene.takes('on a full disk one can be forgotten', put('1', 'definitions/vm7/undefine'));
  rmSync(join(disk, 'fill'));
  await scene.takes(
    'with room again both are kept',
    `${put('vm7', 'definitions/define')} && ${put('vm8', 'definitions/define')}`,
  );
  await scene.takes('and one is to be made with the daemon', `${put('1', 'definitions/vm7/autostart')}`);
}

async function writers(scene: Scene): Promise<void> {
  const define = () =>
    scene.cli('vgpu', 'define', 'both', '--type', 'V5_8', '--socket', join(scene.folder, 'both.sock'));
  const [one, other] = await Promise.all([define(), define()]);
  const codes = [one?.code ?? -1, other?.code ?? -1].sort((a, b) => a - b);
  scene.check('of two who keep one name at once, one is told that it exists', codes.join() === '0,5', codes.join());
  await scene.says('and it is kept whole', 'cat definitions/both/vgpu', /^\{.*"name":"both".*\}$/);
}

async function restarted(scene: Scene, disk: string): Promise<void> {
  const { vgpus } = JSON.parse(
    (await scene.cli('--json', 'vgpu', 'list')).out.replace(/^\[/, '{"vgpus":[').replace(/\]$/, ']}'),
  ) as {
    vgpus: { name: string; weight: number }[];
  };
  const made = vgpus.map(({ name, weight }) => `${name} ${weight}`).join();
  scene.check('the next daemon makes what is to be made, as it was', made === 'vm7 44', made);
  await scene.says('and has what is kept', 'echo $(ls definitions)', 'both damaged define vm7 vm8');
  await scene.takes('what is kept is made when asked', put('1', 'definitions/vm8/start'));
  writeFileSync(join(disk, 'definitions', 'half.json'), '{"format": 1, "autostart": tr');
  await scene.says('a file that was written by half is told', 'cat definitions/damaged', /half\.json: it is no JSON/);
  await scene.says('the others are as before', 'cat definitions/vm7/autostart', '1');
}

/** All of it. */
export async function definitions(check: Check): Promise<void> {
  const disk = join(newRunFolder(), 'disk');
  mkdirSync(disk);
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=0700', 'xengt-test', disk]);
  check('a disk of 64 KiB', mounted.code === 0, mounted.out);
  if (mounted.code !== 0) return;
  const unmount = () => run('umount', ['-l', disk]);
  atExit(() => void unmount());
  try {
    const first = await Scene.start(disk, check);
    try {
      await fullDisk(first, disk);
      await writers(first);
      await first.takes('a weight', put('44', 'vgpus/vm7/weight'));
      const { code, out } = await first.cli('vgpu', 'define', 'vm7', '--auto', '--replace');
      check('what is kept is replaced by what runs now', code === 0, out);
    } finally {
      await first.mediator.stop();
    }
    check('its tree is gone with the daemon', !existsSync(join(first.folder, 'tree', 'vgpus')));
    const second = await Scene.start(disk, check);
    try {
      await restarted(second, disk);
    } finally {
      await second.mediator.stop();
    }
  } finally {
    await unmount();
  }
}
