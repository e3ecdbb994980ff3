/**
 * The layout of XenGT: instances made by number, and a folder per VM. What has no mechanism behind it here is not there, or can
 * be read only, with what is true.
 * Source: public XenGT 4.0 drivers/gpu/drm/i915/vgt/sysfs.c and its API document (names, modes, formats, error numbers).
 */
import { EDID_BYTES, edidFromHex, OUTPUT_PORTS, type OutputPort } from '../../hw/index.js';
import type { VgpuInfo, VgpuSpec } from '../../mediator/api.js';
import { NO_CAP } from '../../scheduler/index.js';
import {
  type Declared,
  declare,
  GROUP_RO,
  GROUP_RW,
  GROUP_WO,
  type Member,
  ONE,
  oneOf,
  RO,
  wholeOf,
} from './declare.js';
import { TreeRefusal } from './errno.js';
import { heldBy, socketOf } from './mdev.js';
import { PORT_TYPES, type SlotOf, slotShown } from './slots.js';
import { type State, vgpuOfVm, vmNumber } from './state.js';

const MOST_TOKEN = 63;
const MOST_VM = 0x7fef;
const FORM = 'DOMID,LOW_MB,HIGH_MB,FENCES[,PRIMARY[,CAP]] makes one, -DOMID removes one';

function createOrDestroy(text: string, state: State) {
  const [token = ''] = text.trim().split(/\s+/);
  const numbers = token.split(',').map((part) => (/^[+-]?\d{1,9}$/.test(part) ? Number(part) : Number.NaN));
  if (token.length > MOST_TOKEN || numbers.some(Number.isNaN)) throw wrong(text);
  const [vm = 0] = numbers;
  if (numbers.length === 1 && vm < 0) return destroy(-vm, state);
  if (numbers.length < 4 || numbers.length > 6) throw wrong(text);
  return create(numbers, state);
}

const wrong = (text: string, why = ''): TreeRefusal => new TreeRefusal('EINVAL', `"${text}": ${why}${FORM}`);

function destroy(vm: number, state: State) {
  const vgpu = vgpuOfVm(state, vm);
  if (vgpu === undefined) throw new TreeRefusal('ENODEV', `VM ${vm} has no vGPU`);
  return [{ kind: 'remove', vgpu }] as const;
}

function create(numbers: readonly number[], state: State) {
  const [vm = 0, lowMiB = 0, highMiB = 0, fences = 0, primary = -1, cap = 0] = numbers;
  const text = numbers.join(',');
  if (vm < 1 || vm > MOST_VM) throw wrong(text, `the VM is to be 1 to ${MOST_VM}; `);
  if (lowMiB <= 0 || highMiB <= 0 || fences <= 0) throw wrong(text, 'sizes and fences are to be above 0; ');
  if (primary < -1 || primary > 1) throw wrong(text, 'PRIMARY is to be -1, 0 or 1; ');
  if (cap < 0 || cap > 100) throw wrong(text, 'CAP is to be 0 to 100; ');
  if (vgpuOfVm(state, vm) !== undefined) throw wrong(text, `VM ${vm} has a vGPU; `);
  const { apertureMiB, ggttMiB, fences: all } = state.resources;
  if (lowMiB > apertureMiB || highMiB > ggttMiB - apertureMiB || fences > all) {
    throw new TreeRefusal('ENOSPC', `The device has less than "${text}" in all; ${heldBy(state)}`);
  }
  const name = `vm${vm}`;
  const spec: VgpuSpec = {
    name,
    lowMiB,
    highMiB,
    fences,
    cap: cap === 0 ? NO_CAP : cap,
    transport: state.xen ? { kind: 'xen', domid: vm } : { kind: 'vfio-user', socket: socketOf(state, name) },
  };
  return [{ kind: 'create', spec }] as const;
}

function setForeground(text: string, state: State) {
  const vm = wholeOf(text, 'foreground_vm', 0, MOST_VM);
  if (vm === state.foreground) return [];
  if (vm !== 0) {
    const vgpu = vgpuOfVm(state, vm);
    if (vgpu === undefined) throw new TreeRefusal('ENODEV', `VM ${vm} has no vGPU`);
    if (vgpu.mode === null) throw new TreeRefusal('EAGAIN', `VM ${vm} shows nothing yet`);
  }
  return [{ kind: 'foreground', vm }] as const;
}

