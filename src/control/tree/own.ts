/**
 * Our own attributes of a vGPU: how it shares the engines, its state, and what it used. They stand below `vgpus/NAME`, and once
 * more beside each of the two layouts that operators know, in `xengt/`.
 */
import type { MediatorApi, VgpuInfo, VgpuStats } from '../../mediator/api.js';
import { MOST_PRIORITY, MOST_WEIGHT, NO_CAP } from '../../scheduler/index.js';
import { snapshotText } from '../snapshot-text.js';
import { type Declared, declare, GROUP_RO, type Member, ONE, oneOf, RO, type Row, RW, WO, wholeOf } from './declare.js';
import { TreeRefusal } from './errno.js';
import { type PortOf, portRows } from './own-ports.js';
import { isUuid, type State, vmNumber } from './state.js';

/** Where the mdev layout stands: as below /sys, with the address that the integrated GPU has on every PC. */
export const PARENT = 'class/mdev_bus/0000:00:02.0';

/** What is done when 1 is written. */
const order = (kind: 'revive' | 'reset' | 'remove', doc: string): Row<VgpuInfo> => ({
  name: kind,
  mode: WO,
  type: '1',
  doc,
  write: (vgpu, text) => {
    wholeOf(text, kind, 1, 1);
    return [{ kind, vgpu }];
  },
});

const rows: readonly Row<VgpuInfo>[] = [
  { name: 'id', mode: RO, type: 'number', doc: "The vGPU's id.", read: ({ id }) => `${id}` },
  { name: 'name', mode: RO, type: 'text', doc: "The operator's name for it.", read: ({ name }) => name },
  { name: 'vm', mode: RO, type: 'text', doc: 'Label of its VM in accounts and metrics.', read: ({ vm }) => vm },
  { name: 'type', mode: RO, type: 'text', doc: 'Its type, or `custom`.', read: ({ type }) => type },
  {
    name: 'guest',
    mode: RO,
    type: '`vfio-user PATH`, `xen DOMID` or `replay FILE`',
    doc: 'Where its guest comes from; for `vfio-user` the socket that a VMM is given.',
    read: ({ transport }) => guestLine(transport),
  },
  {
    name: 'low_mib',
    mode: RO,
    type: 'MiB',
    doc: 'Its part of the aperture.',
    read: ({ lowMiB }) => `${lowMiB}`,
  },
  { name: 'high_mib', mode: RO, type: 'MiB', doc: 'Its hidden graphics memory.', read: ({ highMiB }) => `${highMiB}` },
  { name: 'fences', mode: RO, type: 'number', doc: 'Its fence registers.', read: ({ fences }) => `${fences}` },
  {
    name: 'state',
    mode: RO,
    type: '`waiting`, `attached` or `failsafe`',
    doc: 'Whether a guest uses it.',
    read: ({ state }) => state,
  },
  {
    name: 'reason',
    mode: RO,
    type: 'text',
    doc: 'Why it is in failsafe; empty otherwise.',
    read: ({ reason }) => reason ?? '',
  },
  {
    name: 'last_dropped',
    mode: RO,
    type: 'text',
    doc: 'Why the last workload that was given up did not end; empty when none was.',
    read: ({ lastDropped }) => lastDropped ?? '',
  },
  {
    name: 'weight',
    mode: RW,
    type: `1 to ${MOST_WEIGHT}`,
    doc: 'Its share of engine time against the others.',
    read: ({ weight }) => `${weight}`,
    write: (vgpu, text) => [{ kind: 'share', vgpu, change: { weight: wholeOf(text, 'weight', 1, MOST_WEIGHT) } }],
  },
  {
    name: 'cap',
    mode: RW,
    type: `1 to ${NO_CAP}, percent`,
    doc: `Most of each engine's time that it may have; ${NO_CAP}: no limit.`,
    read: ({ cap }) => `${cap}`,
    write: (vgpu, text) => [{ kind: 'share', vgpu, change: { cap: wholeOf(text, 'cap', 1, NO_CAP) } }],
  },
  {
    name: 'priority',
    mode: RW,
    type: `0 to ${MOST_PRIORITY}`,
    doc: 'The highest first, under the policy `priority`.',
    read: ({ priority }) => `${priority}`,
    write: (vgpu, text) => [{ kind: 'share', vgpu, change: { priority: wholeOf(text, 'priority', 0, MOST_PRIORITY) } }],
  },
  {
    name: 'scan_processes',
    mode: RW,
    type: '`needed` or `all`',
    doc: "Which engines' batches of processes are judged.",
    read: ({ scanProcesses }) => scanProcesses,
    write: (vgpu, text) => [{ kind: 'scan', vgpu, scanProcesses: oneOf(text, 'scan_processes', ['needed', 'all']) }],
  },
  {
    name: 'monitor',
    mode: RW,
    type: '`connected` or `disconnected`',
    doc: 'Whether its virtual monitor is plugged in.',
    read: ({ monitor }) => (monitor ? 'connected' : 'disconnected'),
    write: (vgpu, text) => {
      const connected = oneOf(text, 'monitor', ['connected', 'disconnected']) === 'connected';
      return [{ kind: 'monitor', vgpu, connected }];
    },
  },
  {
    name: 'mode',
    mode: RO,
    type: 'WIDTHxHEIGHT@HZ',
    doc: 'What its first active pipe shows; empty when nothing is shown.',
    read: ({ mode }) => (mode === null ? '' : `${mode.width}x${mode.height}@${Math.round(mode.refreshHz)}`),
  },
  order('revive', 'Takes it out of failsafe; its guest finds a device that was just reset. EBUSY where it is in none.'),
  order(
    'reset',
    'Resets its PCI device under its guest, whose driver does not expect that. EBUSY while a journal is written.',
  ),
  {
    name: 'snapshot',
    mode: GROUP_RO,
    type: 'lines',
    doc: 'What its driver has made of the device up to now: configuration space, registers that are not zero, what is mapped and queued.',
    live: async ({ id }, mediator) => snapshotText(await mediator.snapshot(id)),
  },
  order('remove', 'Removes it, also from under a guest.'),
];

