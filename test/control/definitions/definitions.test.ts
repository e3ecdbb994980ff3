import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Definitions } from '../../../src/control/definitions/index.js';
import { bodyOf, specOf } from '../../../src/control/vgpu-spec.js';
import { processMark } from '../../../src/control/xen/index.js';
import type { VgpuSpec } from '../../../src/mediator/api.js';
import { FakeMediator } from '../fake-mediator.js';
import { scratch } from '../rig.js';

const spec = (name: string, change: Partial<VgpuSpec> = {}): VgpuSpec => ({
  name,
  type: 'V5_8',
  transport: { kind: 'vfio-user', socket: `/run/${name}.sock` },
  ...change,
});

let files: ReturnType<typeof scratch>;
let folder: string;
beforeEach(() => {
  files = scratch();
  folder = files.path('definitions');
});
afterEach(() => files.drop());
const names = (definitions: Definitions) => definitions.known().definitions.map(({ name }) => name);
const put = (name: string, text: string) => writeFileSync(join(folder, `${name}.json`), text);

describe('a definition', () => {
  test('outlives the process that made it', async () => {
    await new Definitions(folder).define(spec('desk', { weight: 7 }), true, null);
    const later = new Definitions(folder);
    expect(later.get('desk')).toMatchObject({ name: 'desk', autostart: true });
    expect(later.spec('desk')).toEqual(spec('desk', { weight: 7 }));
  });

  test('of a vGPU makes one that is the same, whatever that is', async () => {
    const mediator = new FakeMediator();
    const ports = [{ port: 'B', type: 'HDMI', connected: true }] as const;
    const specs = [
      { name: 'own', lowMiB: 100, highMiB: 200, fences: 3, transport: spec('own').transport },
      spec('many', { ports, cap: 50, priority: 3, scanProcesses: 'all', vm: 'win' }),
      spec('dom', { transport: { kind: 'xen', domid: 7 } }),
      spec('old', { transport: { kind: 'replay', file: '/a.xj', loop: true } }),
    ];
    const definitions = new Definitions(folder);
    for (const one of specs) {
      const info = await mediator.createVgpu(one);
      await definitions.define(specOf(info), false, null);
      await mediator.removeVgpu(info.id);
      const again = await mediator.createVgpu(new Definitions(folder).spec(one.name));
      expect({ ...again, id: info.id }).toEqual(info);
      expect(bodyOf(specOf(again))).toEqual(definitions.get(one.name).vgpu);
    }
  });

  test('is not made twice, and is replaced only by who has seen it as it is', async () => {
    const definitions = new Definitions(folder);
    const first = await definitions.define(spec('desk'), false, null);
    await expect(definitions.define(spec('desk', { weight: 9 }), false, null)).rejects.toThrow(/"desk" exists$/);
    const second = await definitions.define(spec('desk', { weight: 9 }), false, first.etag);
    await expect(definitions.define(spec('desk', { weight: 11 }), false, first.etag)).rejects.toThrow(
      `The definition "desk" is not what was seen (${first.etag}): it is ${second.etag} now`,
    );
    expect(definitions.spec('desk').weight).toBe(9);
    await definitions.undefine('desk');
    await expect(definitions.define(spec('desk'), false, second.etag)).rejects.toThrow(/it is gone$/);
  });

  test('that is not there is refused with those that are', async () => {
    const definitions = new Definitions(folder);
    expect(() => definitions.get('desk')).toThrow('No definition "desk"; there are none');
    await definitions.define(spec('other'), false, null);
    await expect(definitions.undefine('desk')).rejects.toThrow('No definition "desk"; there is: other');
    await expect(definitions.setAutostart('desk', true)).rejects.toThrow(/No definition/);
  });
});

