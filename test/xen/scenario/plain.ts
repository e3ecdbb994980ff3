/** A guest without a vGPU: the machine by itself works, and leaves nothing. What is left after it is everyone's measure. */
import { XenGuest } from '../guest.js';
import { difference, type Toolstack, toolstack } from '../toolstack.js';
import type { Scene } from './scene.js';

/** The toolstack makes these with the first guest ever, and keeps them empty. */
const CONTAINERS = ['+ /vm = ""', '+ /libxl = ""', '+ /local/domain/0/device-model = ""'];

export async function plainGuest(scene: Scene): Promise<Toolstack | undefined> {
  const { checks, machine, disks } = scene;
  const [disk] = disks;
  if (disk === undefined) return undefined;
  return checks.works('a guest without a vGPU works', async () => {
    const before = await toolstack(machine);
    const guest = await XenGuest.create({ machine, name: 'plain', disk });
    await guest.booted();
    const devices = await guest.mustStep('sh', 'cat /sys/bus/pci/devices/0000:00:02.0/uevent 2>&1; true');
    checks.check('a guest without a vGPU has nothing at 00:02.0', !devices.some((line) => line.includes('PCI_ID=')));
    const { ioreqServers } = await toolstack(machine);
    checks.check(
      'a guest has one ioreq server, of its device model',
      ioreqServers.length === 1,
      ioreqServers.join('\n'),
    );
    checks.check('a guest without a vGPU switches itself off', await guest.powerOff());
    const after = await toolstack(machine);
    checks.check('its ioreq server goes with it', after.ioreqServers.length === 0, after.ioreqServers.join('\n'));
    const domains = difference(before.domains, after.domains);
    checks.check('a guest without a vGPU leaves no domain', domains.length === 0, domains.join('\n        '));
    const store = difference(before.store, after.store).filter((line) => !CONTAINERS.includes(line));
    checks.check('a guest without a vGPU leaves nothing in xenstore', store.length === 0, store.join('\n        '));
    return after;
  });
}
