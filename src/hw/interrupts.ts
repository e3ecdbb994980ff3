/**
 * The interrupt tree: groups of ISR/IMR/IIR/IER, from Gen8 on under the master register, and the events a vGPU raises.
 * Source: PRM HSW/BDW/SKL Vol 2c "Interrupts"; public i915_reg.h (GEN8_MASTER_IRQ, GEN8_*_IIR, SDE*).
 */
import { BCS, type EngineId, RCS, VCS, VCS2, VECS } from './engines.js';
import { P, P_ALL, P_BDW_UP, P_GEN9 } from './platform.js';

export const MASTER_IRQ = 0x44200;
export const MASTER_ENABLE = 0x80000000;

/** Register offsets within a group, from its base. */
export const IRQ_ISR = 0;
export const IRQ_IMR = 4;
export const IRQ_IIR = 8;
export const IRQ_IER = 12;

/** DEIER, bit 31: the master enable of Haswell, where no register summarises the groups. */
export const GEN7_MASTER_IER = 0x4400c;
/** DEIIR: something is pending in the PCH's group. */
export const GEN7_PCH_EVENT = 1 << 28;

export interface InterruptGroup {
  readonly name: string;
  readonly platforms: number;
  /** ISR address; IMR, IIR and IER follow. */
  readonly base: number;
  /** Which master bit summarises which bits of this group: [master bit, mask within the group]. */
  readonly summary: readonly (readonly [bit: number, mask: number])[];
}

export const INTERRUPT_GROUPS: readonly InterruptGroup[] = [
  {
    name: 'GT0',
    platforms: P_BDW_UP,
    base: 0x44300,
    summary: [
      [0, 0x0000ffff],
      [1, 0xffff0000],
    ],
  },
  {
    name: 'GT1',
    platforms: P_BDW_UP,
    base: 0x44310,
    summary: [
      [2, 0x0000ffff],
      [3, 0xffff0000],
    ],
  },
  { name: 'GT2', platforms: P_BDW_UP, base: 0x44320, summary: [[4, 0x0000ffff]] },
  { name: 'GT3', platforms: P_BDW_UP, base: 0x44330, summary: [[6, 0x0000ffff]] },
  { name: 'DE_PIPE_A', platforms: P_BDW_UP, base: 0x44400, summary: [[16, 0xffffffff]] },
  { name: 'DE_PIPE_B', platforms: P_BDW_UP, base: 0x44410, summary: [[17, 0xffffffff]] },
  { name: 'DE_PIPE_C', platforms: P_BDW_UP, base: 0x44420, summary: [[18, 0xffffffff]] },
  { name: 'DE_PORT', platforms: P_BDW_UP, base: 0x44440, summary: [[20, 0xffffffff]] },
  { name: 'DE_MISC', platforms: P_BDW_UP, base: 0x44460, summary: [[22, 0xffffffff]] },
  { name: 'PCU', platforms: P_BDW_UP, base: 0x444e0, summary: [[30, 0xffffffff]] },
  { name: 'SDE', platforms: P_ALL, base: 0xc4000, summary: [[23, 0xffffffff]] },
  // Haswell. Names end in 7 where Gen8 has groups of nearly the same name.
  { name: 'DE7', platforms: P.HSW, base: 0x44000, summary: [] },
  { name: 'GT7', platforms: P.HSW, base: 0x44010, summary: [] },
  { name: 'PM7', platforms: P.HSW, base: 0x44020, summary: [] },
];

/** Index of a group in INTERRUPT_GROUPS, by name. */
export const GROUP = {
  GT0: 0,
  GT1: 1,
  GT2: 2,
  GT3: 3,
  PIPE_A: 4,
  PIPE_B: 5,
  PIPE_C: 6,
  PORT: 7,
  MISC: 8,
  PCU: 9,
  SDE: 10,
  DE7: 11,
  GT7: 12,
  PM7: 13,
} as const;

