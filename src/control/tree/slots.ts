/**
 * The ports of a VM as XenGT has them: what is written to one is kept until `connect`, `disconnect` or `flush` applies it. A
 * slot is one folder PORT_x; the port on which its guest sees it may be another (`port_override`).
 * Source: public XenGT 4.0 drivers/gpu/drm/i915/vgt/sysfs.c (what is kept, what applies it, numbers of types).
 */
import { blockFault, EDID_BYTES, edidFromHex, edidToHex, OUTPUT_PORTS, sealBlock } from '../../hw/index.js';
import type { OutputPort, Plug, PortChange, PortInfo, VgpuInfo } from '../../mediator/api.js';
import { TreeRefusal } from './errno.js';

/** What was written to a slot and is not applied yet. */
export interface Wish {
  readonly port?: OutputPort;
  readonly type?: Plug;
  /** In hex. */
  readonly edid?: string;
}

export interface Slot {
  /** The port on which its guest sees it. */
  readonly port: OutputPort;
  readonly wish: Wish;
  /** An EDID that was written in part, in hex. */
  readonly partial: string;
}

/** Those that are not as they were made, by vGPU and folder. A plain value. */
export type Slots = Readonly<Record<string, Slot>>;

/** A slot of a VM. */
export interface SlotOf {
  readonly vgpu: VgpuInfo;
  readonly x: OutputPort;
}

/** By the numbers that are written. */
export const PORT_TYPES = [
  'VGT_CRT',
  'VGT_DP_A',
  'VGT_DP_B',
  'VGT_DP_C',
  'VGT_DP_D',
  'VGT_HDMI_B',
  'VGT_HDMI_C',
  'VGT_HDMI_D',
] as const;

const EXTENSIONS_AT = 126;

const keyOf = ({ vgpu, x }: SlotOf): string => `${vgpu.id} ${x}`;

export function slotAt(slots: Slots, at: SlotOf): Slot {
  return slots[keyOf(at)] ?? { port: at.x, wish: {}, partial: '' };
}

/** Without the slots of vGPUs that are gone. */
export function withoutGone(slots: Slots, vgpus: readonly VgpuInfo[]): Slots {
  const ids = new Set(vgpus.map(({ id }) => `${id}`));
  const entries = Object.entries(slots);
  const kept = entries.filter(([key]) => ids.has(key.split(' ')[0] ?? ''));
  return kept.length === entries.length ? slots : Object.fromEntries(kept);
}

/** The slot that a port belongs to: the one that was moved there, else its own; null when that was moved away. */
function holderOf(slots: Slots, vgpu: VgpuInfo, port: OutputPort): OutputPort | null {
  const moved = OUTPUT_PORTS.find((x) => x !== port && slotAt(slots, { vgpu, x }).port === port);
  return moved ?? (slotAt(slots, { vgpu, x: port }).port === port ? port : null);
}

function portInfo({ ports }: VgpuInfo, port: OutputPort): PortInfo {
  const found = ports.find((one) => one.port === port);
  if (found === undefined) throw new TreeRefusal('ENODEV', `There is no port ${port}`);
  return found;
}

/** What a slot is, with what was written to it. */
export function slotShown(slots: Slots, at: SlotOf) {
  const { port, wish } = slotAt(slots, at);
  const info = portInfo(at.vgpu, port);
  const mine = holderOf(slots, at.vgpu, port) === at.x;
  const override = wish.port ?? port;
  return {
    connected: mine && info.connected,
    pipe: mine ? info.pipe : null,
    override,
    type: typeName(wish.type ?? info.type, override),
    edid: baseBlock(edidFromHex(wish.edid ?? info.edid) ?? new Uint8Array(0)),
  };
}

const typeName = (type: Plug, port: OutputPort): (typeof PORT_TYPES)[number] => `VGT_${type}_${port}`;

/** The first block alone, as XenGT keeps it. */
function baseBlock(edid: Uint8Array): Uint8Array {
  const block = Uint8Array.from(edid.subarray(0, EDID_BYTES));
  if (block.length < EDID_BYTES) return block;
  block[EXTENSIONS_AT] = 0;
  sealBlock(block);
  return block;
}

