/** Everything with the daemon: its start, its guests, its end, another start; then the toolstack sees what it saw. */
import { APERTURE_BAR, APERTURE_MIB } from '../boot.js';
import { Daemon } from '../daemon.js';
import { difference, type Toolstack, toolstack } from '../toolstack.js';
import { accounts } from './accounts.js';
import { apertureIsMapped } from './aperture.js';
import { type Attach, bootGuest, checkKernelLog, execute, type Scene, type Served, title } from './scene.js';
import { followsTables } from './tables.js';
import { worksAndOutlives } from './work.js';

const SUBMISSIONS = 80;
/** dom0's kernel and Xen keep some pages of their own. */
const FREE_TOLERANCE_MIB = 8;

async function checkHoldings(scene: Served, before: Awaited<ReturnType<Daemon['holdings']>>): Promise<void> {
  const after = await scene.daemon.holdings();
  scene.checks.check(
    'the daemon holds no descriptor and no foreign mapping more than before its guests',
    after.descriptors <= before.descriptors && after.foreignMappings <= before.foreignMappings,
    `before ${JSON.stringify(before)}, after ${JSON.stringify(after)}`,
  );
}

async function stops(scene: Served): Promise<void> {
  const { checks, daemon } = scene;
  checks.check('the daemon is still running', await daemon.running());
  const code = await daemon.stop();
  checks.check('the daemon ends in time at SIGTERM, with exit code 0', code === 0, `${code}`);
}

/** A new guest works after another start, now with a physical aperture, and with page tables that are only compared. */
async function restarts(scene: Scene): Promise<void> {
  const { checks, machine, disks } = scene;
  const [disk] = disks;
  const daemon = await checks.works('the daemon starts again, with a physical aperture', () =>
    Daemon.start(machine, { configuration: { apertureBar: APERTURE_BAR, apertureMiB: APERTURE_MIB } }),
  );
  if (daemon === undefined || disk === undefined) return;
  const again: Served = { ...scene, daemon };
  const name = 'vm3';
  const who = `${title(name, disk)}, daemon restarted`;
  const guest = await bootGuest(again, name, disk, 'by hand', { pageTables: 'compare' });
  if (guest !== undefined) {
    await apertureIsMapped(again, guest, who);
    await checks.works(`${who}: works to the end`, async () => {
      await guest.mustStep('probe', '', 240_000);
      await execute(again, guest, who, SUBMISSIONS);
      await followsTables(again, guest, who, 'compared');
      await checkKernelLog(again, guest, who);
    });
    await guest.destroy();
    checks.check(`no domain is left of ${name}`, await guest.gone(60_000));
  }
  await stops(again);
}

function checkToolstack(scene: Scene, before: Toolstack, after: Toolstack): void {
  const { checks } = scene;
  const domains = difference(before.domains, after.domains);
  checks.check('xl list is as before', domains.length === 0, domains.join('\n        '));
  const store = difference(before.store, after.store);
  checks.check('xenstore-ls is as before', store.length === 0, store.slice(0, 12).join('\n        '));
  const servers = difference(before.ioreqServers, after.ioreqServers);
  checks.check('Xen has the ioreq servers that it had before', servers.length === 0, servers.join('\n        '));
  checks.check(
    "Xen's free memory is as before",
    Math.abs(after.freeMiB - before.freeMiB) <= FREE_TOLERANCE_MIB,
    `${before.freeMiB} MiB before, ${after.freeMiB} MiB after`,
  );
}

export async function served(scene: Scene, baseline: Toolstack, how: Attach): Promise<void> {
  const { checks, machine } = scene;
  const daemon = await checks.works('the daemon starts in dom0 and answers', () => Daemon.start(machine));
  if (daemon === undefined) return;
  const first: Served = { ...scene, daemon };
  await checks.works('two guests work side by side', async () => {
    const before = await daemon.holdings();
    await worksAndOutlives(first, how);
    await accounts(first);
    await checkHoldings(first, before);
  });
  await stops(first);
  await restarts(scene);
  await checks.works('the toolstack answers at the end', async () =>
    checkToolstack(scene, baseline, await toolstack(machine)),
  );
}
