/** The guests that a daemon starts with: those of its configuration, or a demo from the journals that the package carries. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { reasonOf } from '../base/index.js';
import type { MediatorApi, VgpuSpec } from '../mediator/api.js';
import type { DaemonConfig } from './config.js';
import type { Log } from './log.js';
import { guestOf } from './transport.js';
import { replaySpec } from './vgpu-spec.js';

const DEMO_GUESTS = 2;

/** What the operator asked for must come to be: the first refusal ends the start. */
export async function createGuests(
  config: DaemonConfig,
  mediator: MediatorApi,
  packageRoot: string,
  log: Log,
): Promise<void> {
  const wanted = [...config.vgpus, ...replays(config.replay, config.vgpus)];
  // A replayed guest needs the number and the place in the device that it had: before the others take them.
  const isReplay = ({ transport }: VgpuSpec) => transport.kind === 'replay';
  const ordered = [...wanted.filter(isReplay), ...wanted.filter((spec) => !isReplay(spec))];
  for (const spec of ordered) await create(spec, mediator, log);
  if (config.demo && config.vgpus.length + config.replay.length === 0) await createDemo(mediator, packageRoot, log);
}

/** The demo is a courtesy: what is wrong with it is said and the daemon goes on. */
export async function createDemo(mediator: MediatorApi, packageRoot: string, log: Log): Promise<void> {
  const files = demoJournals(packageRoot);
  if (files.length === 0) {
    log.info('demo: this package carries no journals to replay; create vGPUs with `xengt vgpu create`');
  }
  for (const spec of replays(files, [])) {
    try {
      await create(spec, mediator, log);
    } catch (error) {
      log.error(`demo: ${spec.name} cannot be replayed: ${reasonOf(error)}`);
    }
  }
}

export function demoJournals(packageRoot: string): string[] {
  const folder = join(packageRoot, 'assets', 'journals');
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => name.endsWith('.xj'));
  return names
    .sort()
    .slice(0, DEMO_GUESTS)
    .map((name) => join(folder, name));
}

function replays(files: readonly string[], others: readonly VgpuSpec[]): VgpuSpec[] {
  const taken = new Set(others.map((spec) => spec.name));
  return files.map((file) => {
    const spec = replaySpec(file, taken);
    taken.add(spec.name);
    return spec;
  });
}

async function create(spec: VgpuSpec, mediator: MediatorApi, log: Log): Promise<void> {
  const { id, name, type } = await mediator.createVgpu(spec);
  const { transport } = spec;
  log.info(`vGPU ${id} "${name}": ${type}, ${transport.kind} ${guestOf(transport)}`);
}
