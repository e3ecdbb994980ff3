/**
 * What a write does to the mediator, as a list of plain values that one interpreter carries out and can take back: a
 * transaction either happens or leaves things as they were.
 */
import type { MediatorApi, OutputPort, PortChange, ShareChange, VgpuInfo, VgpuSpec } from '../../mediator/api.js';
import type { Definitions } from '../definitions/index.js';
import { TreeRefusal } from './errno.js';
import { applied, type SlotOf, type Slots, stage, stageEdid, stageType, type Wish } from './slots.js';

export type Act =
  | { readonly kind: 'create'; readonly spec: VgpuSpec }
  | { readonly kind: 'remove'; readonly vgpu: VgpuInfo }
  | { readonly kind: 'share'; readonly vgpu: VgpuInfo; readonly change: ShareChange }
  | { readonly kind: 'monitor'; readonly vgpu: VgpuInfo; readonly connected: boolean }
  | { readonly kind: 'scan'; readonly vgpu: VgpuInfo; readonly scanProcesses: VgpuInfo['scanProcesses'] }
  | { readonly kind: 'revive' | 'reset'; readonly vgpu: VgpuInfo }
  | { readonly kind: 'port'; readonly vgpu: VgpuInfo; readonly port: OutputPort; readonly change: PortChange }
  | { readonly kind: 'define'; readonly spec: VgpuSpec }
  | { readonly kind: 'undefine'; readonly name: string }
  | { readonly kind: 'autostart'; readonly name: string; readonly on: boolean }
  | ({ readonly kind: 'slot'; readonly vm: SlotOf } & SlotChange)
  | { readonly kind: 'foreground'; readonly vm: number };

/** What is written to a slot: kept, or, for `connect`, `disconnect` and `flush`, applied. */
type SlotChange =
  | { readonly wish: Wish }
  | { readonly type: number }
  | { readonly edid: Uint8Array; readonly offset: number }
  | { readonly connected: boolean | null };

/** What besides the mediator an act changes. */
export interface ActHost {
  readonly mediator: MediatorApi;
  /** Number of the VM in the foreground; 0 is none. */
  foreground: number;
  slots: Slots;
  readonly definitions: Definitions | undefined;
}

type Undo = () => Promise<void>;

/** These can not be taken back: nothing may come after them that could fail. */
const FINAL: ReadonlySet<Act['kind']> = new Set(['remove', 'revive', 'reset']);

/**
 * Carries out all of `acts`, or none.
 * @throws TreeRefusal, or what the mediator refuses with
 */
export async function carryOut(acts: readonly Act[], host: ActHost): Promise<void> {
  const early = acts.slice(0, -1).find(({ kind }) => FINAL.has(kind));
  if (early !== undefined) {
    throw new TreeRefusal('EINVAL', `"${early.kind}" can not be taken back; it must be the last of its transaction`);
  }
  const undo: Undo[] = [];
  try {
    for (const act of acts) undo.push(await perform(act, host));
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

/** @returns how it is taken back */
async function perform(act: Act, host: ActHost): Promise<Undo> {
  const { mediator } = host;
  switch (act.kind) {
    case 'create': {
      const { id } = await mediator.createVgpu(act.spec);
      return () => mediator.removeVgpu(id);
    }
    case 'remove':
      await mediator.removeVgpu(act.vgpu.id);
      return async () => {};
    case 'share': {
      const { id, weight, cap, priority } = act.vgpu;
      await mediator.setShare(id, act.change);
      return () => mediator.setShare(id, { weight, cap, priority });
    }
    case 'monitor':
      await mediator.setMonitor(act.vgpu.id, act.connected);
      return () => mediator.setMonitor(act.vgpu.id, act.vgpu.monitor);
    case 'port':
      return setPort(act.vgpu, act.port, act.change, mediator);
    case 'slot':
      return changeSlot(act, host);
    case 'define': {
      const kept = keptBy(host);
      await kept.define(act.spec, false, null);
      return () => kept.undefine(act.spec.name);
    }
    case 'undefine': {
      const kept = keptBy(host);
      const { autostart } = kept.get(act.name);
      const spec = kept.spec(act.name);
      await kept.undefine(act.name);
      return async () => void (await kept.define(spec, autostart, null));
    }
    case 'autostart': {
      const kept = keptBy(host);
      const { autostart } = kept.get(act.name);
      await kept.setAutostart(act.name, act.on);
      return async () => void (await kept.setAutostart(act.name, autostart));
    }
    case 'scan':
      await mediator.setScanProcesses(act.vgpu.id, act.scanProcesses);
      return () => mediator.setScanProcesses(act.vgpu.id, act.vgpu.scanProcesses);
    case 'revive':
      await mediator.revive(act.vgpu.id);
      return async () => {};
    case 'reset':
      await mediator.reset(act.vgpu.id);
      return async () => {};
    case 'foreground': {
      const before = host.foreground;
      host.foreground = act.vm;
      return async () => {
        host.foreground = before;
      };
    }
  }
}

function keptBy({ definitions }: ActHost): Definitions {
  if (definitions !== undefined) return definitions;
  throw new TreeRefusal('ENODEV', 'vGPUs are kept nowhere');
}

async function setPort(vgpu: VgpuInfo, port: OutputPort, change: PortChange, mediator: MediatorApi): Promise<Undo> {
  const before = vgpu.ports.find((one) => one.port === port);
  await mediator.setPort(vgpu.id, port, change);
  return async () => {
    if (before === undefined) return;
    const { type, connected, edid } = before;
    await mediator.setPort(vgpu.id, port, { type, connected, edid });
  };
}

/** Decided here and not when it was planned: what the same transaction wrote before counts. */
async function changeSlot(act: Extract<Act, { kind: 'slot' }>, host: ActHost): Promise<Undo> {
  const before = host.slots;
  const restore = async () => {
    host.slots = before;
  };
  if ('wish' in act) host.slots = stage(before, act.vm, act.wish);
  else if ('type' in act) host.slots = stageType(before, act.vm, act.type);
  else if ('edid' in act) host.slots = stageEdid(before, act.vm, act.edid, act.offset);
  else {
    const { slots, changes } = applied(before, act.vm, act.connected);
    const undo: Undo[] = [restore];
    try {
      for (const [port, change] of changes) undo.push(await setPort(act.vm.vgpu, port, change, host.mediator));
    } catch (error) {
      for (const step of undo.reverse()) await step();
      throw error;
    }
    host.slots = slots;
    return async () => {
      for (const step of undo.reverse()) await step();
    };
  }
  return restore;
}
