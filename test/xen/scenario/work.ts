/** Two guests at the same time: probe, work on all engines, a mode set, driver reload; then one is destroyed. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { XengtError } from '../../../src/base/index.js';
import type { XenGuest } from '../guest.js';
import type { GuestDisk } from '../provision/guest-disk.js';
import { matchPicture } from './picture.js';
import { type Attach, bootGuest, checkKernelLog, execute, type Served, title, vgpuOf } from './scene.js';
import { followsTables } from './tables.js';

const SUBMISSIONS = 120;
const SUBMISSIONS_AFTER = 60;
/** More than can be done in the time: the guest is destroyed meanwhile. */
const ENDLESS = 100_000;
const PLAIN_SHARE = 0.6;
const DETACH_LIMIT_MS = 60_000;

export interface Working {
  readonly guest: XenGuest;
  readonly disk: GuestDisk;
  readonly who: string;
}

/** Most register reads of a probe are of registers that are nothing but storage: the addon answers those. */
async function answersWithoutJavaScript(scene: Served, { guest, who }: Working): Promise<void> {
  const { id } = await vgpuOf(scene, guest);
  const stats = (await scene.daemon.api.stats()).vgpus.find((one) => one.id === id);
  const reads = stats?.traps.mmio?.read ?? 0;
  const plain = stats?.xen?.plainReads ?? 0;
  scene.checks.check(
    `${who}: at least ${PLAIN_SHARE * 100} % of the probe's register reads are answered without JavaScript`,
    reads > 0 && plain >= PLAIN_SHARE * reads,
    `${plain} of ${reads} reads`,
  );
}

async function showsPicture(scene: Served, { guest, who }: Working, seed: number): Promise<void> {
  const { checks, daemon, machine } = scene;
  const { id } = await vgpuOf(scene, guest);
  const start = `(xengt-mode ${seed} >/tmp/mode 2>&1 & echo $! >/tmp/mode.pid); n=0; while [ ! -s /tmp/mode ] && [ $n -lt 300 ]; do sleep 0.2; n=$((n+1)); done; cat /tmp/mode`;
  const lines = await guest.mustStep('sh', start);
  const set = lines.map((line) => /XENGT-MODE width=(\d+) height=(\d+)/.exec(line)).find((match) => match !== null);
  checks.check(`${who}: sets a mode`, set !== undefined, lines.slice(-3).join('\n        '));
  const file = await daemon.api.screen(id);
  if (file === null) {
    checks.check(`${who}: the daemon shows its picture`, false, 'nothing is shown');
    return;
  }
  writeFileSync(join(machine.share, `${guest.name}-screen.png`), file);
  const match = matchPicture(file, seed);
  checks.check(
    `${who}: the daemon's PNG is the picture that it drew, pixel by pixel`,
    match.wrongPixels === 0 && match.width === Number(set?.[1]) && match.height === Number(set?.[2]),
    `${match.width}x${match.height}, ${match.wrongPixels} pixels are wrong`,
  );
  await guest.mustStep('sh', 'kill $(cat /tmp/mode.pid)');
}

async function reload(scene: Served, { guest, who }: Working): Promise<void> {
  const { code, lines } = await guest.step('reload', 1, 240_000);
  const done = code === 0 && lines.some((line) => line.includes('XENGT RELOADED'));
  scene.checks.check(`${who}: rmmod and insmod of i915 work`, done, lines.slice(-5).join('\n        '));
}

/** All of one guest's work; the guest, if it got through. */
export async function work(
  scene: Served,
  name: string,
  disk: GuestDisk,
  seed: number,
  how: Attach,
): Promise<Working | undefined> {
  const { checks } = scene;
  const guest = await bootGuest(scene, name, disk, how);
  if (guest === undefined) return undefined;
  const who = title(name, disk);
  const working = { guest, disk, who };
  const done = await checks.works(`${who}: works to the end`, async () => {
    await guest.mustStep('probe', '', 240_000);
    await answersWithoutJavaScript(scene, working);
    await execute(scene, guest, who, SUBMISSIONS);
    await showsPicture(scene, working, seed);
    await reload(scene, working);
    await execute(scene, guest, `${who}, driver reloaded`, SUBMISSIONS_AFTER);
    await checkKernelLog(scene, guest, who);
    return working;
  });
  if (done === undefined) await guest.destroy();
  return done;
}

async function detached(scene: Served, guest: XenGuest): Promise<void> {
  const end = Date.now() + DETACH_LIMIT_MS;
  for (;;) {
    const all = await scene.daemon.api.vgpus();
    if (!all.some(({ transport }) => transport.kind === 'xen' && transport.domid === guest.domid)) return;
    if (Date.now() > end) throw new XengtError('XENGT_E_UNAVAILABLE', `the vGPU of ${guest.name} is still there`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** `xl destroy` of one guest in the middle of both guests' work. */
async function oneIsDestroyed(scene: Served, victim: Working, other: Working): Promise<void> {
  const { checks } = scene;
  const name = victim.guest.name;
  const victimWorks = victim.guest.step('exec', ENDLESS, 240_000).then(
    () => false,
    () => true,
  );
  const otherWorks = checks.works(`${other.who}: works on while ${name} is destroyed`, () =>
    execute(scene, other.guest, `${other.who}, ${name} destroyed meanwhile`, SUBMISSIONS),
  );
  await new Promise((resolve) => setTimeout(resolve, 5000));
  for (const { guest, who } of [victim, other]) {
    await checks.works(`${who}: its page tables can be compared`, () => followsTables(scene, guest, who, 'protected'));
  }
  await checks.works(`xl destroy ${name}`, () => victim.guest.destroy());
  checks.check(`${name} was at work when it was destroyed`, await victimWorks);
  await otherWorks;
  await checks.works(`the daemon frees what ${name} held`, () => detached(scene, victim.guest));
  checks.check(`no domain is left of ${name}`, await victim.guest.gone(DETACH_LIMIT_MS));
  await checkKernelLog(scene, other.guest, `${other.who}, at the end`);
}

/** No guest is left at the end. */
export async function worksAndOutlives(scene: Served, how: Attach): Promise<void> {
  const { checks, disks } = scene;
  const all = await Promise.all(disks.map((disk, index) => work(scene, `vm${index + 1}`, disk, index + 1, how)));
  const [first, second] = all;
  if (first !== undefined && second !== undefined) await oneIsDestroyed(scene, second, first);
  else checks.check('one guest is destroyed and the other goes on', false, 'not tried: a guest did not get that far');
  // The second is still there only if nothing was tried with it.
  for (const one of first === undefined || second === undefined ? [first, second] : [first]) {
    if (one === undefined) continue;
    checks.check(`${one.guest.name} switches itself off`, await one.guest.powerOff());
    await checks.works(`the daemon frees what ${one.guest.name} held`, () => detached(scene, one.guest));
  }
}
