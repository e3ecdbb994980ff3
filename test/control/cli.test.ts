import { existsSync, readFileSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { join, resolve } from 'node:path';
import { PNG } from 'pngjs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { packageInfo } from '../../src/control/package-info.js';
import { FakeMediator } from './fake-mediator.js';
import { ask, type Rig, type RunOptions, scratch, startRig, xengt } from './rig.js';

let rig: Rig;
let files: ReturnType<typeof scratch>;
beforeEach(async () => {
  files = scratch();
  rig = await startRig();
});
afterEach(async () => {
  await rig.stop();
  files.drop();
});

/** Runs a command against the rig's daemon. */
const at = (args: string, options: RunOptions = {}) => xengt(['--api', rig.socket, ...args.split(' ')], options);

const lines = (out: string) => out.trimEnd().split('\n');

describe('xengt vgpu', () => {
  test('create, list, show and remove, for people', async () => {
    const created = await at('vgpu create desk --type V5_8 --socket /run/desk.sock --weight 4 --vm win --no-monitor');
    expect(created).toMatchObject({ code: 0, err: '' });
    expect(created.out).toBe('vGPU 1 "desk" created: V5_8, 64+384 MiB, 4 fences, vfio-user /run/desk.sock\n');
    expect(rig.mediator.specs[0]).toMatchObject({ weight: 4, vm: 'win', monitor: false });
    await at('vgpu create old --replay /j/old.xj --loop --scan-processes all');
    expect(rig.mediator.specs[1]).toMatchObject({ scanProcesses: 'all' });

    expect(lines((await at('vgpu list')).out)).toEqual([
      'ID  NAME  VM   TYPE  WEIGHT  STATE     MODE    GUEST',
      ' 1  desk  win  V5_8       4  waiting   -       /run/desk.sock',
      ' 2  old   old  V5_8       2  attached  4x2@60  /j/old.xj',
    ]);
    const { out } = await at('vgpu show 1 --registers');
    expect(out).toMatch(/^name +desk$/m);
    expect(out).toMatch(/^monitor +disconnected$/m);
    expect(out).toMatch(/^0x04400 +- +1 +2$/m);

    expect((await at('vgpu monitor desk connect')).out).toBe('vGPU 1 "desk": monitor connected\n');
    expect(out).toMatch(/^scan +judged where the hardware does not check them$/m);
    expect(out).toMatch(/^dropped +-$/m);
    const all = await at('vgpu scan-processes desk all');
    expect(all.out).toBe('vGPU 1 "desk": batches of processes: judged on all engines\n');
    expect((await at('vgpu set desk --weight 8 --cap 50')).out).toBe('vGPU 1 "desk": weight 8, cap 50 %, priority 0\n');
    expect((await at('vgpu show desk')).out).toMatch(/^share +weight 8, cap 50 %, priority 0$/m);
    rig.mediator.fail(1);
    expect((await at('vgpu revive desk')).out).toBe('vGPU 1 "desk": attached\n');
    expect((await at('vgpu revive desk')).code).toBe(5);
    expect((await at('vgpu remove desk')).out).toBe('vGPU "desk" removed\n');
    expect((await at('vgpu remove 2')).code).toBe(0);
    expect((await at('vgpu list')).out).toMatch(/^No vGPUs/);
  });

  test('--json answers are what the daemon said', async () => {
    const created = JSON.parse((await at('vgpu create a --low 64 --high 128 --fences 2 --socket /a --json')).out);
    expect(created).toMatchObject({ id: 1, lowMiB: 64, highMiB: 128, fences: 2 });
    expect(JSON.parse((await at('--json vgpu list')).out)).toEqual([created]);
    expect(JSON.parse((await at('vgpu --json show a --registers')).out)).toMatchObject({
      ...created,
      unknownRegisters: [{ offset: 0x4400 }],
    });
    expect(JSON.parse((await at('vgpu remove a --json')).out)).toEqual({ removed: 'a' });
  });

  test('paths are those of the one who types, not of the daemon', async () => {
    await at('vgpu create a --type V5_8 --socket sub/a.sock --record a.xj');
    expect(rig.mediator.specs[0]).toMatchObject({
      transport: { socket: resolve('sub/a.sock') },
      record: resolve('a.xj'),
    });
  });

  test("show --screen writes the guest's picture", async () => {
    await at('vgpu create old --replay /j/old.xj');
    expect((await at(`vgpu show old --screen ${files.path('old.png')}`)).code).toBe(0);
    expect(PNG.sync.read(readFileSync(files.path('old.png')))).toMatchObject({ width: 4, height: 2 });
    expect(await at('vgpu show old --screen /proc/none/old.png')).toMatchObject({ code: 74 });
  });
});

test('xengt types shows how many of each still fit', async () => {
  expect(lines((await at('types')).out)).toEqual([
    'TYPE  LOW MiB  HIGH MiB  FENCES  WEIGHT  RESOLUTION  AVAILABLE',
    'V5_4      128       512       4       4  1920x1200           5',
    'V5_8       64       384       4       2  1024x768            7',
  ]);
  expect(JSON.parse((await at('types --json')).out)).toHaveLength(2);
});

describe('xengt top', () => {
  beforeEach(async () => {
    await at('vgpu create a --type V5_8 --socket /a');
  });
  /** Between two looks 2 s pass, of which RCS works 0.5 s for the vGPU. */
  const advancing = {
    onOut: () => {
      rig.mediator.uptime += 2;
      rig.mediator.seconds.set(1, (rig.mediator.seconds.get(1) ?? 0) + 0.5);
    },
  };

  test('-J writes one line of JSON per look, with shares of engine time', async () => {
    const { out, code } = await at('top -J -n 3 -s 0.05', advancing);
    expect(code).toBe(0);
    const looks = lines(out).map((line) => JSON.parse(line));
    expect(looks).toHaveLength(3);
    expect(looks[1]).toMatchObject({
      intervalSeconds: 2,
      engines: [
        { name: 'RCS', busy: 0.25, idle: 0.75, switching: 0 },
        { name: 'BCS', busy: 0, idle: 1 },
      ],
      vgpus: [{ id: 1, name: 'a', vm: 'a', state: 'waiting', gpu: { RCS: 0.25, BCS: 0 }, trapsPerSecond: 0 }],
    });
  });

  test('shows a table for people', async () => {
    const { out } = await at('top -n 2 -s 0.05', advancing);
    expect(out).toMatch(/^model GPU, SKL, up 102 s, isolation violations 0$/m);
    expect(out).toMatch(/^RCS +25\.0% +75\.0% +0\.0%$/m);
    expect(out).toMatch(/^ *1 +a +a +waiting +25\.0% +0\.0% +0 +0$/m);
  });

  test('ends without complaint when interrupted', async () => {
    const interrupt = new AbortController();
    const run = at('top -s 3600', { interrupt: interrupt.signal });
    setTimeout(() => interrupt.abort(), 50);
    expect(await run).toMatchObject({ code: 0, err: '' });
  });
});

describe('xengt replay', () => {
  const report = { events: 1200, answers: 800, differing: 0, first: null, violations: 0, failsafe: null };

  test('ends with 0 when every answer is the same', async () => {
    const seen: string[] = [];
    const replay = async (file: string) => {
      seen.push(file);
      return report;
    };
    const ran = await xengt(['replay', 'a.xj'], { replay });
    expect(ran).toEqual({ code: 0, out: 'a.xj: 1200 events, 800 answers compared, none differs\n', err: '' });
    expect(seen).toEqual(['a.xj']);
  });

  test('ends with 1 and names the first answer that differs', async () => {
    const replay = async () => ({
      ...report,
      differing: 2,
      first: 'event 17: read 0x44200 gave 0, was 1',
      violations: 1,
      failsafe: 'a foreign GGTT entry',
    });
    const ran = await xengt(['replay', 'a.xj'], { replay });
    expect(ran.code).toBe(1);
    expect(ran.out).toMatch(
      /2 differ; first: event 17.*\nisolation violations: 1\n.*failsafe: a foreign GGTT entry\n$/,
    );
    expect(JSON.parse((await xengt(['replay', 'a.xj', '--json'], { replay })).out)).toMatchObject({ differing: 2 });
  });
});

describe('errors end with the exit code of their class, a sentence and a remedy', () => {
  const cases: readonly [string, string, number, RegExp][] = [
    ['an unknown vGPU', 'vgpu show nobody', 4, /No vGPU "nobody".*\n.*xengt vgpu list.*XENGT_E_NOT_FOUND/],
    ['no room', 'vgpu create a --type V5_1 --socket /a', 6, /512 MiB wanted.*\n.*XENGT_E_NO_SPACE/],
    ['a share of nothing', 'vgpu set a', 2, /at least one of --weight, --cap and --priority/],
    ['a weight that is none', 'vgpu create a --type V5_8 --socket /a --weight x', 2, /weight: "x".*from 1 to 255/],
    ['no guest', 'vgpu create a --type V5_8', 2, /--socket PATH.*--replay FILE/],
    ['two guests', 'vgpu create a --socket /a --replay /b', 2, /Give one of/],
    ['a monitor state that is none', 'vgpu monitor a on', 2, /allowed: connect, disconnect/],
    ['engines that are none', 'vgpu scan-processes a some', 2, /allowed: needed, all/],
    ['a command that is none', 'vgpus', 2, /unknown command 'vgpus'/],
    ['an option that is none', 'vgpu list --all', 2, /unknown option '--all'/],
    ['an argument too few', 'vgpu show', 2, /missing required argument 'vgpu'/],
    ['a count that is none', 'top -n 0', 2, /Allowed: a whole number from 1/],
    [
      'a configuration error',
      'serve --platform BXT',
      2,
      /--platform: "BXT".*allowed: HSW, BDW, SKL.*\n.*XENGT_E_CONFIG/,
    ],
  ];
  test.each(cases)('%s', async (_what, args, code, text) => {
    const ran = await at(args);
    expect(ran.err).toMatch(text);
    expect(ran).toMatchObject({ code, out: '' });
  });

  test('no daemon: says where it was looked for and how to start one', async () => {
    const ran = await xengt(['vgpu', 'list'], { environment: { XENGT_API: files.path('none.sock') } });
    expect(ran.code).toBe(7);
    expect(ran.err).toContain(`No daemon answers at ${files.path('none.sock')}`);
    expect(ran.err).toMatch(/xengt serve.*XENGT_E_UNAVAILABLE/);
  });

  test('somebody else at the socket is not taken for a daemon', async () => {
    for (const status of [200, 500]) {
      const stranger = createHttp((_request, response) => response.writeHead(status).end('<html>'));
      const socket = files.path(`stranger-${status}.sock`);
      await new Promise<void>((done) => stranger.listen(socket, done));
      const ran = await xengt(['--api', socket, 'types']);
      await new Promise((done) => stranger.close(done));
      expect(ran).toMatchObject({ code: 7, out: '' });
      expect(ran.err).toMatch(/is no xengt daemon/);
    }
  });

  test('--json writes them as problems', async () => {
    const ran = await at('--json vgpu show nobody');
    expect(JSON.parse(ran.err)).toMatchObject({ code: 'XENGT_E_NOT_FOUND', status: 404, exitCode: 4 });
    expect(ran).toMatchObject({ code: 4, out: '' });
  });
});

describe('xengt', () => {
  test('--version is that of the package', async () => {
    const { root, version } = packageInfo();
    expect(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version).toBe(version);
    expect(await xengt(['--version'])).toEqual({ code: 0, out: `${version}\n`, err: '' });
  });

  test('--help names every command', async () => {
    const { out, code } = await xengt(['--help']);
    expect(code).toBe(0);
    for (const command of ['serve', 'vgpu', 'types', 'top', 'replay'])
      expect(out).toMatch(new RegExp(`^ +${command}\\b`, 'm'));
  });

  test('its program starts with the line that makes it run by its name', () => {
    const source = readFileSync(join(packageInfo().root, 'src', 'main.ts'), 'utf8');
    expect(source.startsWith('#!/usr/bin/env node\n')).toBe(true);
  });
});

describe('xengt serve', () => {
  test('serves until it is interrupted, then leaves nothing behind', async () => {
    const interrupt = new AbortController();
    const mediator = new FakeMediator();
    const api = files.path('api.sock');
    const config = files.write(
      'xengt.json',
      JSON.stringify({ vgpus: [{ name: 'a', type: 'V5_8', transport: 'vfio-user', socket: 'a.sock' }] }),
    );
    let seen: unknown;
    const run = xengt(['serve', '--config', config, '--metrics', '127.0.0.1:0', '--state-dir', files.path('s')], {
      environment: { XENGT_API: api, XENGT_PLATFORM: 'KBL' },
      mediator,
      interrupt: interrupt.signal,
      onOut: (out) => {
        if (!out.includes('vGPU 1 "a"') || seen !== undefined) return;
        seen = ask(api, '/v1/vgpus/a').then((answer) => {
          seen = answer.json();
          interrupt.abort();
        });
      },
    });
    const { code, out, err } = await run;
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(seen).toMatchObject({ name: 'a', transport: { socket: files.path('a.sock') } });
    expect(out).toMatch(/^xengt \d+\.\d+\.\d+: KBL, aperture 1024 MiB$/m);
    expect(out).toMatch(/^stopping$/m);
    expect(mediator.calls.at(-1)).toBe('stop');
    expect(existsSync(api)).toBe(false);
  });
});
