/**
 * Interrupt registers: ISR, IMR, IIR and IER of each group of the tree (../interrupts.ts), and the master.
 * All IIR are write-1-to-clear: a driver that finds a bit it has just cleared believes in an interrupt storm.
 * Source: PRM BDW/SKL Vol 2c "Interrupts"; public i915_reg.h.
 */
import { GROUP, INTERRUPT_GROUPS, IRQ_IER, IRQ_IIR, IRQ_IMR, IRQ_ISR, MASTER_IRQ } from '../interrupts.js';
import { P_BDW_UP } from '../platform.js';
import { R, type RegisterRow } from './types.js';

const GROUP_ROWS: readonly RegisterRow[] = INTERRUPT_GROUPS.flatMap((group, index): RegisterRow[] => {
  const south = index === GROUP.SDE;
  const { platforms } = group;
  return [
    {
      name: `${group.name}_ISR`,
      offset: group.base + IRQ_ISR,
      flags: R.RO,
      platforms,
      ...(south ? { read: 'sdeIsr' } : {}),
    },
    { name: `${group.name}_IMR`, offset: group.base + IRQ_IMR, reset: 0xffffffff, platforms, write: 'irqImr' },
    { name: `${group.name}_IIR`, offset: group.base + IRQ_IIR, w1c: 0xffffffff, platforms, write: 'irqIir' },
    { name: `${group.name}_IER`, offset: group.base + IRQ_IER, platforms, write: 'irqIer' },
  ];
});

const SINGLE = [
  { name: 'MASTER_IRQ', offset: MASTER_IRQ, platforms: P_BDW_UP, write: 'irqMaster' },
  // Port A hotplug: status bits 1:0.
  { name: 'DIGITAL_PORT_HOTPLUG_CNTRL', offset: 0x44030, w1c: 0x3 },
  { name: 'ERR_INT', offset: 0x44040, w1c: 0xffffffff },
  { name: 'DERRMR', offset: 0x44050, reset: 0xffffffff },
  { name: 'REG_0x44070', offset: 0x44070 },
  { name: 'REG_0x44484', offset: 0x44484, platforms: P_BDW_UP },
  { name: 'REG_0x4448c', offset: 0x4448c, platforms: P_BDW_UP },
  // A vGPU has no self-refresh panel, so nothing is ever pending; drivers check that it reads 0.
  { name: 'EDP_PSR_IMR', offset: 0x64834, writeMask: 0 },
  { name: 'EDP_PSR_IIR', offset: 0x64838, writeMask: 0 },
  // Ports B, C, D and A: each has long and short pulse status in two bits, cleared by writing 1.
  { name: 'PCH_PORT_HOTPLUG', offset: 0xc4030, w1c: 0x03030303 },
  { name: 'PCH_PORT_HOTPLUG2', offset: 0xc403c, w1c: 0x3 },
  { name: 'SERR_INT', offset: 0xc4040, w1c: 0xffffffff },
] as const satisfies readonly RegisterRow[];

export const INTERRUPT_ROWS: readonly RegisterRow[] = [...GROUP_ROWS, ...SINGLE];
