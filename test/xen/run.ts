/**
 * `npm run test:xen`: boots stock Xen with a PV dom0 under software emulation, and in it HVM guests, first without and
 * then with vGPUs of the daemon in dom0. Then everything must be as before.
 */
import { parseArgs } from 'node:util';
import { reasonOf, XengtError } from '../../src/base/index.js';
import { Checks } from '../guest/index.js';
import { newRunFolder } from '../guest/run-folder.js';
import { Machine } from './boot.js';
import { newShareFolder } from './paths.js';
import { provisionGuestDisks, provisionXen, showProgress } from './provision/index.js';
import { plainGuest, type Scene, served, type VgpuSizes } from './scenario/index.js';

const DEFAULT_KERNELS = ['bookworm', 'trixie'];
/** The least that i915 and the test's work need: see VgpuSizes. */
const VGPU: VgpuSizes = { lowMiB: 16, highMiB: 32, fences: 8 };
const USAGE = 'npm run test:xen -- [--kernel NAME]... [--by-hand] [--plain]';

function readOptions(): { kernels: string[]; byHand: boolean; plain: boolean } {
  try {
    const { values } = parseArgs({
      options: {
        kernel: { type: 'string', multiple: true },
        // Guests get their vGPUs from the API instead of by their configuration.
        'by-hand': { type: 'boolean', default: false },
        // Only the guest without a vGPU: whether the machine works at all.
        plain: { type: 'boolean', default: false },
      },
    });
    const given = (values.kernel ?? []).flatMap((list) => list.split(','));
    // One kernel is for both guests.
    const kernels = given.length === 0 ? DEFAULT_KERNELS : given.length === 1 ? [...given, ...given] : given;
    return { kernels: kernels.slice(0, 2), byHand: values['by-hand'], plain: values.plain };
  } catch (cause) {
    throw new XengtError('XENGT_E_USAGE', `${reasonOf(cause)}\n${USAGE}`, { cause });
  }
}

/** Nothing inside goes on, so nothing more can be checked: a failure, whosever fault it is. */
function stoodStill(share: string): never {
  process.stdout.write(
    'FAILED  the machine goes on\n        dom0 gave no sign of life for 90 s, see docs/xen-rig.md\n',
  );
  showProgress(`consoles and the daemon's log: ${share}`);
  process.stdout.write('0 passed, 1 failed\n');
  process.exit(1);
}

async function main(): Promise<number> {
  const { kernels, byHand, plain } = readOptions();
  const rig = await provisionXen();
  const disks = await provisionGuestDisks(rig.tools, kernels);
  const share = newShareFolder();
  showProgress(`logs: ${share}`);
  const checks = new Checks();
  const machine = await checks.works('stock Xen and its dom0 boot', () =>
    Machine.boot({ rig, share, runFolder: newRunFolder() }),
  );
  if (machine === undefined) return checks.finish();
  showProgress('dom0 is up');
  machine.watch(() => stoodStill(share));
  const scene: Scene = { checks, machine, disks: kernels.flatMap((name) => disks.get(name) ?? []), vgpu: VGPU };
  const baseline = await plainGuest(scene);
  if (baseline !== undefined && !plain) await served(scene, baseline, byHand ? 'by hand' : 'configured');
  checks.check('the machine is still running', machine.running);
  checks.check('the machine switches itself off', await machine.powerOff());
  const panics = machine.console.filter((line) => /Panic on CPU|Kernel panic|Oops|BUG:/.test(line));
  checks.check('neither Xen nor dom0 complained', panics.length === 0, panics.slice(0, 5).join('\n        '));
  if (checks.failed > 0) showProgress(`consoles and the daemon's log: ${share}`);
  return checks.finish();
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${reasonOf(error)}\n`);
    process.stdout.write('0 passed, 1 failed\n');
    process.exit(1);
  },
);