/** The resources as XenGT lists them: totals and rests in MiB, then a bit a MiB of graphics memory and a bit a fence. */
function availableResource({ resources }: State): string {
  const { apertureMiB, ggttMiB, fences, held } = resources;
  const memory = new Uint8Array(ggttMiB);
  const registers = new Uint8Array(fences);
  for (const { lowStartMiB, lowMiB, highStartMiB, highMiB, fenceStart, fences: count } of held) {
    memory.fill(1, lowStartMiB, lowStartMiB + lowMiB);
    memory.fill(1, highStartMiB, highStartMiB + highMiB);
    registers.fill(1, fenceStart, fenceStart + count);
  }
  const free = (bits: Uint8Array) => bits.reduce((sum, bit) => sum + 1 - bit, 0);
  const line = [
    apertureMiB,
    free(memory.subarray(0, apertureMiB)),
    ggttMiB - apertureMiB,
    free(memory.subarray(apertureMiB)),
    fences,
    free(registers),
  ].map((value) => `0x${value.toString(16).padStart(8, '0')}`);
  return `${line.join(', ')}\n${bitmap(memory)}\n${bitmap(registers)}\n`;
}

/** As the kernel prints bitmaps: hex, the highest bit first, a comma after each 32 bits. */
export function bitmap(bits: Uint8Array): string {
  const words: string[] = [];
  for (let at = 0; at < bits.length; at += 32) {
    const part = bits.subarray(at, at + 32);
    const value = part.reduceRight((sum, bit) => sum * 2 + bit, 0);
    words.unshift(value.toString(16).padStart(Math.ceil(part.length / 4), '0'));
  }
  return words.join(',');
}

const vms = (state: State): Member<VgpuInfo>[] =>
  state.vgpus.flatMap((vgpu) => {
    const number = vmNumber(vgpu);
    return number === null ? [] : [[{ N: `${number}` }, vgpu] as const];
  });

function hexEdid(text: string): Uint8Array {
  const bytes = text.length === 2 * EDID_BYTES ? edidFromHex(text) : null;
  if (bytes !== null) return bytes;
  throw new TreeRefusal('EINVAL', `edid_text: ${text.length} characters; it has exactly ${2 * EDID_BYTES} hex digits`);
}

function portOf(text: string): OutputPort {
  const name = oneOf(text, 'port_override', ['PORT_B', 'PORT_C', 'PORT_D']);
  return name === 'PORT_B' ? 'B' : name === 'PORT_C' ? 'C' : 'D';
}

const pipeName = (pipe: string | null): string => (pipe === null ? '' : `PIPE_${pipe}`);

const hex16 = (value: number): string => value.toString(16).padStart(16, '0');
const MIB = 2 ** 20;

