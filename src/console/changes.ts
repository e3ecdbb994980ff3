/** What is different between two looks, as an operator would say it. */
import type { VgpuInfo } from '../mediator/api.js';

export function changes(before: readonly VgpuInfo[], now: readonly VgpuInfo[]): string[] {
  const same = (one: VgpuInfo) => (other: VgpuInfo) => one.id === other.id && one.name === other.name;
  const out: string[] = [];
  for (const vgpu of before) if (!now.some(same(vgpu))) out.push(`${vgpu.name} was removed`);
  for (const vgpu of now) {
    const old = before.find(same(vgpu));
    if (old === undefined) {
      out.push(`${vgpu.name} was created (${vgpu.type})`);
      continue;
    }
    if (old.state !== vgpu.state)
      out.push(`${vgpu.name} is ${vgpu.state}${vgpu.reason === null ? '' : `: ${vgpu.reason}`}`);
    if (old.weight !== vgpu.weight) out.push(`${vgpu.name} weighs ${vgpu.weight}, no longer ${old.weight}`);
    if (old.lastDropped !== vgpu.lastDropped && vgpu.lastDropped !== null)
      out.push(`${vgpu.name}: ${vgpu.lastDropped}`);
    const mode = modeOf(vgpu);
    if (modeOf(old) !== mode) out.push(mode === '' ? `${vgpu.name} shows nothing` : `${vgpu.name} shows ${mode}`);
  }
  return out;
}

const modeOf = ({ mode }: VgpuInfo): string => (mode === null ? '' : `${mode.width} × ${mode.height}`);
