/**
 * The layout of mediated devices, as the kernel's mdev core and GVT-g have it below /sys: types with what is left of each,
 * creation by writing a UUID, and a folder per device.
 * Source: Linux Documentation/driver-api/vfio-mediated-device.rst; public i915 gvt/kvmgt.c and gvt/vgpu.c (names, formats);
 * drivers/vfio/mdev/mdev_sysfs.c (what is EINVAL).
 */
import type { TypeInfo, VgpuInfo } from '../../mediator/api.js';
import { type Declared, declare, type Member, ONE, RO, WO, wholeOf } from './declare.js';
import { TreeRefusal } from './errno.js';
import { PARENT } from './own.js';
import { isUuid, type State, type Surroundings } from './state.js';

/** Name of a type below `mdev_supported_types`: the driver's, and GVT-g's own. */
const mdevType = (name: string): string => `i915-GVTg_${name}`;

/** Where the guest of a vGPU that was made through the tree is met. */
export function socketOf({ sockets }: Surroundings, name: string): string {
  return `${sockets}/${name}.sock`;
}

const mdevs = (state: State): VgpuInfo[] => state.vgpus.filter(({ name }) => isUuid(name));

function create(type: TypeInfo, text: string, state: State) {
  const uuid = text.toLowerCase();
  if (!isUuid(uuid))
    throw new TreeRefusal('EINVAL', `"${text}" is no UUID such as 12345678-9abc-4def-8123-456789abcdef`);
  if (state.vgpus.some(({ name }) => name === uuid)) throw new TreeRefusal('EEXIST', `An mdev ${uuid} exists`);
  if (type.availableInstances < 1) {
    throw new TreeRefusal('ENOSPC', `No room for another ${type.name}; ${heldBy(state)}`);
  }
  const transport = { kind: 'vfio-user', socket: socketOf(state, uuid) } as const;
  return [{ kind: 'create', spec: { name: uuid, type: type.name, transport } }] as const;
}

/** Who has what, for refusals. */
export function heldBy({ resources }: State): string {
  const parts = resources.held.map(
    ({ holder, lowMiB, highMiB, fences }) => `${holder} ${lowMiB} + ${highMiB} MiB and ${fences} fences`,
  );
  return `held by ${parts.join(', ')}`;
}

export const mdevGroups: readonly Declared[] = [
  declare<TypeInfo>({
    at: `${PARENT}/mdev_supported_types/<type>`,
    doc: 'The types that GVT-g has for this device, by the names that it gives them.',
    members: (state) => state.types.map((type): Member<TypeInfo> => [{ type: mdevType(type.name) }, type]),
    rows: [
      { name: 'name', mode: RO, type: 'text', doc: 'Short name.', read: ({ name }) => `GVTg_${name}` },
      {
        name: 'description',
        mode: RO,
        type: 'lines',
        doc: 'Sizes of graphics memory, fences, largest mode and weight.',
        read: ({ lowMiB, highMiB, fences, resolution, weight }) =>
          `low_gm_size: ${lowMiB}MB\nhigh_gm_size: ${highMiB}MB\nfence: ${fences}\nresolution: ${resolution}\nweight: ${weight}\n`,
      },
      { name: 'device_api', mode: RO, type: '`vfio-pci`', doc: 'What a VMM sees.', read: () => 'vfio-pci' },
      {
        name: 'available_instances',
        mode: RO,
        type: 'number',
        doc: 'How many more of it fit now.',
        read: ({ availableInstances }) => `${availableInstances}`,
      },
      {
        name: 'create',
        mode: WO,
        type: 'UUID',
        doc: 'Makes an mdev of that name. EINVAL: no UUID. EEXIST: there is one. ENOSPC: no room.',
        write: create,
      },
    ],
  }),
  declare<null>({
    at: `${PARENT}/mdev_supported_types/<type>/devices`,
    doc: 'The mdevs of that type.',
    members: (state) => state.types.map(({ name }): Member<null> => [{ type: mdevType(name) }, null]),
  }),
  declare<VgpuInfo>({
    at: `${PARENT}/mdev_supported_types/<type>/devices`,
    doc: 'The mdevs of that type.',
    members: (state) =>
      mdevs(state)
        .filter(({ type }) => type !== 'custom')
        .map((vgpu) => [{ type: mdevType(vgpu.type), uuid: vgpu.name }, vgpu]),
    links: [{ name: '<uuid>', doc: 'The mdev.', target: ({ name }) => `../../../${name}` }],
  }),
  declare<VgpuInfo>({
    at: `${PARENT}/<uuid>`,
    doc: 'An mdev: a vGPU whose name is a UUID.',
    members: (state) => mdevs(state).map((vgpu) => [{ uuid: vgpu.name }, vgpu]),
    rows: [
      {
        name: 'remove',
        mode: WO,
        type: 'number; 0 does nothing',
        doc: 'Removes it. EBUSY while a guest uses it, as with GVT-g.',
        write: (vgpu, text) => {
          if (wholeOf(text, 'remove', 0, 2 ** 31 - 1) === 0) return [];
          if (vgpu.state !== 'waiting') throw new TreeRefusal('EBUSY', `A guest uses ${vgpu.name}`);
          return [{ kind: 'remove', vgpu }];
        },
      },
      {
        name: 'intel_vgpu/vgpu_id',
        mode: RO,
        type: 'number',
        doc: "The vGPU's id.",
        read: ({ id }) => `${id}`,
      },
    ],
  }),
  declare<VgpuInfo>({
    at: `${PARENT}/<uuid>`,
    doc: 'An mdev that has one of the types.',
    members: (state) =>
      mdevs(state)
        .filter(({ type }) => type !== 'custom')
        .map((vgpu) => [{ uuid: vgpu.name }, vgpu]),
    links: [
      {
        name: 'mdev_type',
        doc: 'Its type.',
        target: ({ type }) => `../mdev_supported_types/${mdevType(type)}`,
      },
    ],
  }),
  declare<null>({
    at: 'bus/mdev/devices',
    doc: 'All mdevs, where a bus has its devices.',
    members: () => ONE,
  }),
  declare<VgpuInfo>({
    at: 'bus/mdev/devices',
    doc: 'All mdevs, where a bus has its devices.',
    members: (state) => mdevs(state).map((vgpu) => [{ uuid: vgpu.name }, vgpu]),
    links: [{ name: '<uuid>', doc: 'The mdev.', target: ({ name }) => `../../../${PARENT}/${name}` }],
  }),
];
