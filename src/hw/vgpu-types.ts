/**
 * The fixed vGPU types and what of the device is never given away.
 * Source: public i915 gvt/vgpu.c (type table, weights) and gvt/gvt.h (host reservation); smallest sizes that are accepted
 * beyond the table are this project's own.
 */

export interface VgpuTypeRow {
  /** How many of them a device was meant for; last part of the type's name. */
  readonly suffix: '1' | '2' | '4' | '8';
  readonly lowMiB: number;
  readonly highMiB: number;
  readonly fences: number;
  /** Share of GPU time: 16 / suffix. */
  readonly weight: number;
  /** Largest mode of the virtual monitor. */
  readonly resolution: '1024x768' | '1920x1200';
}

/** A type as one platform names it, V4_x on Gen8 and V5_x on Gen9. */
export interface VgpuType extends VgpuTypeRow {
  readonly name: string;
}

/** What of the device is given to a vGPU: graphics memory by byte address, fences by number, its share of engine time. */
export interface Grant {
  readonly vgpu: number;
  readonly weight: number;
  readonly lowStart: number;
  readonly lowBytes: number;
  readonly highStart: number;
  readonly highBytes: number;
  readonly fenceStart: number;
  readonly fenceCount: number;
}

export const VGPU_TYPE_ROWS: readonly VgpuTypeRow[] = [
  { suffix: '1', lowMiB: 512, highMiB: 2048, fences: 4, weight: 16, resolution: '1920x1200' },
  { suffix: '2', lowMiB: 256, highMiB: 1024, fences: 4, weight: 8, resolution: '1920x1200' },
  { suffix: '4', lowMiB: 128, highMiB: 512, fences: 4, weight: 4, resolution: '1920x1200' },
  { suffix: '8', lowMiB: 64, highMiB: 384, fences: 4, weight: 2, resolution: '1024x768' },
];

/** Kept for the mediator: shadow contexts and rings live there; on a shared machine the host's own driver too. */
export const HOST_RESERVE = { lowMiB: 128, highMiB: 384, fences: 4 } as const;

/** Fence registers of Gen8 and Gen9. Source: PRM BDW/SKL Vol 2c FENCE (0x100000). */
export const TOTAL_FENCES = 32;

/** Smallest slices, in MiB: below them i915 cannot even place its rings, contexts and a framebuffer. */
export const SMALLEST_LOW_MIB = 16;
export const SMALLEST_HIGH_MIB = 16;
