import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { checkOutside, noteMount, outsideMounts } from '../../src/control/own-mount.js';
import { FakeMediator } from './fake-mediator.js';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'xengt-own-')));
const tree = join(folder, 'tree');
mkdirSync(tree);
symlinkSync(tree, join(folder, 'link'));
symlinkSync('link/deeper', join(folder, 'far'));
symlinkSync('loop', join(folder, 'loop'));
const forget = noteMount(tree);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each(['tree', 'tree/a.sock', 'tree/not/there', 'link/a.sock', 'far/a.sock', 'tree/../tree/a.sock', './tree//a'])(
  'a path into a tree that the daemon has mounted itself is refused, by whatever way it leads there: %s',
  (path) => {
    expect(() => checkOutside('socket', `${folder}/${path}`)).toThrow(
      `socket: ${folder}/${path} is in ${tree}, where the tree is mounted; choose another folder`,
    );
  },
);

test.each(['a.sock', 'tree.sockets/a.sock', 'treehouse', 'tree/../a.sock', 'loop/a.sock', 'not/there/at/all'])(
  'another path is not: %s',
  (path) => {
    expect(() => checkOutside('socket', `${folder}/${path}`)).not.toThrow();
  },
);

test('a vGPU whose socket or journal would be in the tree is not made', async () => {
  const mediator = new FakeMediator();
  const guarded = outsideMounts(mediator);
  const inside = join(tree, 'x');
  const socket = join(folder, 'desk.sock');
  const guest = { kind: 'vfio-user', socket } as const;
  await expect(guarded.createVgpu({ name: 'a', transport: { ...guest, socket: inside } })).rejects.toThrow('socket: ');
  await expect(guarded.createVgpu({ name: 'b', transport: guest, record: inside })).rejects.toThrow('record: ');
  const replay = { kind: 'replay', file: inside, loop: true } as const;
  await expect(guarded.createVgpu({ name: 'c', transport: replay })).rejects.toThrow('file: ');
  expect(mediator.specs).toEqual([]);
  await guarded.createVgpu({ name: 'd', type: 'V5_8', transport: guest });
  expect((await guarded.vgpus()).map(({ name }) => name)).toEqual(['d']);
});

test('once it is unmounted, the folder is like any other', () => {
  forget();
  expect(() => checkOutside('socket', join(tree, 'a.sock'))).not.toThrow();
});
