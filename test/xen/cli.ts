/** `npm run xen`: boots Xen with the daemon and guests, and leaves the machine running to look at. */
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { reasonOf, XengtError } from '../../src/base/index.js';
import { newRunFolder } from '../guest/run-folder.js';
import { Machine } from './boot.js';
import { Daemon, METRICS_PORT } from './daemon.js';
import { XenGuest } from './guest.js';
import { newShareFolder } from './paths.js';
import { provisionGuestDisks, provisionXen, showProgress } from './provision/index.js';

const USAGE = `npm run xen -- [options]

  --guests N         guests with a vGPU, 0 to 4                                      (default 1)
  --kernel NAME      bookworm (6.1), trixie (6.12), trixie-backports (7.2), or a PATH to an unpacked kernel;
                     several, separated by commas, are given to the guests in turn   (default bookworm,trixie)
  --type NAME        vGPU type of each                                               (default V5_8)
  --memory MIB       memory of the whole machine                                     (default 4096)
  --no-probe         do not insert i915 in the guests
  --verbose          show the consoles of Xen, dom0 and the guests
  --provision-only   fetch and build, then stop

Then each line that is typed is a command for dom0's shell ("xl list"). A line "NAME: STEP" is a step for a guest ("vm1:
exec:100", "vm1: sh:lspci"; see test/guest/program/init.sh). "end" or end of input switches the machine off.
`;

const MOST_GUESTS = 4;
const COMMAND_LIMIT_S = 300;

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        guests: { type: 'string', default: '1' },
        kernel: { type: 'string', default: 'bookworm,trixie' },
        type: { type: 'string', default: 'V5_8' },
        memory: { type: 'string', default: '4096' },
        'no-probe': { type: 'boolean', default: false },
        verbose: { type: 'boolean', default: false },
        'provision-only': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    const guests = Number(values.guests);
    if (!Number.isInteger(guests) || guests < 0 || guests > MOST_GUESTS) {
      throw new XengtError('XENGT_E_USAGE', `--guests ${values.guests}: allowed are 0 to ${MOST_GUESTS}`);
    }
    const memory = Number(values.memory);
    if (!Number.isInteger(memory) || memory < 3072 || memory > 65_536) {
      throw new XengtError('XENGT_E_USAGE', `--memory ${values.memory}: allowed are 3072 to 65536`);
    }
    return { ...values, guests, memory, kernels: values.kernel.split(',') };
  } catch (cause) {
    throw new XengtError('XENGT_E_USAGE', `${reasonOf(cause)}\n\n${USAGE}`, { cause });
  }
}

type Options = ReturnType<typeof readOptions>;

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

async function startGuests(machine: Machine, options: Options): Promise<Map<string, XenGuest>> {
  const disks = await provisionGuestDisks(machine.rig.tools, options.kernels);
  const guests = new Map<string, XenGuest>();
  for (let index = 0; index < options.guests; index++) {
    const name = `vm${index + 1}`;
    const disk = disks.get(options.kernels[index % options.kernels.length] ?? '');
    if (disk === undefined) continue;
    showProgress(`creating ${name} (${disk.kernel.release})`);
    const onLine = options.verbose ? (line: string) => process.stdout.write(`${name}| ${line}\n`) : undefined;
    const vgpu = `type=${options.type},name=${name}`;
    const guest = await XenGuest.create({ machine, name, disk, vgpu, ...(onLine !== undefined && { onLine }) });
    await guest.booted();
    if (!options['no-probe']) await guest.mustStep('probe', '', 300_000);
    showProgress(`${name} is up: domain ${guest.domid}`);
    guests.set(name, guest);
  }
  return guests;
}

/** One typed line. */
async function obey(machine: Machine, guests: ReadonlyMap<string, XenGuest>, line: string): Promise<void> {
  const [, name, step, argument] = /^(\w+): *(\w+)(?::(.*))?$/.exec(line) ?? [];
  const guest = name === undefined ? undefined : guests.get(name);
  const { code, lines } =
    guest !== undefined && step !== undefined
      ? await guest.step(step, argument ?? '', COMMAND_LIMIT_S * 1000)
      : await machine.run(line, COMMAND_LIMIT_S);
  process.stdout.write(`${[...lines, ...(code === 0 ? [] : [`exit code ${code}`])].join('\n')}\n`);
}

async function converse(machine: Machine, guests: ReadonlyMap<string, XenGuest>): Promise<void> {
  const input = createInterface({ input: process.stdin });
  for await (const raw of input) {
    const line = raw.trim();
    if (line === 'end' || !machine.running) break;
    if (line === '') continue;
    try {
      await obey(machine, guests, line);
    } catch (error) {
      // A command that failed is told; the machine goes on.
      process.stdout.write(`${reasonOf(error)}\n`);
    }
  }
  input.close();
}

async function main(): Promise<number> {
  const options = readOptions();
  if (options.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const rig = await provisionXen();
  if (options['provision-only']) {
    await provisionGuestDisks(rig.tools, options.kernels);
    return 0;
  }
  const share = newShareFolder();
  const port = await freePort();
  showProgress(`logs: ${share}`);
  const machine = await Machine.boot({
    rig,
    share,
    runFolder: newRunFolder(),
    memoryMiB: options.memory,
    forward: { host: port, dom0: METRICS_PORT },
    ...(options.verbose && { onLine: (line: string) => process.stdout.write(`xen| ${line}\n`) }),
  });
  try {
    const token = randomBytes(16).toString('hex');
    await Daemon.start(machine, { remoteToken: token });
    showProgress(`the daemon's page: http://127.0.0.1:${port}/?token=${token}`);
    const guests = await startGuests(machine, options);
    showProgress('ready: type commands for dom0, "vm1: STEP" for a guest, or "end"');
    await converse(machine, guests);
  } finally {
    await machine.powerOff();
  }
  return 0;
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${reasonOf(error)}\n`);
    process.exit(1);
  },
);
