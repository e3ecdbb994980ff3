/**
 * `npm run test:guest`: two unmodified guests side by side on one mediator with the model GPU. Each probes, submits work
 * on all engines, reloads its driver; one is killed and the other goes on; both are booted again on the same vGPUs with a
 * monitor and show text. Then the mediator's own books are checked. At last, on the platform that IGT's lists are of, a guest on a
 * mediator of its own runs IGT's basic subtests; with --igt it runs those that are asked for, and nothing else is done.
 * With --mesa two guests run programs on Mesa and the VA-API driver instead; with --load seven guests load the render engine.
 * --platform is the GPU of the others of these runs.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { reasonOf, XengtError } from '../../src/base/index.js';
import { type Platform, VGPU_PLATFORMS } from '../../src/hw/index.js';
import { Checks } from './checks.js';
import { checkBasics, IGT_DEFAULTS, type IgtRequest, igtMain } from './igt/index.js';
import { LOAD_DEFAULTS, type LoadRequest, loadMain } from './load/index.js';
import { Mediator } from './mediator.js';
import { type MesaRequest, mesaMain } from './mesa/index.js';
import { newLogFolder } from './paths.js';
import { provision, showProgress } from './provision/index.js';
import { newRunFolder } from './run-folder.js';
import { accounts, displays, type Scene, type Seat, worksAndOutlives } from './scenario/index.js';

/** IGT's lists are of what passes on it. */
const DEFAULT_PLATFORM = 'SKL';
const DEFAULT_KERNELS = ['bookworm', 'trixie'];
const USAGE = `npm run test:guest -- [--platform NAME] [--kernel NAME]... [--type NAME]
npm run test:guest -- --igt [TEST@SUBTEST]... [--igt-list FILE[#SECTION]]... [--igt-timeout SECONDS] [--platform NAME] [--memory MIB] [--kernel NAME]
npm run test:guest -- --igt-all [TEST]... [--igt-resume] [--igt-timeout SECONDS]
npm run test:guest -- --load [shares|caps|hangs|mixed]... [--seconds N] [--frame-us N] [--memory MIB] [--kernel NAME]
npm run test:guest -- --mesa [PROGRAM]... [--platform NAME] [--memory MIB] [--kernel NAME]...`;

interface Wanted {
  readonly kernels: readonly string[];
  readonly platform: Platform;
  readonly type: string;
  readonly igt: IgtRequest | null;
  readonly mesa: MesaRequest | null;
  readonly load: LoadRequest | null;
}

function platformOf(name: string): Platform {
  const platform = VGPU_PLATFORMS.find((one) => one.name === name);
  if (platform !== undefined) return platform;
  const known = VGPU_PLATFORMS.map((one) => one.name).join(', ');
  throw new XengtError('XENGT_E_USAGE', `--platform ${name} is not allowed; allowed: ${known}`);
}

function fromArguments(): Wanted {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        kernel: { type: 'string', multiple: true },
        type: { type: 'string' },
        igt: { type: 'boolean', default: false },
        'igt-list': { type: 'string', multiple: true, default: [] },
        'igt-all': { type: 'boolean', default: false },
        'igt-resume': { type: 'boolean', default: false },
        mesa: { type: 'boolean', default: false },
        platform: { type: 'string', default: DEFAULT_PLATFORM },
        'igt-timeout': { type: 'string', default: `${IGT_DEFAULTS.limitSeconds}` },
        memory: { type: 'string' },
        load: { type: 'boolean', default: false },
        seconds: { type: 'string', default: `${LOAD_DEFAULTS.seconds}` },
        'frame-us': { type: 'string', default: `${LOAD_DEFAULTS.frameUs}` },
      },
    });
    const memoryMiB = (otherwise: number) => Number.parseInt(values.memory ?? `${otherwise}`, 10);
    const platform = platformOf(values.platform);
    const type = values.type ?? `${platform.typePrefix}_8`;
    const nothing = { kernels: [], platform, type, igt: null, mesa: null, load: null };
    const given = (values.kernel ?? []).flatMap((list) => list.split(','));
    if (values.igt || values['igt-all'] || values['igt-resume'] || values['igt-list'].length > 0) {
      const igt = {
        kernel: given[0] ?? IGT_DEFAULTS.kernel,
        all: values['igt-resume'] ? ('resume' as const) : values['igt-all'] ? ('anew' as const) : null,
        platform: platform.name,
        names: positionals,
        lists: values['igt-list'],
        memoryMiB: memoryMiB(IGT_DEFAULTS.memoryMiB),
        limitSeconds: Number.parseInt(values['igt-timeout'], 10),
      };
      return { ...nothing, igt };
    }
    if (values.mesa) {
      const memory = memoryMiB(IGT_DEFAULTS.memoryMiB);
      const mesa = { kernels: given, names: positionals, platform, memoryMiB: memory };
      return { ...nothing, mesa };
    }
    if (values.load) {
      const load = {
        names: positionals,
        kernel: given[0] ?? LOAD_DEFAULTS.kernel,
        memoryMiB: memoryMiB(LOAD_DEFAULTS.memoryMiB),
        seconds: Number.parseInt(values.seconds, 10),
        frameUs: Number.parseInt(values['frame-us'], 10),
      };
      return { ...nothing, load };
    }
    if (positionals.length > 0) throw new XengtError('XENGT_E_USAGE', `"${positionals[0]}" is no option`);
    // One kernel is for both guests.
    const kernels = given.length === 0 ? DEFAULT_KERNELS : given.length === 1 ? [...given, ...given] : given;
    return { ...nothing, kernels: kernels.slice(0, 2) };
  } catch (cause) {
    throw new XengtError('XENGT_E_USAGE', `${reasonOf(cause)}\n${USAGE}`, { cause });
  }
}

async function takeSeats(
  mediator: Mediator,
  runFolder: string,
  kernels: readonly string[],
  type: string,
): Promise<Seat[]> {
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
  const { kernels, platform, type, igt, mesa, load } = fromArguments();
  if (igt !== null) return igtMain(igt);
  if (mesa !== null) return mesaMain(mesa);
  if (load !== null) return loadMain(load);
  const rig = await provision(kernels);
  const runFolder = newRunFolder();
  const logFolder = newLogFolder();
  showProgress(`logs: ${logFolder}`);
  const checks = new Checks();
  const mediator = await checks.works(`the mediator starts with a ${platform.name}`, () =>
    Mediator.start(runFolder, logFolder, ['--platform', platform.name]),
  );
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
  if (platform.name === DEFAULT_PLATFORM) {
    await checkBasics(checks, kernels.at(-1) ?? IGT_DEFAULTS.kernel, platform.name);
  }
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
