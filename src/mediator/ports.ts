/** Monitors as the control plane has them, plain values with EDIDs in hex, and as the display has them. */
import { XengtError } from '../base/index.js';
import { edidFault, edidFromHex, edidToHex, type MonitorSetup } from '../hw/index.js';
import type { OutputInfo, OutputSetup } from '../vgpu/index.js';
import type { PortInfo } from './api.js';

/** @throws XengtError XENGT_E_CONFIG for an EDID that is none */
export function outputOf({ port, type, connected, edid }: MonitorSetup): OutputSetup {
  return {
    port,
    ...(type !== undefined && { plug: type }),
    ...(connected !== undefined && { connected }),
    ...(edid !== undefined && { edid: bytesOf(edid, port) }),
  };
}

function bytesOf(edid: string, port: string): Uint8Array {
  const bytes = edidFromHex(edid);
  const fault = bytes === null ? 'it is no even number of hex digits' : edidFault(bytes);
  if (bytes !== null && fault === null) return bytes;
  throw new XengtError('XENGT_E_CONFIG', `The EDID for port ${port} can not be used: ${fault}`);
}

/** EDIDs are asked for far more often than they change. */
const hexOf = new WeakMap<Uint8Array, string>();

function inHex(edid: Uint8Array): string {
  const known = hexOf.get(edid);
  if (known !== undefined) return known;
  const hex = edidToHex(edid);
  hexOf.set(edid, hex);
  return hex;
}

export function portOf({ port, plug, connected, edid, monitor, preferred, pipe }: OutputInfo): PortInfo {
  return { port, type: plug, connected, edid: inHex(edid), monitor, preferred, pipe };
}

export function setupOf({ port, plug, connected, edid }: OutputInfo): Required<MonitorSetup> {
  return { port, type: plug, connected, edid: edidToHex(edid) };
}
