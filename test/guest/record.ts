/**
 * `npm run guest:record`: records the journals that the project ships, each from a real guest on a mediator of its own; or
 * those that are named (`-- 4-linux-7.2-monitor.xj`). The first two are the demo's guests; these and the fourth stand on
 * different parts of the device, so that they can be replayed together, and show a console.
 */
import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { reasonOf, XengtError } from '../../src/base/index.js';
import { Mediator } from './mediator.js';
import { newLogFolder, projectRoot } from './paths.js';
import { type Provisioned, provision, showProgress } from './provision/index.js';
import { encodeArgument, Guest } from './qemu.js';
import { newRunFolder } from './run-folder.js';

interface Recording {
  readonly file: string;
  readonly kernel: string;
  readonly monitor: boolean;
  /** vGPUs made before, so that this one gets another part of the device. */
  readonly before: number;
  readonly steps: readonly string[];
}

const STEPS_LIMIT_MS = 120_000;
/** For the mediator to see the last of what the guest did. */
const SETTLE_MS = 500;

const say = (text: string): string => `console:${encodeArgument(text)}`;
/** Fills the screen with what the guest knows of its vGPU, without scrolling: that repaints the whole screen. */
const ABOUT = [
  'echo; echo; uname -srvm',
  "echo; grep -E 'CPU|i915' /proc/interrupts",
  "echo; dmesg | grep -E 'i915|drm' | grep -vi firmware | cut -c1-120 | tail -n 24",
  "echo; echo -n 'ready: '",
].join('; ');
const about = `sh:${encodeArgument(`(${ABOUT}) >/dev/tty1 2>&1`)}`;

const RECORDINGS: readonly Recording[] = [
  {
    file: '1-linux-6.1-monitor.xj',
    kernel: 'bookworm',
    monitor: true,
    before: 0,
    steps: ['probe', say('vGPU 1: Debian 12, Linux 6.1, unmodified i915'), about, 'exec:120', 'hold'],
  },
  {
    file: '2-linux-6.12-monitor.xj',
    kernel: 'trixie',
    monitor: true,
    before: 1,
    steps: ['probe', say('vGPU 2: Debian 13, Linux 6.12, unmodified i915'), about, 'exec:120', 'hold'],
  },
  {
    file: '3-linux-6.12-reload.xj',
    kernel: 'trixie',
    monitor: false,
    before: 0,
    steps: ['probe', 'exec:60', 'reload:1', 'exec:40', 'hold'],
  },
  {
    file: '4-linux-7.2-monitor.xj',
    kernel: 'trixie-backports',
    monitor: true,
    before: 2,
    steps: ['probe', say('vGPU 3: Linux 7.2 of the backports, unmodified i915'), about, 'exec:120', 'hold'],
  },
];

async function record(recording: Recording, rig: Provisioned, logFolder: string, target: string): Promise<void> {
  const runFolder = newRunFolder();
  const mediator = await Mediator.start(runFolder, logFolder);
  const request = (name: string) => ({ name, type: 'V5_8', socket: join(runFolder, `${name}.sock`) });
  for (let i = 1; i <= recording.before; i++)
    await mediator.client.createVgpu({ ...request(`pad${i}`), monitor: false });
  const fresh = `${target}.new`;
  const { monitor } = recording;
  const wanted = { ...request('guest'), monitor, record: fresh };
  await mediator.client.createVgpu(wanted);
  const image = rig.images.get(recording.kernel);
  if (image === undefined) throw new XengtError('XENGT_E_CONFIG', `kernel ${recording.kernel} was not provisioned`);
  const guest = new Guest({
    name: recording.file,
    qemuRoot: rig.qemuRoot,
    image,
    socket: wanted.socket,
    memoryMiB: 512,
    steps: recording.steps,
    console: monitor,
    append: '',
    noPostedWrites: false,
    logFolder,
    onLine: (line) => {
      if (/^XENGT(-EXEC)?[ -](END|TOTAL|RELOADED)/.test(line)) showProgress(`${recording.file}: ${line}`);
    },
  });
  // The journal ends with the screen on: a guest that switches itself off would switch that off first.
  await guest.waitFor(/^XENGT HOLD/, STEPS_LIMIT_MS);
  await delay(SETTLE_MS);
  guest.kill();
  await guest.exited;
  await mediator.stop();
  const failed = guest.lines.find((line) => /XENGT END \d+ \w+ code=[1-9]/.test(line));
  if (failed !== undefined) throw new XengtError('XENGT_E_IO', `${recording.file}: a step failed: ${failed}`);
  renameSync(fresh, target);
}

async function main(): Promise<void> {
  const named = process.argv.slice(2);
  const unknown = named.find((name) => RECORDINGS.every(({ file }) => file !== name));
  if (unknown !== undefined) throw new XengtError('XENGT_E_USAGE', `${unknown} is no journal of the project`);
  const wanted = RECORDINGS.filter(({ file }) => named.length === 0 || named.includes(file));
  const rig = await provision([...new Set(wanted.map(({ kernel }) => kernel))]);
  const logFolder = newLogFolder();
  const folder = join(projectRoot(), 'assets', 'journals');
  mkdirSync(folder, { recursive: true });
  for (const recording of wanted) await record(recording, rig, logFolder, join(folder, recording.file));
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${reasonOf(error)}\n`);
    process.exit(error instanceof XengtError ? error.exitCode : 1);
  },
);
