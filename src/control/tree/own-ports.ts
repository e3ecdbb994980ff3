/** Our own attributes of a vGPU's ports: each write comes true at once, and an EDID may have all its blocks. */
import { edidFault, edidFromHex, edidToHex, PLUGS } from '../../hw/index.js';
import type { PortChange, PortInfo, VgpuInfo } from '../../mediator/api.js';
import { edidForMode } from '../monitors.js';
import type { Act } from './acts.js';
import { oneOf, RO, type Row, RW } from './declare.js';
import { TreeRefusal } from './errno.js';

/** A port and whose it is. */
export interface PortOf {
  readonly vgpu: VgpuInfo;
  readonly port: PortInfo;
}

const change = ({ vgpu, port }: PortOf, wish: PortChange): Act[] => [
  { kind: 'port', vgpu, port: port.port, change: wish },
];

function wholeEdid(bytes: Uint8Array, offset: number): string {
  const fault = offset === 0 ? edidFault(bytes) : 'it is to be written at once';
  if (fault !== null) throw new TreeRefusal('EINVAL', `edid: ${fault}`);
  return edidToHex(bytes);
}

export const portRows: readonly Row<PortOf>[] = [
  {
    name: 'connection',
    mode: RW,
    type: '`connected` or `disconnected`',
    doc: 'Whether its monitor is plugged in; the guest gets a hotplug interrupt.',
    read: ({ port }) => (port.connected ? 'connected' : 'disconnected'),
    write: (at, text) =>
      change(at, { connected: oneOf(text, 'connection', ['connected', 'disconnected']) === 'connected' }),
  },
  {
    name: 'type',
    mode: RW,
    type: '`DP` or `HDMI`',
    doc: 'With what its monitor is plugged in.',
    read: ({ port }) => port.type,
    write: (at, text) => change(at, { type: oneOf(text, 'type', PLUGS) }),
  },
  {
    name: 'mode',
    mode: RW,
    type: 'WIDTHxHEIGHT@HZ',
    doc: 'The mode that its monitor prefers. Written: a monitor that prefers it takes the place of the one that was there.',
    read: ({ port }) => port.preferred,
    write: (at, text) => change(at, { edid: edidToHex(edidForMode(text, at.port.type)) }),
  },
  {
    name: 'edid',
    mode: RW,
    type: '128 to 1024 bytes',
    doc: 'What its monitor says of itself, also while it is unplugged. Written at once, all blocks. EINVAL: it is none, or a checksum is wrong.',
    bytes: true,
    read: ({ port }) => edidFromHex(port.edid) ?? new Uint8Array(0),
    writeBytes: (at, bytes, offset) => change(at, { edid: wholeEdid(bytes, offset) }),
  },
  { name: 'monitor', mode: RO, type: 'text', doc: 'Name of its monitor.', read: ({ port }) => port.monitor },
  {
    name: 'pipe',
    mode: RO,
    type: '`A`, `B` or `C`',
    doc: 'The pipe that the guest shows on it; empty when none.',
    read: ({ port }) => port.pipe ?? '',
  },
];
