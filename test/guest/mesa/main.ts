/** `npm run test:guest -- --mesa`: two guests on one mediator run the same programs at the same time, and nothing else. */
import { XengtError } from '../../../src/base/index.js';
import type { Platform } from '../../../src/hw/index.js';
import { Checks } from '../checks.js';
import { complaints } from '../kernel-log.js';
import { Mediator } from '../mediator.js';
import { newLogFolder } from '../paths.js';
import { type DiskProvisioned, provisionMesa, showProgress } from '../provision/index.js';
import { newRunFolder } from '../run-folder.js';
import { MesaMachine } from './machine.js';
import { type Program, programsOn } from './programs.js';

export interface MesaRequest {
  /** None: the default for both guests; one: it is for both. */
  readonly kernels: readonly string[];
  /** Programs by name; none: all. */
  readonly names: readonly string[];
  /** Of the model GPU. */
  readonly platform: Platform;
  readonly memoryMiB: number;
}

const DEFAULT_KERNEL = 'trixie';
const GUESTS = 2;

function chosen({ names, platform }: MesaRequest): readonly Program[] {
  const programs = programsOn(platform);
  const unknown = names.find((name) => !programs.some((program) => program.name === name));
  if (unknown !== undefined) {
    const known = programs.map(({ name }) => name).join(' ');
    throw new XengtError('XENGT_E_USAGE', `"${unknown}" is no program of --mesa; there are ${known}`);
  }
  return names.length === 0 ? programs : programs.filter(({ name }) => names.includes(name));
}

/** One guest from boot to poweroff; `together` is reached by all guests before each program. */
async function runGuest(
  checks: Checks,
  machine: MesaMachine,
  who: string,
  programs: readonly Program[],
  together: () => Promise<void>,
): Promise<void> {
  for (const program of programs) {
    await together();
    if (!machine.running) {
      checks.check(`${who}: ${program.title}`, false, 'not tried: the guest is gone');
      continue;
    }
    const ran = await machine.run(program);
    const troubled = ran.complaints.slice(0, 3).map((line) => `kernel: ${line}`);
    const wrong = [...(ran.wrong === null ? [] : [ran.wrong]), ...troubled];
    if (wrong.length > 0) wrong.push(...(await machine.dropped()));
    const detail = wrong.join('\n        ');
    checks.check(`${who}: ${program.title} (${ran.seconds.toFixed(1)} s)`, detail === '', detail);
  }
  if (!machine.running) return;
  await checks.works(`${who}: the kernel log can be read`, async () => {
    const wrong = complaints(await machine.dmesg());
    const detail = wrong.slice(0, 5).join('\n        ');
    checks.check(`${who}: no WARN, BUG, *ERROR* or hang in the kernel log`, wrong.length === 0, detail);
  });
  checks.check(`${who}: the guest switches itself off`, await machine.stop());
}

/** Resolves for all when `parties` have called it; so each program runs in all guests at the same time. */
function barrier(parties: number): () => Promise<void> {
  let waiting: (() => void)[] = [];
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      if (waiting.length < parties) return;
      const all = waiting;
      waiting = [];
      for (const go of all) go();
    });
}

async function checkBooks(checks: Checks, mediator: Mediator, machines: readonly MesaMachine[]): Promise<void> {
  await checks.works("the mediator's books can be read", async () => {
    const { violations, last } = await mediator.client.isolation();
    checks.check('0 isolation violations', violations === 0, `${violations}: ${last.slice(0, 5).join('\n        ')}`);
    const { unansweredTraps } = await mediator.client.stats();
    checks.check('0 unanswered traps', unansweredTraps === 0, `${unansweredTraps}`);
    for (const machine of machines) {
      const { name, state, reason } = await mediator.client.vgpu(machine.vgpuId);
      checks.check(`${name} is not in failsafe`, state !== 'failsafe', `${reason}`);
    }
  });
}

export async function mesaMain(request: MesaRequest): Promise<number> {
  const programs = chosen(request);
  const kernels = Array.from(
    { length: GUESTS },
    (_, at) => request.kernels[at] ?? request.kernels[0] ?? DEFAULT_KERNEL,
  );
  const rigs = new Map<string, DiskProvisioned>();
  for (const kernel of new Set(kernels)) rigs.set(kernel, await provisionMesa(kernel));
  const runFolder = newRunFolder();
  const logFolder = newLogFolder();
  showProgress(`Mesa: output of the programs, consoles and the mediator's log are in ${logFolder}`);
  const checks = new Checks();
  const mediator = await checks.works(`the mediator starts with a ${request.platform.name}`, () =>
    Mediator.start(runFolder, logFolder, ['--platform', request.platform.name]),
  );
  if (mediator === undefined) return checks.finish();
  const started = await Promise.all(
    kernels.map((kernel, at) => {
      const rig = rigs.get(kernel);
      if (rig === undefined) throw new XengtError('XENGT_E_CONFIG', `${kernel} was not provisioned`);
      const name = `vm${at + 1}`;
      const options = { name, client: mediator.client, rig, runFolder, logFolder, memoryMiB: request.memoryMiB };
      const who = `${name} (${rig.image.kernel.release})`;
      return checks
        .works(`${who} boots, i915 binds, Mesa's disk is mounted`, () => MesaMachine.start(options))
        .then((machine) => ({ who, machine }));
    }),
  );
  const ready = started.flatMap(({ who, machine }) => (machine === undefined ? [] : [{ who, machine }]));
  const together = barrier(ready.length);
  await Promise.all(ready.map(({ who, machine }) => runGuest(checks, machine, who, programs, together)));
  await checkBooks(
    checks,
    mediator,
    ready.map(({ machine }) => machine),
  );
  checks.check('the mediator is still running', mediator.running);
  const exit = await mediator.stop();
  checks.check('the mediator stops when asked', exit.code === 0, `code ${exit.code}, signal ${exit.signal}`);
  return checks.finish();
}
