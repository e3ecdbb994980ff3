/** What the parts of the end-to-end test share. */
import { XengtError } from '../../../src/base/index.js';
import type { Checks } from '../checks.js';
import { type ExecReport, parseExec } from '../exec-report.js';
import { BALLOONED, complaints, GVT_DETECTED, INITIALIZED, says } from '../kernel-log.js';
import type { Mediator } from '../mediator.js';
import type { Provisioned } from '../provision/index.js';
import { Guest } from '../qemu.js';

/** One vGPU and the kernel that its guests run. */
export interface Seat {
  readonly name: string;
  readonly kernel: string;
  readonly socket: string;
  readonly vgpuId: number;
}

export interface Scene {
  readonly checks: Checks;
  readonly mediator: Mediator;
  readonly rig: Provisioned;
  readonly logFolder: string;
  readonly seats: readonly Seat[];
}

export const ENGINES = ['RCS', 'BCS', 'VCS', 'VECS'] as const;

/** Boots a guest on a seat; it waits for steps. `stage` distinguishes the log files of guests on the same seat. */
export function startGuest(scene: Scene, seat: Seat, stage: string, console: boolean): Guest {
  const image = scene.rig.images.get(seat.kernel);
  if (image === undefined) throw new XengtError('XENGT_E_CONFIG', `${seat.kernel} was not provisioned`);
  return new Guest({
    name: `${seat.name}-${stage}`,
    qemuRoot: scene.rig.qemuRoot,
    image,
    socket: seat.socket,
    console,
    logFolder: scene.logFolder,
  });
}

export function title(scene: Scene, seat: Seat): string {
  return `${seat.name} (${scene.rig.images.get(seat.kernel)?.kernel.release ?? seat.kernel})`;
}

/** Boots to i915's probe; undefined if that did not work, and then the guest is gone. */
export async function bootAndProbe(scene: Scene, seat: Seat, stage: string, console: boolean) {
  const guest = startGuest(scene, seat, stage, console);
  const probed = await scene.checks.works(`${title(scene, seat)} boots and i915 binds`, async () => {
    await guest.booted();
    await guest.mustStep('probe');
    return guest;
  });
  if (probed === undefined) guest.kill();
  return probed;
}

export function checkExec(scene: Scene, who: string, report: ExecReport, wanted: number): void {
  const lines = report.engines.map(({ engine, submits, ok, bad }) => `${engine} ${submits}/${ok}/${bad}`);
  const detail = [`submits/ok/bad: ${lines.join(' ')}`, ...report.errors.slice(0, 5)].join('\n        ');
  const everyEngine = ENGINES.every((name) => report.engines.some((one) => one.engine === name && one.submits > 0));
  scene.checks.check(
    `${who}: ${wanted} submissions over RCS, BCS, VCS, VECS are right`,
    everyEngine && report.ok >= wanted && report.bad === 0 && report.ok === report.submits,
    detail,
  );
}

/** Runs the exec program and checks its report. */
export async function execute(scene: Scene, guest: Guest, who: string, wanted: number): Promise<void> {
  const { code, lines } = await guest.step('exec', wanted, 180_000);
  const report = parseExec(lines);
  checkExec(scene, who, report, wanted);
  scene.checks.check(`${who}: the program ends with exit code 0`, code === 0, `code ${code}`);
}

/** What every guest's kernel log must say and must not. */
export async function checkKernelLog(scene: Scene, guest: Guest, who: string): Promise<void> {
  const log = await guest.dmesg();
  for (const text of [GVT_DETECTED, BALLOONED, INITIALIZED]) {
    scene.checks.check(`${who}: the kernel says "${text}"`, says(log, text));
  }
  const wrong = complaints(log);
  scene.checks.check(
    `${who}: no WARN, BUG or *ERROR* in the kernel log`,
    wrong.length === 0,
    wrong.slice(0, 5).join('\n        '),
  );
}