function guestLine(transport: VgpuInfo['transport']): string {
  switch (transport.kind) {
    case 'vfio-user':
      return `vfio-user ${transport.socket}`;
    case 'xen':
      return `xen ${transport.domid}`;
    case 'replay':
      return `replay ${transport.file}`;
  }
}

/** A number of a vGPU that always changes. */
const count = (name: string, type: string, doc: string, value: (stats: VgpuStats) => number): Row<VgpuInfo> => ({
  name: `statistics/${name}`,
  mode: RO,
  type,
  doc,
  live: async ({ id }, mediator) => `${value(await statsOf(mediator, id))}`,
});

async function statsOf(mediator: MediatorApi, id: number): Promise<VgpuStats> {
  const { vgpus } = await mediator.stats();
  const found = vgpus.find((vgpu) => vgpu.id === id);
  if (found === undefined) throw new TreeRefusal('ENODEV', `vGPU ${id} is gone`);
  return found;
}

const sum = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((a, b) => a + b, 0);

const statistics: readonly Row<VgpuInfo>[] = [
  count('traps', 'number', 'Accesses of its guest that were trapped.', ({ traps }) =>
    Object.values(traps).reduce((all, { read, write }) => all + read + write, 0),
  ),
  count('refusals', 'number', 'Actions of its guest that were refused.', ({ refusals }) => sum(refusals)),
  count('unknown_registers', 'number', 'Registers touched that have no row.', (stats) => stats.unknownRegisters),
  count('shadow_pages', 'pages', 'Memory for shadow page tables.', ({ shadowPages }) => shadowPages),
  count('interrupts', 'number', 'Interrupts injected.', ({ interrupts }) => interrupts),
  count('frames', 'number', 'Frames shown.', ({ frames }) => frames),
];

interface OnEngine {
  readonly vgpu: VgpuInfo;
  readonly engine: string;
}

const onEngine = (
  name: string,
  type: string,
  doc: string,
  value: (stats: VgpuStats, engine: string) => number,
): Row<OnEngine> => ({
  name,
  mode: RO,
  type,
  doc,
  live: async ({ vgpu, engine }, mediator) => `${value(await statsOf(mediator, vgpu.id), engine)}`,
});

const us = (seconds: number): number => Math.round(seconds * 1e6);

const engineRows: readonly Row<OnEngine>[] = [
  onEngine('busy_us', 'µs', 'Time that the engine worked for it.', (s, e) => us(s.gpuSeconds[e] ?? 0)),
  onEngine('switching_us', 'µs', 'Time that preparing, restoring and saving its contexts took.', (s, e) =>
    us(s.engineTime[e]?.switchingSeconds ?? 0),
  ),
  onEngine('waiting_us', 'µs', 'Time that its work waited for the engine.', (s, e) =>
    us(s.engineTime[e]?.waits.seconds ?? 0),
  ),
  onEngine('waits', 'number', 'Times that its work was taken up.', (s, e) => s.engineTime[e]?.waits.count ?? 0),
  onEngine('workloads', 'number', 'Contexts that it submitted, however they ended.', (s, e) =>
    sum(s.workloads[e] ?? {}),
  ),
];

/** The places of a vGPU: its names there, for every vGPU that has a place of that kind. */
const PLACES: readonly {
  readonly at: string;
  readonly doc: string;
  readonly names: (vgpu: VgpuInfo) => Member<VgpuInfo>[0] | null;
}[] = [
  { at: 'vgpus/<name>', doc: 'Every vGPU, by name.', names: ({ name }) => ({ name }) },
  {
    at: `${PARENT}/<uuid>/xengt`,
    doc: 'The same of an mdev.',
    names: ({ name }) => (isUuid(name) ? { uuid: name } : null),
  },
  {
    at: 'vm<N>/xengt',
    doc: 'The same of a numbered VM.',
    names: (vgpu) => {
      const number = vmNumber(vgpu);
      return number === null ? null : { N: `${number}` };
    },
  },
];

export const ownGroups: readonly Declared[] = [
  declare<null>({ at: 'vgpus', doc: 'The vGPUs.', members: () => ONE }),
  ...PLACES.flatMap(({ at, doc, names }) => {
    const members = (state: State): Member<VgpuInfo>[] =>
      state.vgpus.flatMap((vgpu) => {
        const found = names(vgpu);
        return found === null ? [] : [[found, vgpu] as const];
      });
    return [
      declare<VgpuInfo>({ at, doc, members, rows: [...rows, ...statistics] }),
      declare<PortOf>({
        at: `${at}/ports/<port>`,
        doc: 'A port, and the monitor that is plugged into it.',
        members: (state) =>
          members(state).flatMap(([found, vgpu]) =>
            vgpu.ports.map(
              (port) =>
                [
                  { ...found, port: port.port },
                  { vgpu, port },
                ] as const,
            ),
          ),
        rows: portRows,
      }),
      declare<OnEngine>({
        at: `${at}/statistics/<engine>`,
        doc: 'What it used of an engine.',
        members: (state) =>
          members(state).flatMap(([found, vgpu]) =>
            state.engines.map(
              (engine) =>
                [
                  { ...found, engine },
                  { vgpu, engine },
                ] as const,
            ),
          ),
        rows: engineRows,
      }),
    ];
  }),
];
