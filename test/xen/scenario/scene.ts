/** What the parts of the Xen test share. */
import { XengtError } from '../../../src/base/index.js';
import type { VgpuInfo } from '../../../src/mediator/api.js';
import { type ExecReport, parseExec } from '../../guest/exec-report.js';
import type { Checks } from '../../guest/index.js';
import { BALLOONED, complaints, GVT_DETECTED, INITIALIZED, says } from '../../guest/kernel-log.js';
import type { Machine } from '../boot.js';
import type { Daemon } from '../daemon.js';
import { XenGuest } from '../guest.js';
import type { GuestDisk } from '../provision/guest-disk.js';

export interface Scene {
  readonly checks: Checks;
  readonly machine: Machine;
  /** One for each guest that runs at the same time. */
  readonly disks: readonly GuestDisk[];
  readonly vgpu: VgpuSizes;
}

/** What guests ask for. Small, because a driver on Xen fills all of it with scratch entries, one trap each. */
export interface VgpuSizes {
  readonly lowMiB: number;
  readonly highMiB: number;
  readonly fences: number;
}

/** How a guest gets its vGPU: by its xl.cfg alone, or by an operator who asks the daemon for a paused domain. */
export type Attach = 'configured' | 'by hand';

/** What an operator may ask for besides. */
export type Wishes = Readonly<Record<string, unknown>>;

function attachOptions(scene: Served, name: string, how: Attach, wishes: Wishes) {
  if (how === 'configured') {
    const keys = Object.entries({ ...scene.vgpu, name }).map(([key, value]) => `${key}=${value}`);
    return { vgpu: keys.join(',') };
  }
  const attach = async (domain: number): Promise<void> => {
    await scene.daemon.api.createVgpu({ ...scene.vgpu, ...wishes, name, transport: 'xen', domain });
  };
  return { attach };
}

/** A scene with the daemon in it. */
export interface Served extends Scene {
  readonly daemon: Daemon;
}

export const ENGINES = ['RCS', 'BCS', 'VCS', 'VECS'] as const;

export const title = (name: string, disk: GuestDisk): string => `${name} (${disk.kernel.release})`;

/** Creates a guest with a vGPU and waits until it takes steps; undefined if that did not work, and then it is gone. */
export async function bootGuest(
  scene: Served,
  name: string,
  disk: GuestDisk,
  how: Attach,
  wishes: Wishes = {},
): Promise<XenGuest | undefined> {
  const { checks, machine } = scene;
  const who = title(name, disk);
  const options = { machine, name, disk, ...attachOptions(scene, name, how, wishes) };
  const guest = await checks.works(`${who}: is created with a vGPU (${how})`, () => XenGuest.create(options));
  if (guest === undefined) return undefined;
  const booted = await checks.works(`${who}: boots`, async () => {
    await guest.booted();
    return guest;
  });
  if (booted !== undefined) return guest;
  await guest.destroy();
  return undefined;
}

export function checkExec(scene: Scene, who: string, report: ExecReport, wanted: number): void {
  const lines = report.engines.map(({ engine, submits, ok, bad }) => `${engine} ${submits}/${ok}/${bad}`);
  const everyEngine = ENGINES.every((name) => report.engines.some((one) => one.engine === name && one.submits > 0));
  scene.checks.check(
    `${who}: ${wanted} submissions over RCS, BCS, VCS, VECS are right`,
    everyEngine && report.ok >= wanted && report.bad === 0 && report.ok === report.submits,
    [`submits/ok/bad: ${lines.join(' ')}`, ...report.errors.slice(0, 5)].join('\n        '),
  );
}

export async function execute(scene: Scene, guest: XenGuest, who: string, wanted: number): Promise<void> {
  const { code, lines } = await guest.step('exec', wanted, 400_000);
  checkExec(scene, who, parseExec(lines), wanted);
  scene.checks.check(`${who}: the program ends with exit code 0`, code === 0, `code ${code}`);
}

/** What every guest's kernel log must say and must not. */
export async function checkKernelLog(scene: Scene, guest: XenGuest, who: string): Promise<void> {
  const log = await guest.dmesg();
  for (const text of [GVT_DETECTED, BALLOONED, INITIALIZED]) {
    scene.checks.check(`${who}: the kernel says "${text}"`, says(log, text));
  }
  const wrong = complaints(log);
  const seen = wrong.slice(0, 5).join('\n        ');
  scene.checks.check(`${who}: no WARN, BUG or *ERROR* in the kernel log`, wrong.length === 0, seen);
}

/** The vGPU that the daemon has for a guest. */
export async function vgpuOf(scene: Served, guest: XenGuest): Promise<VgpuInfo> {
  const all = await scene.daemon.api.vgpus();
  const found = all.find(({ transport }) => transport.kind === 'xen' && transport.domid === guest.domid);
  if (found !== undefined) return found;
  throw new XengtError('XENGT_E_NOT_FOUND', `the daemon has no vGPU for ${guest.name} (domain ${guest.domid})`);
}