describe('several processes', () => {
  test('see what each other does', async () => {
    const [one, other] = [new Definitions(folder), new Definitions(folder)];
    await one.define(spec('a'), false, null);
    expect(names(other)).toEqual(['a']);
    await other.setAutostart('a', true);
    expect(one.get('a').autostart).toBe(true);
    await one.undefine('a');
    expect(names(other)).toEqual([]);
  });

  test('write at the same time, and of two for one name one is refused', async () => {
    const writers = Array.from({ length: 8 }, () => new Definitions(folder));
    const done = await Promise.allSettled(
      writers.flatMap((one, i) => [
        one.define(spec(`own${i}`), false, null),
        one.define(spec('both', { weight: i + 1 }), false, null),
      ]),
    );
    expect(done.filter(({ status }) => status === 'fulfilled').length).toBe(9);
    expect(names(new Definitions(folder))).toEqual(['both', ...Array.from({ length: 8 }, (_, i) => `own${i}`)]);
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  test('wait for one that writes, and say which when it does not end', async () => {
    const definitions = new Definitions(folder);
    symlinkSync(processMark(process.ppid), join(folder, '.lock'));
    await expect(definitions.define(spec('a'), false, null)).rejects.toThrow(
      `Definitions in ${folder} are being written by process ${process.ppid}`,
    );
    expect(names(definitions)).toEqual([]);
  });

  test('are not held up by one that died while it wrote', async () => {
    const definitions = new Definitions(folder);
    await definitions.define(spec('a'), false, null);
    symlinkSync('4194304 1', join(folder, '.lock'));
    writeFileSync(join(folder, '.new-a'), '{"format": 1, "vgpu"');
    expect(names(definitions)).toEqual(['a']);
    await definitions.define(spec('b'), false, null);
    expect(names(definitions)).toEqual(['a', 'b']);
    expect(readdirSync(folder).sort()).toEqual(['a.json', 'b.json']);
  });
});

describe('a file that is no definition', () => {
  test.each([
    ['half a file', '{"format": 1, "autost', /^it is no JSON/],
    ['nothing', '', /^it is no JSON/],
    [
      'another format',
      '{"format": 2, "autostart": true, "vgpu": {}}',
      /^it has not the keys format \(1\), autostart and vgpu$/,
    ],
    [
      'one of another name',
      JSON.stringify({ format: 1, autostart: true, vgpu: bodyOf(spec('b')) }),
      /^it is about "b"$/,
    ],
    [
      'a vGPU that can not be',
      JSON.stringify({ format: 1, autostart: true, vgpu: { ...bodyOf(spec('bad')), weight: 0 } }),
      /^weight: 0 is not allowed; allowed: a whole number from 1 to 255$/,
    ],
  ])('%s is told, left as it is, and keeps nobody from the others', async (_what, text, reason) => {
    const definitions = new Definitions(folder);
    await definitions.define(spec('good'), true, null);
    put('bad', text);
    const { damaged } = definitions.known();
    expect(damaged).toMatchObject([{ name: 'bad', file: join(folder, 'bad.json') }]);
    expect(damaged[0]?.reason).toMatch(reason);
    expect(() => definitions.get('bad')).toThrow(/bad\.json is damaged: /);
    await expect(definitions.define(spec('bad'), false, null)).rejects.toThrow(
      /exists, and is damaged; undefine it first$/,
    );
    const mediator = new FakeMediator();
    const complaints: string[] = [];
    await definitions.startAll(mediator, { info: () => {}, error: (line) => complaints.push(line) });
    expect((await mediator.vgpus()).map(({ name }) => name)).toEqual(['good']);
    expect(complaints.length).toBe(1);
    expect(readFileSync(join(folder, 'bad.json'), 'utf8')).toBe(text);
    await definitions.undefine('bad');
    expect(definitions.known().damaged).toEqual([]);
  });
});

describe('the start of the daemon', () => {
  test('makes what is to be made, once, and goes on where one can not be', async () => {
    const definitions = new Definitions(folder);
    await definitions.define(spec('a'), true, null);
    await definitions.define(spec('b'), false, null);
    await definitions.define(spec('big', { type: 'V5_1' }), true, null);
    await definitions.define(spec('there'), true, null);
    const mediator = new FakeMediator();
    await mediator.createVgpu(spec('there'));
    const lines: string[] = [];
    const complaints: string[] = [];
    await definitions.startAll(mediator, { info: (line) => lines.push(line), error: (line) => complaints.push(line) });
    expect((await mediator.vgpus()).map(({ name }) => name)).toEqual(['there', 'a']);
    expect(lines).toEqual(['vGPU 2 "a": V5_8, as defined']);
    expect(complaints).toEqual([
      'vGPU "big" is defined and can not be made: Low graphics memory: 512 MiB wanted, 384 MiB free',
    ]);
  });
});

test('where a file can not be put in place, it is told, and nothing is left of it', async () => {
  const definitions = new Definitions(folder);
  const a = await definitions.define(spec('a'), false, null);
  await definitions.define(spec('b'), false, null);
  // A folder that is not empty: nothing can be renamed over it, by root neither.
  rmSync(join(folder, 'b.json'));
  mkdirSync(join(folder, 'b.json', 'full'), { recursive: true });
  await expect(definitions.define(spec('b'), false, null)).rejects.toThrow(/exists, and is damaged/);
  expect(() => definitions.get('b')).toThrow(/EISDIR/);
  expect(definitions.get('a')).toEqual(a);
  await definitions.undefine('b');
  expect(readdirSync(folder)).toEqual(['a.json']);
});
