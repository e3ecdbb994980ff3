/** Monitors as an operator asks for them: an EDID from a file or in hex, or one made from a mode line. */
import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import type { z } from 'zod';
import { reasonOf, XengtError } from '../base/index.js';
import {
  edidFault,
  edidFromHex,
  edidOfMode,
  edidToHex,
  HDMI_CLOCK_MHZ,
  MODE_ALLOWED,
  OUTPUT_PORTS,
  PLUGS,
  type Plug,
  parseMode,
  plugCarries,
} from '../hw/index.js';
import type { MonitorSetup } from '../mediator/api.js';
import { brokenRule, choice, flag, record, text } from './checked.js';
import { checkOutside } from './own-mount.js';

export const PORT = choice(OUTPUT_PORTS);

const MONITOR_KEYS = {
  type: choice(PLUGS).optional(),
  connected: flag().optional(),
  edid: text(
    'the absolute path of a file, or the EDID in hex',
    (value) => isAbsolute(value) || /^[0-9a-fA-F]+$/.test(value),
  ).optional(),
  mode: text(MODE_ALLOWED, (value) => parseMode(value) !== null).optional(),
};

type Asked = z.output<ReturnType<typeof record<typeof MONITOR_KEYS>>>;

function acrossKeys({ edid, mode }: Asked, context: z.RefinementCtx): void {
  if (edid !== undefined && mode !== undefined)
    context.addIssue(brokenRule(['mode'], 'give either mode or edid, not both'));
}

/** What is to become of a port at run time. */
export const portChange = record(MONITOR_KEYS).superRefine((body, context) => {
  acrossKeys(body, context);
  if (Object.values(body).every((value) => value === undefined)) {
    context.addIssue(brokenRule(['connected'], 'missing; give at least one of connected, type, mode and edid'));
  }
});

/** What a vGPU starts with on a port: plugged in, if not told otherwise. */
export const monitorSetup = record({ port: PORT, ...MONITOR_KEYS }).superRefine(acrossKeys);

/**
 * With the EDID in hex, wherever it came from.
 * @param plug of the port as it is, where the change does not say
 * @throws XengtError XENGT_E_CONFIG, XENGT_E_IO
 */
export function resolveChange({ type, connected, edid, mode }: Asked, plug: Plug): Omit<MonitorSetup, 'port'> {
  const hex =
    mode !== undefined ? edidToHex(edidForMode(mode, type ?? plug)) : edid === undefined ? undefined : edidOf(edid);
  return {
    ...(type !== undefined && { type }),
    ...(connected !== undefined && { connected }),
    ...(hex !== undefined && { edid: hex }),
  };
}

export function resolveSetup({ port, ...asked }: z.output<typeof monitorSetup>): MonitorSetup {
  return { port, ...resolveChange({ ...asked, connected: asked.connected ?? true }, 'DP') };
}

/** @throws XengtError XENGT_E_CONFIG for what is no mode line, or none that the plug carries */
export function edidForMode(line: string, plug: Plug): Uint8Array {
  const mode = parseMode(line);
  if (mode === null) throw new XengtError('XENGT_E_CONFIG', `mode: "${line}" is not allowed; allowed: ${MODE_ALLOWED}`);
  if (plugCarries(plug, mode)) return edidOfMode(mode, plug);
  throw new XengtError('XENGT_E_CONFIG', `mode: ${line} needs more than the ${HDMI_CLOCK_MHZ} MHz of ${plug}; use DP`);
}

function edidOf(given: string): string {
  const bytes = isAbsolute(given) ? readEdid(given) : edidFromHex(given);
  const fault = bytes === null ? 'it is no even number of hex digits' : edidFault(bytes);
  if (bytes !== null && fault === null) return edidToHex(bytes);
  const what = isAbsolute(given) ? given : 'the given EDID';
  throw new XengtError('XENGT_E_CONFIG', `edid: ${what} can not be used: ${fault}`);
}

/** @throws XengtError XENGT_E_IO, XENGT_E_CONFIG */
export function readEdid(file: string): Uint8Array {
  checkOutside('edid', file);
  try {
    return readFileSync(file);
  } catch (error) {
    throw new XengtError('XENGT_E_IO', `edid: cannot read ${file}: ${reasonOf(error)}`, { cause: error });
  }
}
