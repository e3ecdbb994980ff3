/** Guests as resources: VMs, each with what its vGPUs used together. */
import type { z } from 'zod';
import { XengtError } from '../../base/index.js';
import type { MediatorApi, MediatorStats, VgpuStats } from '../../mediator/api.js';
import type { guestShape } from './shapes.js';

export type GuestInfo = z.output<typeof guestShape>;

const WORST = ['attached', 'waiting', 'failsafe'] as const satisfies readonly VgpuStats['state'][];

export function guestsOf({ vgpus }: MediatorStats): GuestInfo[] {
  const guests = new Map<string, GuestInfo>();
  for (const vgpu of vgpus) {
    const guest = guests.get(vgpu.vm) ?? {
      vm: vgpu.vm,
      vgpus: [],
      state: 'attached',
      gpuSeconds: {},
      waitingSeconds: {},
    };
    guests.set(vgpu.vm, guest);
    guest.vgpus.push(vgpu.name);
    if (WORST.indexOf(vgpu.state) > WORST.indexOf(guest.state)) guest.state = vgpu.state;
    for (const [engine, seconds] of Object.entries(vgpu.gpuSeconds)) add(guest.gpuSeconds, engine, seconds);
    for (const [engine, { waits }] of Object.entries(vgpu.engineTime)) add(guest.waitingSeconds, engine, waits.seconds);
  }
  return [...guests.values()];
}

function add(sums: Record<string, number>, key: string, value: number): void {
  sums[key] = (sums[key] ?? 0) + value;
}

export async function guestNamed(mediator: MediatorApi, vm: string): Promise<GuestInfo> {
  const guests = guestsOf(await mediator.stats());
  const found = guests.find((guest) => guest.vm === vm);
  if (found !== undefined) return found;
  throw new XengtError('XENGT_E_NOT_FOUND', `No VM "${vm}"; ${known(guests.map((guest) => guest.vm))}`);
}

export function known(names: readonly string[]): string {
  return names.length === 0 ? 'there are none' : `there is: ${names.join(', ')}`;
}
