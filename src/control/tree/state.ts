/** What the tree shows, as one value: the mediator's answers and what the control plane adds to them. */
import { ENGINES, type Platform, platformByName } from '../../hw/index.js';
import type { DeviceResources, MediatorApi, TypeInfo, VgpuInfo } from '../../mediator/api.js';
import type { Damaged, Definition, Definitions } from '../definitions/index.js';
import { TreeRefusal } from './errno.js';
import type { Slots } from './slots.js';

/** Does not change while the daemon runs. */
export interface Surroundings {
  readonly platform: Platform;
  readonly engines: readonly string[];
  /** Folder for the sockets of vGPUs that were made through the tree. */
  readonly sockets: string;
  /** VM numbers are domains of this Xen host; else they are labels, and guests come by vfio-user. */
  readonly xen: boolean;
  /** Where vGPUs are kept; absent: nowhere. */
  readonly kept?: Definitions;
  /** Links at the root of the tree, to what stands elsewhere because the tree is mounted over it: name, target. */
  readonly links?: readonly (readonly [name: string, target: string])[];
}

export interface State extends Surroundings {
  readonly vgpus: readonly VgpuInfo[];
  readonly types: readonly TypeInfo[];
  readonly resources: DeviceResources;
  /** Number of the VM in the foreground; 0 is none. */
  readonly foreground: number;
  /** vGPUs that are kept, and files that are no definitions. */
  readonly definitions: readonly Definition[];
  readonly damaged: readonly Damaged[];
  /** What is kept of the ports of VMs until it is applied. */
  readonly slots: Slots;
  /** The last write that was refused: error number, path, reason. Empty when none was. */
  readonly lastRefusal: string;
}

/** @throws TreeRefusal ENODEV where vGPUs are kept nowhere */
export function definitionsOf({ kept }: Surroundings): Definitions {
  if (kept !== undefined) return kept;
  throw new TreeRefusal('ENODEV', 'vGPUs are kept nowhere');
}

/** What of the state is the mediator's; all three are asked for at once, and answered one after the other. */
export type Snapshot = Pick<State, 'vgpus' | 'types' | 'resources'>;

export async function snapshot(mediator: MediatorApi): Promise<Snapshot> {
  const [vgpus, types, resources] = await Promise.all([mediator.vgpus(), mediator.types(), mediator.resources()]);
  return { vgpus, types, resources };
}

/**
 * Platform and engines of the device by its platform's name.
 * @throws TreeRefusal
 */
export function deviceOf(name: string): Pick<Surroundings, 'platform' | 'engines'> {
  const platform = platformByName(name);
  if (platform === undefined) throw new TreeRefusal('EINVAL', `The platform "${name}" is not known`);
  return { platform, engines: platform.engines.map((engine) => ENGINES[engine]!.name) };
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Lower case, as the kernel prints them. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}

/** The number that XenGT knows a vGPU's VM by; null when it has none. */
export function vmNumber({ transport, name }: VgpuInfo): number | null {
  if (transport.kind === 'xen') return transport.domid;
  const match = /^vm([1-9]\d{0,4})$/.exec(name);
  return match === null ? null : Number(match[1]);
}

export function vgpuOfVm(state: Pick<State, 'vgpus'>, vm: number): VgpuInfo | undefined {
  return state.vgpus.find((vgpu) => vmNumber(vgpu) === vm);
}
