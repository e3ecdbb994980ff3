/** The named vGPU types of a platform, by the names that GVT-g has given them. */
import { XengtError } from '../base/index.js';
import { type Platform, VGPU_TYPE_ROWS, type VgpuType } from '../hw/index.js';

/** All types of a platform, largest first. */
export function vgpuTypes(platform: Platform): VgpuType[] {
  return VGPU_TYPE_ROWS.map((row) => ({ ...row, name: `${platform.typePrefix}_${row.suffix}` }));
}

/**
 * The type that `name` means: `V5_8`, or with the prefixes of the mdev names `GVTg_V5_8` and `i915-GVTg_V5_8`.
 * @throws XengtError XENGT_E_CONFIG, with the names that the platform has
 */
export function resolveType(name: string, platform: Platform): VgpuType {
  const types = vgpuTypes(platform);
  const short = name.replace(/^(i915-)?GVTg_/, '');
  const type = types.find((candidate) => candidate.name === short);
  if (type !== undefined) return type;
  const names = types.map((candidate) => candidate.name).join(', ');
  throw new XengtError('XENGT_E_CONFIG', `type: "${name}" is not a type of ${platform.name}; allowed are ${names}`);
}
