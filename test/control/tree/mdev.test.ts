import { beforeEach, describe, expect, test } from 'vitest';
import { OTHER, PARENT, type TreeRig, TYPE, treeRig, UUID } from './rig.js';

let rig: TreeRig;
beforeEach(async () => {
  rig = await treeRig();
});

describe('types', () => {
  test('have the names and formats of GVT-g', async () => {
    expect(await rig.ls(`${PARENT}/mdev_supported_types`)).toEqual(['i915-GVTg_V5_4', 'i915-GVTg_V5_8']);
    expect(await rig.ls(TYPE)).toEqual([
      'available_instances',
      'create',
      'description',
      'device_api',
      'devices',
      'name',
    ]);
    expect(await rig.cat(`${TYPE}/name`)).toBe('GVTg_V5_4\n');
    expect(await rig.cat(`${TYPE}/device_api`)).toBe('vfio-pci\n');
    expect(await rig.cat(`${TYPE}/available_instances`)).toBe('5\n');
    expect(await rig.cat(`${TYPE}/description`)).toBe(
      'low_gm_size: 128MB\nhigh_gm_size: 512MB\nfence: 4\nresolution: 1920x1200\nweight: 4\n',
    );
  });
});

describe('create', () => {
  test('makes a vGPU of that type which the mediator knows by its UUID', async () => {
    expect(await rig.echo(UUID, `${TYPE}/create`)).toBe('');
    expect(rig.mediator.specs).toEqual([
      { name: UUID, type: 'V5_4', transport: { kind: 'vfio-user', socket: `/run/guests/${UUID}.sock` } },
    ]);
    expect(await rig.ls(`${TYPE}/devices`)).toEqual([UUID]);
    expect(await rig.ls('bus/mdev/devices')).toEqual([UUID]);
    expect(await rig.ls(`${PARENT}/${UUID}`)).toEqual(['intel_vgpu', 'mdev_type', 'remove', 'xengt']);
    expect(await rig.cat(`${PARENT}/${UUID}/intel_vgpu/vgpu_id`)).toBe('1\n');
    expect(await rig.tree.at(`${PARENT}/${UUID}/mdev_type`)).toEqual({
      kind: 'link',
      target: '../mdev_supported_types/i915-GVTg_V5_4',
    });
  });

  test('takes a UUID in capitals, and shows it in small letters', async () => {
    expect(await rig.echo(UUID.toUpperCase(), `${TYPE}/create`)).toBe('');
    expect(await rig.ls('bus/mdev/devices')).toEqual([UUID]);
  });

  test.each(['', 'x', UUID.slice(1), `${UUID}0`, `${UUID} `, UUID.replace('9', 'g')])('refuses "%s"', async (text) => {
    expect(await rig.echo(text, `${TYPE}/create`)).toBe('EINVAL');
    expect(rig.mediator.specs).toEqual([]);
  });

  test('refuses a UUID that is taken', async () => {
    await rig.echo(UUID, `${TYPE}/create`);
    expect(await rig.echo(UUID, `${TYPE}/create`)).toBe('EEXIST');
    expect(await rig.cat('xengt/last_refusal')).toBe(`EEXIST /${TYPE}/create: An mdev ${UUID} exists\n`);
  });

  test('says who holds the device when there is no room', async () => {
    const types = await rig.mediator.types();
    rig.mediator.types = async () => types.map((type) => ({ ...type, availableInstances: 0 }));
    expect(await rig.echo(UUID, `${TYPE}/create`)).toBe('ENOSPC');
    expect(await rig.cat('xengt/last_refusal')).toMatch(/^ENOSPC .*: No room for another V5_4; held by host 128/);
  });
});

describe('remove', () => {
  beforeEach(async () => {
    await rig.echo(UUID, `${TYPE}/create`);
  });

  test('takes the mdev away, and only it', async () => {
    await rig.echo(OTHER, `${TYPE}/create`);
    expect(await rig.echo('0', `${PARENT}/${UUID}/remove`)).toBe('');
    expect(await rig.ls('bus/mdev/devices')).toEqual([UUID, OTHER]);
    expect(await rig.echo('1', `${PARENT}/${UUID}/remove`)).toBe('');
    expect(await rig.ls('bus/mdev/devices')).toEqual([OTHER]);
    expect(await rig.echo('1', `${PARENT}/${UUID}/remove`)).toBe('ENOENT');
  });

  test('is refused while a guest uses it', async () => {
    const infos = await rig.mediator.vgpus();
    rig.mediator.vgpus = async () => infos.map((info) => ({ ...info, state: 'attached' }));
    expect(await rig.echo('1', `${PARENT}/${UUID}/remove`)).toBe('EBUSY');
  });

  test.each(['yes', '-1', '1 2', ''])('refuses "%s"', async (text) => {
    expect(await rig.echo(text, `${PARENT}/${UUID}/remove`)).toBe('EINVAL');
  });
});

test('attributes for reading can not be written, and the other way round', async () => {
  expect(await rig.echo('x', `${TYPE}/name`)).toBe('EACCES');
  await expect(rig.cat(`${TYPE}/create`)).rejects.toMatchObject({ errno: 'EACCES' });
  await expect(rig.cat(TYPE)).rejects.toMatchObject({ errno: 'EISDIR' });
  await expect(rig.cat(`${TYPE}/nothing`)).rejects.toMatchObject({ errno: 'ENOENT' });
});

test('a vGPU that was made elsewhere is there at once, and gone at once', async () => {
  const { id } = await rig.mediator.createVgpu({
    name: UUID,
    type: 'V5_8',
    transport: { kind: 'vfio-user', socket: '/a' },
  });
  expect(await rig.ls(`${PARENT}/mdev_supported_types/i915-GVTg_V5_8/devices`)).toEqual([UUID]);
  await rig.mediator.removeVgpu(id);
  expect(await rig.ls('bus/mdev/devices')).toEqual([]);
});