/**
 * Keeps what was written.
 * @throws TreeRefusal EINVAL, EBUSY
 */
export function stage(slots: Slots, at: SlotOf, wish: Wish): Slots {
  const slot = slotAt(slots, at);
  const { port } = wish;
  if (port !== undefined && port !== slot.port) {
    const holder = holderOf(slots, at.vgpu, port);
    const taken = holder !== null && holder !== at.x && (holder !== port || portInfo(at.vgpu, port).connected);
    if (taken) throw new TreeRefusal('EBUSY', `PORT_${port} has the monitor of ${at.vgpu.vm}/PORT_${holder}`);
  }
  return { ...slots, [keyOf(at)]: { ...slot, wish: { ...slot.wish, ...wish } } };
}

/** The type of a number as it is written. @throws TreeRefusal EINVAL */
export function stageType(slots: Slots, at: SlotOf, number: number): Slots {
  const name = PORT_TYPES[number];
  const { override } = slotShown(slots, at);
  const [, type, port] = /^VGT_(DP|HDMI)_([BCD])$/.exec(name ?? '') ?? [];
  if (type === undefined) {
    throw new TreeRefusal(
      'EINVAL',
      `${name}: there is no such output; allowed: DP and HDMI on ports ${OUTPUT_PORTS.join(', ')}`,
    );
  }
  if (port !== override) {
    throw new TreeRefusal(
      'EINVAL',
      `${name}: the guest sees this monitor on PORT_${override}; write port_override first`,
    );
  }
  return stage(slots, at, { type: type === 'DP' ? 'DP' : 'HDMI' });
}

/**
 * Part of an EDID at an offset; with its last byte it is complete, and is checked.
 * @throws TreeRefusal EINVAL, EFBIG
 */
export function stageEdid(slots: Slots, at: SlotOf, bytes: Uint8Array, offset: number): Slots {
  const end = offset + bytes.length;
  if (offset % 4 !== 0) throw new TreeRefusal('EINVAL', `edid: offset ${offset} is no multiple of 4`);
  if (end > EDID_BYTES) {
    throw new TreeRefusal(
      'EFBIG',
      `edid: ${end} bytes are too many, this one has ${EDID_BYTES}; xengt/ports/${at.x}/edid takes all blocks`,
    );
  }
  const slot = slotAt(slots, at);
  const before = offset === 0 || slot.partial === '' ? slotShown(slots, at).edid : edidFromHex(slot.partial);
  const edid = new Uint8Array(EDID_BYTES);
  edid.set(before ?? []);
  edid.set(bytes, offset);
  const key = keyOf(at);
  if (end < EDID_BYTES) return { ...slots, [key]: { ...slot, partial: edidToHex(edid) } };
  const fault = blockFault(edid, 0);
  if (fault !== null) throw new TreeRefusal('EINVAL', `edid: ${fault}`);
  return stage({ ...slots, [key]: { ...slot, partial: '' } }, at, { edid: edidToHex(baseBlock(edid)) });
}

/**
 * What is to be done to the ports so that what was written comes true.
 * @param connected null leaves it as it is
 * @throws TreeRefusal EBUSY where the port shows another slot's monitor
 */
export function applied(
  slots: Slots,
  at: SlotOf,
  connected: boolean | null,
): { readonly slots: Slots; readonly changes: readonly (readonly [port: OutputPort, change: PortChange])[] } {
  const { port: from, wish } = slotAt(slots, at);
  const to = wish.port ?? from;
  const holder = holderOf(slots, at.vgpu, to);
  if (to === from && holder !== at.x) {
    throw new TreeRefusal('EBUSY', `PORT_${to} has the monitor of ${at.vgpu.vm}/PORT_${holder}`);
  }
  stage(slots, at, { port: to });
  const info = portInfo(at.vgpu, from);
  const { type = info.type, edid = info.edid } = wish;
  const change = { type, edid, connected: connected ?? info.connected };
  const changes: (readonly [OutputPort, PortChange])[] = to === from ? [] : [[from, { connected: false }]];
  return {
    slots: { ...slots, [keyOf(at)]: { port: to, wish: {}, partial: '' } },
    changes: [...changes, [to, change]],
  };
}
