/**
 * Monitors before a real guest: a vGPU that was made through the mounted tree boots an unmodified i915, and what is written to
 * its ports is what the guest's own sysfs says of its connectors.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { XengtError } from '../../../src/base/index.js';
import { edidOfMode, type Plug, parseMode } from '../../../src/hw/index.js';
import { complaints } from '../../guest/kernel-log.js';
import { Mediator } from '../../guest/mediator.js';
import { newLogFolder } from '../../guest/paths.js';
import { type Progress, provision } from '../../guest/provision/index.js';
import { Guest } from '../../guest/qemu.js';
import { newRunFolder } from '../../guest/run-folder.js';

export type Check = (what: string, good: boolean, saw?: string) => void;

const KERNEL = 'trixie';
/** A guest looks at a connector when it was told; under emulation on a busy machine that takes a while. */
const NOTICED_MS = 60_000;

/** An EDID of a mode line. */
function edid(line: string, plug: Plug): Uint8Array {
  const mode = parseMode(line);
  if (mode === null) throw new XengtError('XENGT_E_CONFIG', `${line} is no mode`);
  return edidOfMode(mode, plug);
}

/** What a shell says that runs a line in the mount; empty when `echo` and `cat` were content. */
function shell(line: string, cwd: string): Promise<string> {
  return new Promise((resolve) => {
    execFile('/bin/sh', ['-c', line], { cwd, timeout: 60_000 }, (error, out, err) => {
      resolve(`${out}${err}${error?.killed === true ? 'timed out' : ''}`.trim());
    });
  });
}

interface Connector {
  readonly name: string;
  readonly status: string;
  readonly modes: readonly string[];
}

/** The guest's connectors, by its own sysfs. */
async function connectors(guest: Guest): Promise<Connector[]> {
  const lines = await guest.mustStep('display');
  return lines.flatMap((line) => {
    const [, name = '', status = '', modes = ''] = /XENGT CONNECTOR card\d+-(\S+) (\w+) modes=(\S*)/.exec(line) ?? [];
    return name === '' ? [] : [{ name, status, modes: modes.split(',').filter((mode) => mode !== '') }];
  });
}

const shown = (all: readonly Connector[]): string =>
  all
    .filter(({ status }) => status === 'connected')
    .map(({ name, modes }) => `${name} ${modes[0] ?? '-'}`)
    .join(', ') || 'nothing connected';

/** Looks until it is as expected, or time is up. */
async function becomes<T>(look: () => Promise<T>, expected: (seen: T) => boolean): Promise<T> {
  for (const end = Date.now() + NOTICED_MS; ; await delay(300)) {
    const seen = await look();
    if (expected(seen) || Date.now() > end) return seen;
  }
}

class Scene {
  constructor(
    private readonly check: Check,
    private readonly guest: Guest,
    private readonly mount: string,
    private readonly files: string,
  ) {}

  /** Writes that the tree must take. */
  async write(what: string, line: string): Promise<void> {
    const said = await shell(line, this.mount);
    this.check(what, said === '', said);
  }

  /** @returns the path of a file with that EDID */
  file(name: string, bytes: Uint8Array): string {
    const path = join(this.files, name);
    writeFileSync(path, bytes);
    return path;
  }

  /** What the guest's sysfs says comes to be "NAME FIRST-MODE, …" of what is connected. */
  async guestSees(what: string, expected: RegExp): Promise<Connector[]> {
    const all = await becomes(
      () => connectors(this.guest),
      (seen) => expected.test(shown(seen)),
    );
    this.check(`the guest sees ${what}`, expected.test(shown(all)), shown(all));
    return all;
  }

  /** What stands in the tree comes to be as expected. */
  async treeSays(what: string, path: string, expected: string): Promise<void> {
    const seen = await becomes(
      () => shell(`cat ${path}`, this.mount),
      (text) => text === expected,
    );
    this.check(what, seen === expected, seen);
  }

  /** Has the guest make the list of a connector's modes anew, with those that are larger than its text console. */
  async lookAgain(connector: string): Promise<void> {
    await this.guest.mustStep('sh', `echo detect > /sys/class/drm/card0-${connector}/status`);
  }

  async guestHasEdid(what: string, connector: string, bytes: Uint8Array): Promise<void> {
    const wanted = createHash('md5').update(bytes).digest('hex');
    const { lines } = await this.guest.step('sh', `md5sum /sys/class/drm/card0-${connector}/edid`);
    this.check(
      `the guest has read ${what} byte for byte`,
      lines.some((line) => line.startsWith(wanted)),
      lines.join(),
    );
  }
}

