/**
 * How long a vGPU may hang an engine, by its type. The larger the part of the device, the fewer there are beside it and the
 * heavier its work: a type that a device holds once may take a minute over one workload, one that a device holds eight times
 * keeps seven others waiting. The shortest patience is above what drivers allow a single command: i915 looks for a hang 2.5 s
 * after the last progress, Windows after 2 s.
 */
import { NS_PER_S, XengtError } from '../base/index.js';
import { VGPU_TYPE_ROWS, type VgpuTypeRow } from '../hw/index.js';
import { HANG_LIMITS, type HangLimits } from '../scheduler/index.js';

const BY_TYPE: Readonly<Record<VgpuTypeRow['suffix'], readonly [stuckS: number, runS: number]>> = {
  '1': [12, 60],
  '2': [8, 40],
  '4': [6, 20],
  '8': [4, 20],
};

/** Those of the largest type that a part of the device is not smaller than; of the smallest, where it is smaller than all. */
export function hangLimitsOf({ lowBytes }: { readonly lowBytes: number }): HangLimits {
  const type = VGPU_TYPE_ROWS.find((row) => lowBytes >= row.lowMiB * 2 ** 20) ?? VGPU_TYPE_ROWS.at(-1);
  if (type === undefined) throw new XengtError('XENGT_E_TABLE', 'there is no vGPU type');
  const [stuckS, runS] = BY_TYPE[type.suffix];
  return { checkNs: HANG_LIMITS.checkNs, stuckNs: stuckS * NS_PER_S, runNs: runS * NS_PER_S };
}
