/** The unit for guests over vfio-user, started, watched, killed and stopped by systemd itself. */
import { setTimeout as delay } from 'node:timers/promises';
import { everything, type Machine, type Ran } from '../machine.js';

type Check = (what: string, good: boolean, saw?: string) => void;

const SOON_MS = 30_000;

/** Runs lines until they are content, or time is up. */
async function soon(machine: Machine, lines: string): Promise<Ran> {
  for (const end = Date.now() + SOON_MS; ; await delay(300)) {
    const ran = await machine.run(lines);
    if (ran.code === 0 || Date.now() > end) return ran;
  }
}

export async function checkUnit(machine: Machine, check: Check): Promise<void> {
  const must = async (what: string, lines: string, good = ({ code }: Ran) => code === 0) => {
    const ran = await machine.run(lines);
    check(what, good(ran), everything(ran));
  };
  await must('nothing is started by the installation', '! systemctl is-active --quiet xengt-qemu xengt');
  await must('systemctl enable --now xengt-qemu', 'systemctl enable --now xengt-qemu');
  const up = await soon(machine, 'xengt vgpu list');
  check('systemd starts the unit, and its daemon answers', up.code === 0, everything(up));
  await must('the addon is loaded in what the unit allows', 'journalctl -u xengt-qemu | grep "native addon: loaded"');
  await must(
    'its log has no complaints',
    'journalctl -q -u xengt-qemu -p err',
    ({ out, code }) => code === 0 && out === '',
  );
  await must(
    'a vGPU is made in the folder that the unit may write to',
    'xengt vgpu create desk --type V5_8 --socket /run/xengt/desk.sock && test -S /run/xengt/desk.sock',
  );
  await must(
    'its definition is kept, to be made with the daemon',
    'xengt vgpu define desk && xengt vgpu autostart desk on && test -f /var/lib/xengt/definitions/desk.json',
  );
  await must(
    'the unit for Xen is not started where there is no Xen',
    'systemctl start xengt; systemctl is-active xengt',
    ({ out }) => out.includes('inactive'),
  );
  const first = (await machine.run('systemctl show -P MainPID xengt-qemu')).out.trim();
  await must('the daemon is killed', `kill -KILL ${first}`);
  const again = await soon(machine, `test "$(systemctl show -P MainPID xengt-qemu)" -gt 0 && xengt vgpu show desk`);
  check('systemd starts it again, and it makes its vGPU again', again.code === 0, everything(again));
}

/** To be asked last: the package goes while its unit runs. */
export async function checkPurge(machine: Machine, check: Check): Promise<void> {
  const before = await machine.run('systemctl is-active xengt-qemu');
  check('the unit runs', before.out.trim() === 'active', everything(before));
  const purged = await machine.run('apt-get purge -y xengt');
  check('apt-get purges the package', purged.code === 0, everything(purged));
  const after = await machine.run(
    'systemctl is-active xengt-qemu; systemctl is-enabled xengt-qemu; pgrep -f "[x]engt serve"; ls -d /run/xengt',
  );
  const stopped = after.out === 'inactive\nnot-found\n';
  check('which stops the daemon, and forgets the unit', stopped, everything(after));
  const ended = await machine.run('journalctl -q -u xengt-qemu | grep -E "Succeeded|Deactivated successfully"');
  check('as it is told to, not by force', ended.code === 0, everything(ended));
}
