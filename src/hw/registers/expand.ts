/**
 * Rows declared once and repeated for each instance of a block.
 *
 * Naming: register first, instance last: RING_TAIL_RCS, PLANE_CTL_1_A (plane 1 of pipe A), DDI_BUF_CTL_B,
 * DATA_M1_EDP. Generation prefixes of public headers (GEN8_, HSW_) are dropped where the name stays unambiguous.
 * A register whose name is not public is REG_0x<offset>.
 */
import { ENGINES, type EngineRow } from '../engines.js';
import type { RegisterRow } from './types.js';

/** Where an instance of a block starts, and the suffix of its registers' names. */
export type Instance = readonly [suffix: string, base: number];

/** Rows whose offsets are relative to the block, once per instance. */
export function perInstance(rows: readonly RegisterRow[], instances: readonly Instance[]): RegisterRow[] {
  return instances.flatMap(([suffix, base]) =>
    rows.map((row) => ({ ...row, name: `${row.name}_${suffix}`, offset: row.offset + base })),
  );
}

/** Rows relative to an engine's base, for all engines or those named. */
export function perEngine(rows: readonly RegisterRow[], ...names: readonly EngineRow['name'][]): RegisterRow[] {
  const engines = names.length === 0 ? ENGINES : ENGINES.filter((engine) => names.includes(engine.name));
  return perInstance(
    rows,
    engines.map((engine) => [engine.name, engine.mmioBase]),
  );
}

export const PIPES: readonly Instance[] = [
  ['A', 0],
  ['B', 0x1000],
  ['C', 0x2000],
];

/** Offset of a register whose name is not public, named after it. */
export function unnamed(offset: number): { name: string; offset: number } {
  return { name: `REG_0x${offset.toString(16)}`, offset };
}