export const xengtGroups: readonly Declared[] = [
  declare<null>({
    at: 'control',
    doc: 'The device as a whole.',
    members: () => ONE,
    rows: [
      {
        name: 'create_vgt_instance',
        mode: GROUP_WO,
        type: '`DOMID,LOW_MB,HIGH_MB,FENCES[,PRIMARY[,CAP]]` or `-DOMID`',
        doc:
          'Makes or removes the vGPU of a VM: on a Xen host of that domain, else of any VM, met at `guest`. EINVAL: not of that ' +
          'form, or the VM has one. ENOSPC: no room. ENODEV: the VM to be removed has none. PRIMARY has no meaning here.',
        write: (_none, text, state) => createOrDestroy(text, state),
      },
      {
        name: 'display_owner',
        mode: GROUP_RW,
        type: 'number',
        doc: 'Who drives the real display: always 0, the host. Other numbers are taken and change nothing.',
        read: () => '0',
        write: (_none, text) => {
          wholeOf(text, 'display_owner', -(2 ** 31), 2 ** 31 - 1);
          return [];
        },
      },
      {
        name: 'foreground_vm',
        mode: GROUP_RW,
        type: 'number',
        doc:
          'The VM whose screen is shown as the foreground; 0: none. ENODEV: no vGPU has that number. EAGAIN: its guest shows ' +
          'nothing yet.',
        read: (_none, { foreground }) => `${foreground}`,
        write: (_none, text, state) => setForeground(text, state),
      },
      {
        name: 'ctx_switch',
        mode: GROUP_RO,
        type: '`VGT context switch: enabled`',
        doc: 'The engines always go from vGPU to vGPU.',
        read: () => 'VGT context switch: enabled',
      },
      {
        name: 'validate_ctx_switch',
        mode: GROUP_RO,
        type: '`VGT check mmio restore: disabled`',
        doc: 'Restored registers are not read back.',
        read: () => 'VGT check mmio restore: disabled',
      },
      {
        name: 'available_resource',
        mode: GROUP_RO,
        type: 'three lines',
        doc:
          'In MiB: aperture in all and free, hidden memory in all and free, fences in all and free; a bit for each MiB of ' +
          'graphics memory that is taken; a bit for each fence that is taken.',
        read: (_none, state) => availableResource(state),
      },
    ],
  }),
  declare<VgpuInfo>({
    at: 'vm<N>',
    doc: 'The vGPU of a numbered VM: of a domain, or made through `create_vgt_instance`.',
    members: vms,
    rows: [
      { name: 'vgt_id', mode: RO, type: 'hex', doc: "The vGPU's id.", read: ({ id }) => id.toString(16) },
      {
        name: 'gm_sz',
        mode: RO,
        type: 'hex, 16 digits',
        doc: 'Bytes of graphics memory, aperture and hidden.',
        read: ({ lowMiB, highMiB }) => hex16((lowMiB + highMiB) * MIB),
      },
      {
        name: 'aperture_sz',
        mode: RO,
        type: 'hex, 16 digits',
        doc: 'Bytes of aperture.',
        read: ({ lowMiB }) => hex16(lowMiB * MIB),
      },
    ],
  }),
  declare<SlotOf>({
    at: 'vm<N>/PORT_<x>',
    doc: 'A port that a monitor is plugged into. What is written is kept, and read back; `connection` applies it.',
    members: (state) =>
      vms(state).flatMap(([names, vgpu]) =>
        OUTPUT_PORTS.map(
          (x) =>
            [
              { ...names, x },
              { vgpu, x },
            ] as const,
        ),
      ),
    rows: [
      {
        name: 'edid',
        mode: GROUP_RW,
        type: '128 bytes',
        doc:
          'What the monitor says of itself. Written at offsets that are multiples of 4; with the last byte it is complete. EINVAL: the ' +
          'header or the checksum is wrong. EFBIG: more than 128 bytes. Extensions are taken off.',
        bytes: true,
        read: (at, { slots }) => slotShown(slots, at).edid,
        writeBytes: (vm, edid, offset) => [{ kind: 'slot', vm, edid, offset }],
      },
      {
        name: 'edid_text',
        mode: GROUP_WO,
        type: '256 hex digits',
        doc: 'The same in hex, at once.',
        write: (vm, text) => [{ kind: 'slot', vm, edid: hexEdid(text), offset: 0 }],
      },
      {
        name: 'type',
        mode: GROUP_RW,
        type: `reads a name; its number is written: ${PORT_TYPES.map((name, number) => `${number} \`${name}\``).join(', ')}`,
        doc: 'Kind of the port. EINVAL: there is no such output, or it is another port than that of `port_override`.',
        read: (at, { slots }) => slotShown(slots, at).type,
        write: (vm, text) => [{ kind: 'slot', vm, type: wholeOf(text, 'type', 0, PORT_TYPES.length - 1) }],
      },
      {
        name: 'port_override',
        mode: GROUP_RW,
        type: OUTPUT_PORTS.map((port) => `\`PORT_${port}\``).join(', '),
        doc: 'The port on which the guest sees the monitor. EBUSY: another monitor is there.',
        read: (at, { slots }) => `PORT_${slotShown(slots, at).override}`,
        write: (vm, text) => [{ kind: 'slot', vm, wish: { port: portOf(text) } }],
      },
      {
        name: 'pipe',
        mode: GROUP_RO,
        type: '`PIPE_A`, `PIPE_B` or `PIPE_C`',
        doc: 'The pipe that the guest shows on it; empty when none.',
        read: (at, { slots }) => pipeName(slotShown(slots, at).pipe),
      },
      {
        name: 'connection',
        mode: GROUP_RW,
        type: 'reads `connected` or `disconnected`; `connect`, `disconnect` or `flush` is written',
        doc:
          'Plugs or unplugs the monitor, or leaves it as it is, with all that was written before: the guest gets a hotplug ' +
          'interrupt. EBUSY: the port shows another monitor, or the guest is being recorded.',
        read: (at, { slots }) => (slotShown(slots, at).connected ? 'connected' : 'disconnected'),
        write: (vm, text) => {
          const wish = oneOf(text, 'connection', ['connect', 'disconnect', 'flush']);
          return [{ kind: 'slot', vm, connected: wish === 'flush' ? null : wish === 'connect' }];
        },
      },
    ],
  }),
];
