/** A snapshot of a vGPU as lines for people, and for `diff` of two of them: what is the same stands at the same place. */
import type { VgpuSnapshot } from '../mediator/api.js';

const hex = (value: number, digits: number): string => `0x${value.toString(16).padStart(digits, '0')}`;
const BYTES_A_LINE = 16;

function configLines(config: string): string[] {
  const lines = [];
  for (let at = 0; at < config.length; at += 2 * BYTES_A_LINE) {
    const bytes = config.slice(at, at + 2 * BYTES_A_LINE).match(/../g) ?? [];
    if (bytes.some((byte) => byte !== '00')) lines.push(`config ${hex(at / 2, 2)} ${bytes.join(' ')}`);
  }
  return lines;
}

export function snapshotText(snapshot: VgpuSnapshot): string {
  const { platform, uptimeSeconds, config, registers, ggtt, addressSpaces, engines } = snapshot;
  return [
    `platform ${platform}`,
    `uptime ${uptimeSeconds.toFixed(6)} s`,
    `ggtt ${ggtt.mapped} of ${ggtt.pages} pages mapped`,
    ...addressSpaces.map((roots) => `address-space ${roots.map((gpa) => hex(gpa, 9)).join(' ')}`),
    ...engines.map(({ name, held }) => `engine ${name} ${held} queued`),
    ...configLines(config),
    ...registers.map(({ offset, name, value }) => `register ${hex(offset, 6)} ${hex(value, 8)} ${name}`),
  ]
    .map((line) => `${line}\n`)
    .join('');
}
