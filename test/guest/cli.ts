/** `npm run guest`: provisions and boots guests on a running mediator or a private one, to look at or to run a command. */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { reasonOf, XengtError } from '../../src/base/index.js';
import { atExit } from './cleanup.js';
import { Mediator, MediatorClient } from './mediator.js';
import { newLogFolder } from './paths.js';
import { type GuestImage, type Provisioned, provision, showProgress } from './provision/index.js';
import { encodeArgument, Guest } from './qemu.js';
import { newRunFolder } from './run-folder.js';

const USAGE = `npm run guest -- [options]

  --kernel NAME       bookworm (6.1), trixie (6.12), trixie-backports (7.2), or a PATH to an unpacked kernel;
                      several, separated by commas, are given to the guests in turn  (default bookworm,trixie)
  --vms N             guests to boot, 1 to 8                                          (default 1)
  --type NAME         vGPU type of each                                               (default V5_8)
  --memory MIB        memory of each                                                  (default 1024)
  --monitor           plug a monitor in and use the text console
  --exec CMD          run CMD in each guest after the probe, then switch it off
  --steps A,B:ARG     steps instead of probe and hold (see test/guest/program/init.sh)
  --append TEXT       more kernel command line, for example i915.error_capture=0
  --no-posted-writes  every device write waits for its answer
  --record FOLDER     have the mediator write a journal of each guest there
  --api SOCKET        use the mediator that is running there
  --no-device         boot without a vGPU and without a mediator
  --provision-only    fetch and build, then stop

Without --exec and --steps a guest waits for steps, one a line: what is typed goes to all guests ("sh:uname%20-a",
"exec:500", "dmesg", "poweroff").
`;

const MOST_VMS = 8;

function readOptions() {
  try {
    return parseArgs({
      options: {
        kernel: { type: 'string', default: 'bookworm,trixie' },
        vms: { type: 'string', default: '1' },
        type: { type: 'string', default: 'V5_8' },
        memory: { type: 'string', default: '1024' },
        monitor: { type: 'boolean', default: false },
        exec: { type: 'string' },
        steps: { type: 'string' },
        append: { type: 'string', default: '' },
        'no-posted-writes': { type: 'boolean', default: false },
        record: { type: 'string' },
        api: { type: 'string' },
        'no-device': { type: 'boolean', default: false },
        'provision-only': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (cause) {
    throw new XengtError('XENGT_E_USAGE', `${reasonOf(cause)}\n\n${USAGE}`, { cause });
  }
}

type Options = ReturnType<typeof readOptions>;

function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new XengtError('XENGT_E_USAGE', `--${name} ${text}: allowed are ${least} to ${most}`);
}

function stepsOf(options: Options): string[] {
  if (options.steps !== undefined) return options.steps.split(',');
  const probe = options['no-device'] ? [] : ['probe'];
  return options.exec === undefined ? [...probe, 'hold'] : [...probe, `sh:${encodeArgument(options.exec)}`];
}

interface Place {
  readonly runFolder: string;
  readonly logFolder: string;
  readonly client: MediatorClient | null;
}

async function startGuest(number: number, options: Options, rig: Provisioned, image: GuestImage, place: Place) {
  const name = `vm${number}-${process.pid}`;
  let socket: string | null = null;
  if (place.client !== null) {
    const client = place.client;
    const record = options.record === undefined ? {} : { record: join(resolve(options.record), `${name}.journal`) };
    socket = join(place.runFolder, `vm${number}.sock`);
    const vgpu = await client.createVgpu({ name, type: options.type, monitor: options.monitor, socket, ...record });
    showProgress(`vm${number}: vGPU ${vgpu.id}, ${vgpu.type}, kernel ${image.kernel.release}`);
  }
  return new Guest({
    name: `vm${number}`,
    qemuRoot: rig.qemuRoot,
    image,
    socket,
    memoryMiB: wholeNumber('memory', options.memory, 256, 65536),
    steps: stepsOf(options),
    console: options.monitor,
    append: options.append,
    noPostedWrites: options['no-posted-writes'],
    logFolder: place.logFolder,
    onLine: (line) => process.stdout.write(`vm${number}| ${line}\n`),
  });
}

/** The worst exit code of the steps that ran in a guest; a guest that ran none to its end has failed. */
function worstCode(guest: Guest): number {
  const codes = guest.lines.flatMap((line) => {
    const end = /XENGT END \d+ \w+ code=(\d+)/.exec(line);
    return end === null ? [] : [Number(end[1])];
  });
  return codes.length === 0 ? 1 : Math.max(...codes);
}

/** vGPUs of ours on somebody else's mediator go when we do. */
async function removeOurs(client: MediatorClient, count: number): Promise<void> {
  for (let number = 1; number <= count; number++) {
    const name = `vm${number}-${process.pid}`;
    const found = (await client.vgpus()).find((vgpu) => vgpu.name === name);
    if (found !== undefined) await client.removeVgpu(found.id);
  }
}

async function main(): Promise<number> {
  const options = readOptions();
  if (options.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const count = wholeNumber('vms', options.vms, 1, MOST_VMS);
  const kernels = options.kernel.split(',');
  const rig = await provision(kernels);
  if (options['provision-only']) return 0;

  const runFolder = newRunFolder();
  const logFolder = newLogFolder();
  if (options.record !== undefined) mkdirSync(resolve(options.record), { recursive: true });
  const own = options['no-device'] || options.api !== undefined ? null : await Mediator.start(runFolder, logFolder);
  const client = options.api === undefined ? (own?.client ?? null) : new MediatorClient(resolve(options.api));
  if (own !== null) showProgress(`mediator: metrics at http://127.0.0.1:${own.metricsPort}/metrics`);

  const guests: Guest[] = [];
  for (let number = 1; number <= count; number++) {
    const image = rig.images.get(kernels[(number - 1) % kernels.length] ?? '');
    if (image === undefined) throw new XengtError('XENGT_E_CONFIG', '--kernel: an empty name');
    guests.push(await startGuest(number, options, rig, image, { runFolder, logFolder, client }));
  }
  const input = createInterface({ input: process.stdin });
  input.on('line', (line) => {
    for (const guest of guests) guest.writeLine(line);
  });
  atExit(() => input.close());
  await Promise.all(guests.map((guest) => guest.exited));
  input.close();
  if (client !== null && own === null) await removeOurs(client, count);
  await own?.stop();
  showProgress(`logs: ${logFolder}`);
  return Math.max(...guests.map(worstCode));
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${reasonOf(error)}\n`);
    process.exit(error instanceof XengtError ? error.exitCode : 1);
  },
);