async function hotplug(scene: Scene): Promise<void> {
  const [first] = await scene.guestSees('the monitor that it was booted with', /^DP-\d 1280x1024$/);
  await scene.treeSays('it shows 1280x1024 on it', 'vm7/xengt/mode', '1280x1024@60');
  await scene.treeSays('the tree says by which pipe', 'vm7/PORT_D/pipe', 'PIPE_A');

  await scene.write('echo disconnect', 'echo disconnect > vm7/PORT_D/connection');
  await scene.guestSees('that it is unplugged', /^nothing connected$/);

  const small = edid('800x600@60', 'DP');
  await scene.write('an EDID is kept', `cat ${scene.file('small.edid', small)} > vm7/PORT_D/edid`);
  await scene.write('echo connect', 'echo connect > vm7/PORT_D/connection');
  const connected = await scene.guestSees('the new monitor and its mode', /^DP-\d 800x600$/);
  await scene.treeSays('it shows 800x600 on it', 'vm7/xengt/mode', '800x600@60');
  const name = connected.find(({ status }) => status === 'connected')?.name ?? first?.name ?? '';
  await scene.guestHasEdid('its EDID', name, small);

  // Not above the first: the text console's frame buffer has that size, and i915 then leaves out what is larger.
  const wide = edid('1152x864@60', 'DP');
  await scene.write('another EDID is kept', `cat ${scene.file('wide.edid', wide)} > vm7/PORT_D/edid`);
  await scene.write('echo flush', 'echo flush > vm7/PORT_D/connection');
  await scene.guestSees('that the monitor was exchanged without having been unplugged', /^DP-\d 1152x864$/);
  await scene.treeSays('it shows 1152x864 on it', 'vm7/xengt/mode', '1152x864@60');
}

async function severalPorts(scene: Scene): Promise<void> {
  const hdmi = edid('1280x720@60', 'HDMI').subarray(0, 128);
  await scene.write(
    'type, EDID and connect',
    [
      'echo 5 > vm7/PORT_B/type',
      `cat ${scene.file('hdmi.edid', hdmi)} > vm7/PORT_B/edid`,
      'echo connect > vm7/PORT_B/connection',
    ].join(' && '),
  );
  await scene.guestSees('an HDMI monitor beside it', /HDMI-A-\d 1280x720/);
  await scene.write(
    'an HDMI monitor of a mode line on port C',
    [
      'echo HDMI > vm7/xengt/ports/C/type',
      'echo 2560x1440@60 > vm7/xengt/ports/C/mode',
      'echo connected > vm7/xengt/ports/C/connection',
    ].join(' && '),
  );
  await scene.guestSees('a third one', /HDMI-A-1 1280x720, HDMI-A-2 /);
  await scene.guestHasEdid('all blocks of its EDID', 'HDMI-A-2', edid('2560x1440@60', 'HDMI'));
  await scene.lookAgain('HDMI-A-2');
  await scene.guestSees('its mode, which is above what DVI carries', /HDMI-A-2 2560x1440/);
  await scene.write('DP in place of HDMI', 'echo DP > vm7/xengt/ports/C/type');
  await scene.guestSees('that port by DisplayPort', /^DP-2 .*, DP-3 .*, HDMI-A-1 1280x720$/);
  await scene.lookAgain('DP-2');
  await scene.guestSees('the same mode by DisplayPort', /DP-2 2560x1440/);
  await scene.write(
    'both unplugged',
    'echo disconnect > vm7/PORT_B/connection && echo disconnected > vm7/xengt/ports/C/connection',
  );
  await scene.guestSees('the one that is left', /^DP-\d 1152x864$/);
}

/** All of it. @param progress is told of long steps */
export async function monitors(check: Check, progress: Progress): Promise<void> {
  const rig = await provision([KERNEL], progress);
  const image = rig.images.get(KERNEL);
  if (image === undefined) throw new XengtError('XENGT_E_CONFIG', `${KERNEL} was not provisioned`);
  const runFolder = newRunFolder();
  const logFolder = newLogFolder();
  const mount = join(runFolder, 'tree');
  const mediator = await Mediator.start(runFolder, logFolder, ['--sysfs', mount]);
  let guest: Guest | undefined;
  try {
    const made = 'echo 7,64,384,4 > control/create_vgt_instance && echo 1280x1024@60 > vm7/xengt/ports/D/mode';
    const said = await shell(made, mount);
    check('a vGPU is made through the file system, with a monitor of a mode line', said === '', said);
    const socket = (await shell('cat vm7/xengt/guest', mount)).replace(/^vfio-user /, '');
    progress('booting a guest');
    const booted = new Guest({ name: 'vm7', qemuRoot: rig.qemuRoot, image, socket, console: true, logFolder });
    guest = booted;
    await booted.booted();
    const probed = await booted.step('probe');
    check('an i915 guest boots on it', probed.code === 0, probed.lines.join('; '));
    const scene = new Scene(check, booted, mount, runFolder);
    await hotplug(scene);
    await severalPorts(scene);
    const wrong = complaints(await booted.dmesg());
    check("the guest's kernel log has no WARN, BUG or *ERROR*", wrong.length === 0, wrong.slice(0, 5).join('; '));
    check('the guest switches itself off', await booted.powerOff());
    const { violations } = await mediator.client.isolation();
    check('isolation violations: 0', violations === 0, `${violations}`);
  } finally {
    guest?.kill();
    await mediator.stop();
  }
}
