/**
 * `npm run test:guest`: two unmodified guests side by side on one mediator with the model GPU. Each probes, submits work
 * on all engines, reloads its driver; one is killed and the other goes on; both are booted again on the same vGPUs with a
 * monitor and show text. Then the mediator's own books are checked.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { reasonOf, XengtError } from '../../src/base/index.js';
import { Checks } from './checks.js';
import { Mediator } from './mediator.js';
import { newLogFolder } from './paths.js';
import { provision, showProgress } from './provision/index.js';
import { newRunFolder } from './run-folder.js';
import { accounts, displays, type Scene, type Seat, worksAndOutlives } from './scenario/index.js';

const DEFAULT_KERNELS = ['bookworm', 'trixie'];

function kernelsFromArguments(): { kernels: string[]; type: string } {
  try {
    const { values } = parseArgs({
      options: { kernel: { type: 'string', multiple: true }, type: { type: 'string', default: 'V5_8' } },
    });
    const given = (values.kernel ?? []).flatMap((list) => list.split(','));
    // One kernel is for both guests.
    const kernels = given.length === 0 ? DEFAULT_KERNELS : given.length === 1 ? [...given, ...given] : given;
    return { kernels: kernels.slice(0, 2), type: values.type };
  } catch (cause) {
    throw new XengtError(
      'XENGT_E_USAGE',
      `${reasonOf(cause)}\nnpm run test:guest -- [--kernel NAME]... [--type NAME]`,
      {
        cause,
      },
    );
  }
}

async function takeSeats(mediator: Mediator, runFolder: string, kernels: string[], type: string): Promise<Seat[]> {
  const seats: Seat[] = [];
  for (const [index, kernel] of kernels.entries()) {
    const name = `vm${index + 1}`;
    const socket = join(runFolder, `${name}.sock`);
    const vgpu = await mediator.client.createVgpu({ name, type, monitor: false, socket });
    seats.push({ name, kernel, socket, vgpuId: vgpu.id });
  }
  return seats;
}

async function main(): Promise<number> {
  const { kernels, type } = kernelsFromArguments();
  const rig = await provision(kernels);
  const runFolder = newRunFolder();
  const logFolder = newLogFolder();
  showProgress(`logs: ${logFolder}`);
  const checks = new Checks();
  const mediator = await checks.works('the mediator starts', () => Mediator.start(runFolder, logFolder));
  if (mediator === undefined) return checks.finish();
  const seats = await checks.works('two vGPUs are created', () => takeSeats(mediator, runFolder, kernels, type));
  if (seats !== undefined) {
    const scene: Scene = { checks, mediator, rig, logFolder, seats };
    await worksAndOutlives(scene);
    await displays(scene);
    await accounts(scene);
  }
  checks.check('the mediator is still running', mediator.running);
  const exit = await mediator.stop();
  checks.check('the mediator stops when asked', exit.code === 0, `code ${exit.code}, signal ${exit.signal}`);
  if (checks.failed > 0) showProgress(`serial consoles and the mediator's log: ${logFolder}`);
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