export interface InterruptEvent {
  readonly group: number;
  readonly bit: number;
  readonly platforms: number;
  /** From one pipe's bit to the next one's, where all pipes share the group. */
  readonly pipeStride: number;
}

const on = (group: number, bit: number, platforms: number = P_BDW_UP): InterruptEvent => ({
  group,
  bit,
  platforms,
  pipeStride: 0,
});
/** On Haswell all pipes share DEIIR. */
const pipe7 = (bit: number): InterruptEvent => ({ group: GROUP.DE7, bit, platforms: P.HSW, pipeStride: 5 });

/** GT events of an engine from Gen8 on: where its user interrupt is; flush/PIPE_CONTROL notify is +4, context switch is +8. */
export const ENGINE_EVENTS: Readonly<Record<EngineId, { readonly group: number; readonly shift: number }>> = {
  [RCS]: { group: GROUP.GT0, shift: 0 },
  [BCS]: { group: GROUP.GT0, shift: 16 },
  [VCS]: { group: GROUP.GT1, shift: 0 },
  [VCS2]: { group: GROUP.GT1, shift: 16 },
  [VECS]: { group: GROUP.GT3, shift: 0 },
};
/** Haswell's: no context switches to tell of, and of VECS only the user interrupt is where the others have it. */
const GEN7_ENGINE_EVENTS: typeof ENGINE_EVENTS = {
  [RCS]: { group: GROUP.GT7, shift: 0 },
  [VCS]: { group: GROUP.GT7, shift: 12 },
  [BCS]: { group: GROUP.GT7, shift: 22 },
  [VECS]: { group: GROUP.PM7, shift: 10 },
  [VCS2]: { group: GROUP.PM7, shift: 10 },
};

export function engineEvents({ gen }: { readonly gen: number }): typeof ENGINE_EVENTS {
  return gen === 7 ? GEN7_ENGINE_EVENTS : ENGINE_EVENTS;
}

export const USER_INTERRUPT = 0;
export const FLUSH_NOTIFY = 4;
export const CONTEXT_SWITCH = 8;

/** Display and PCH events. One name may have a row per platform class. */
export const DISPLAY_EVENTS = {
  PIPE_VBLANK: [on(GROUP.PIPE_A, 0), pipe7(0)],
  PRIMARY_FLIP_DONE: [on(GROUP.PIPE_A, 4, P.BDW), on(GROUP.PIPE_A, 3, P_GEN9), pipe7(3)],
  SPRITE_FLIP_DONE: [on(GROUP.PIPE_A, 5, P.BDW), on(GROUP.PIPE_A, 4, P_GEN9), pipe7(4)],
  /** Haswell tells of it in an error register, which is not modelled. */
  PIPE_CRC_DONE: [on(GROUP.PIPE_A, 28)],
  AUX_A: [on(GROUP.PORT, 0), on(GROUP.DE7, 26, P.HSW)],
  AUX_B: [on(GROUP.PORT, 25, P_GEN9), on(GROUP.SDE, 25, P.HSW | P.BDW)],
  AUX_C: [on(GROUP.PORT, 26, P_GEN9), on(GROUP.SDE, 26, P.HSW | P.BDW)],
  AUX_D: [on(GROUP.PORT, 27, P_GEN9), on(GROUP.SDE, 27, P.HSW | P.BDW)],
  GMBUS: [on(GROUP.SDE, 17, P_ALL)],
  HOTPLUG_B: [on(GROUP.SDE, 21, P_ALL)],
  HOTPLUG_C: [on(GROUP.SDE, 22, P_ALL)],
  HOTPLUG_D: [on(GROUP.SDE, 23, P_ALL)],
  GSE: [on(GROUP.MISC, 0), on(GROUP.DE7, 29, P.HSW)],
} as const satisfies Record<string, readonly InterruptEvent[]>;

export type DisplayEventName = keyof typeof DISPLAY_EVENTS;
