/** A vGPU at one moment, in plain values, for whoever wants to know what its driver has done so far. */
import { ENGINES, registerName } from '../hw/index.js';
import type { Vgpu } from '../vgpu/index.js';
import type { VgpuSnapshot } from './api.js';

export function snapshotOf(vgpu: Vgpu, uptimeSeconds: number): VgpuSnapshot {
  const { platform, bank, pci } = vgpu;
  const registers: { offset: number; name: string; value: number }[] = [];
  bank.forEach((value, at) => {
    if (value !== 0) registers.push({ offset: 4 * at, name: registerName(platform, 4 * at), value });
  });
  return {
    platform: platform.name,
    uptimeSeconds,
    config: Buffer.from(pci.save().space).toString('hex'),
    registers,
    ggtt: vgpu.ggtt.count(),
    addressSpaces: vgpu.addressSpaces,
    engines: platform.engines.map((engine) => ({ name: ENGINES[engine]!.name, held: vgpu.held(engine) })),
  };
}
