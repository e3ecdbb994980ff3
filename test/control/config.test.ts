import { afterAll, describe, expect, test } from 'vitest';
import { XengtError } from '../../src/base/index.js';
import { APERTURE_SIZES, loadConfig, PLATFORM_NAMES, type ServeFlags } from '../../src/control/config.js';
import { VGPU_PLATFORMS } from '../../src/hw/index.js';
import { scratch } from './rig.js';

const files = scratch();
afterAll(() => files.drop());

function refusal(flags: ServeFlags, environment: Record<string, string> = {}): string {
  try {
    loadConfig(flags, environment);
  } catch (error) {
    if (error instanceof XengtError && error.code === 'XENGT_E_CONFIG') return error.message;
    throw error;
  }
  throw new Error('the configuration was accepted');
}

let written = 0;
const file = (content: unknown): ServeFlags => ({
  config: files.write(`c${written++}.json`, typeof content === 'string' ? content : JSON.stringify(content)),
});
const vgpu = (change: object) =>
  file({ vgpus: [{ name: 'a', type: 'V5_8', transport: 'vfio-user', socket: '/run/a.sock', ...change }] });

describe('a wrong configuration is refused with its key and what is allowed', () => {
  const cases: readonly [what: string, message: string, names: string, allowed: RegExp][] = [
    ['platform flag', refusal({ platform: 'ICL' }), '--platform', /HSW, BDW, SKL, KBL, CFL, CML/],
    ['a platform that hosts no vGPUs', refusal({ platform: 'BXT' }), '--platform', /BXT is known to the command sca/],
    [
      'an aperture that its drivers do not take',
      refusal({ platform: 'HSW', aperture: '1024' }),
      'aperture: ',
      /drivers of HSW take no more than 512 MiB, not 1024/,
    ],
    ['platform variable', refusal({}, { XENGT_PLATFORM: 'ICL' }), 'XENGT_PLATFORM', /HSW, BDW, SKL, KBL, CFL, CML/],
    [
      'platform in the file',
      refusal(file({ platform: 7 })),
      'platform in ',
      /7 is not allowed; allowed: HSW, BDW, SKL/,
    ],
    ['aperture flag', refusal({ aperture: '300' }), '--aperture', /300 is not allowed; allowed: 256, 512, 1024, 2048/],
    ['aperture that is no number', refusal({ aperture: '1G' }), '--aperture', /256, 512, 1024, 2048/],
    ['aperture variable', refusal({}, { XENGT_APERTURE_MIB: '-256' }), 'XENGT_APERTURE_MIB', /256, 512/],
    ['aperture in the file', refusal(file({ apertureMiB: '1024' })), 'apertureMiB in ', /256, 512, 1024, 2048/],
    ['policy flag', refusal({ policy: 'fair' }), '--policy', /shares, priority/],
    ['policy variable', refusal({}, { XENGT_POLICY: 'cap' }), 'XENGT_POLICY', /shares, priority/],
    ['vGPU cap', refusal(vgpu({ cap: 101 })), 'vgpus[0].cap in ', /a whole number from 1 to 100/],
    ['vGPU priority', refusal(vgpu({ priority: -1 })), 'vgpus[0].priority in ', /a whole number from 0 to 15/],
    ['metrics without a port', refusal({ metrics: 'localhost' }), '--metrics', /HOST:PORT/],
    ['metrics port too large', refusal({ metrics: '127.0.0.1:70000' }), '--metrics', /HOST:PORT/],
    ['metrics open to all', refusal({ metrics: '0.0.0.0:9464' }), 'metrics: 0.0.0.0', /127.*::1.*--allow-remote/],
    ['metrics open to all, IPv6', refusal({ metrics: '[::]:9464' }), 'metrics: ::', /--allow-remote/],
    [
      'metrics open to all without a token',
      refusal({ metrics: '0.0.0.0:9464', allowRemote: true }),
      'metrics: 0.0.0.0',
      /needs a tokenFile \(--token-file\)/,
    ],
    ['VNC at no place', refusal({ vnc: 'somewhere' }), '--vnc', /absolute path of a folder .* HOST:PORT .* 'off'/],
    ['VNC in the file', refusal(file({ vnc: 5900 })), 'vnc in ', /HOST:PORT/],
    ['VNC open to all', refusal({ vnc: '0.0.0.0:5900' }), 'vnc: 0.0.0.0', /127.*::1.*--allow-remote/],
    ['socket path too long', refusal({ api: `/${'s'.repeat(108)}` }), '--api', /absolute path of at most 107 bytes/],
    ['allow-remote variable', refusal({}, { XENGT_ALLOW_REMOTE: 'yes' }), 'XENGT_ALLOW_REMOTE', /true, false/],
    ['demo in the file', refusal(file({ demo: 'no' })), 'demo in ', /true, false/],
    ['empty state folder', refusal(file({ stateDir: '' })), 'stateDir in ', /absolute path/],
    ['journals that are no list', refusal(file({ replay: 'a.xj' })), 'replay in ', /a list of paths/],
    ['a journal that is no text', refusal(file({ replay: ['a.xj', 4] })), 'replay[1] in ', /absolute path/],
    [
      'a key that nobody knows',
      refusal(file({ plattform: 'SKL' })),
      'plattform in ',
      /api, metrics, allowRemote, platform/,
    ],
    ['a list in place of an object', refusal(file([])), '.json', /the keys api, metrics/],
    ['a file that is no JSON', refusal(file('{"platform": SKL}')), '.json', /JSON/],
    ['a file that is not there', refusal({ config: files.path('none.json') }), 'none.json', /no such file/],
    [
      'vGPU without a name',
      refusal(vgpu({ name: undefined })),
      'vgpus[0].name in ',
      /missing; allowed: 1 to 64 of letters/,
    ],
    ['vGPU named by digits', refusal(vgpu({ name: '12' })), 'vgpus[0].name in ', /not digits alone/],
    ['vGPU weight', refusal(vgpu({ weight: 0 })), 'vgpus[0].weight in ', /a whole number from 1 to 255/],
    [
      'vGPU weight with a fraction',
      refusal(vgpu({ weight: 1.5 })),
      'vgpus[0].weight in ',
      /a whole number from 1 to 255/,
    ],
    ['vGPU transport', refusal(vgpu({ transport: 'kvm' })), 'vgpus[0].transport in ', /vfio-user, xen, replay/],
    [
      'vGPU socket missing',
      refusal(vgpu({ socket: undefined })),
      'vgpus[0].socket in ',
      /needs it; allowed: an absolute path/,
    ],
    [
      'vGPU of a domain that is not named',
      refusal(vgpu({ transport: 'xen', socket: undefined })),
      'vgpus[0].domain in ',
      /needs it; allowed: the number of a domain/,
    ],
    ['vGPU of dom0', refusal(vgpu({ transport: 'xen', domain: 0 })), 'vgpus[0].domain in ', /from 1 to 32751/],
    [
      'vGPU of a domain that has a socket',
      refusal(vgpu({ transport: 'xen', domain: 3 })),
      'vgpus[0].socket in ',
      /not allowed with transport "xen"/,
    ],
    ['vGPU with type and sizes', refusal(vgpu({ lowMiB: 64 })), 'vgpus[0].type in ', /not both/],
    ['vGPU with some sizes', refusal(vgpu({ type: undefined, lowMiB: 64 })), 'vgpus[0].lowMiB in ', /all three/],
    ['vGPU without any size', refusal(vgpu({ type: undefined })), 'vgpus[0].type in ', /lowMiB, highMiB and fences/],
    [
      'vGPU with a loop but no journal',
      refusal(vgpu({ loop: true })),
      'vgpus[0].loop in ',
      /not allowed with transport/,
    ],
    ['vGPU with an unknown key', refusal(vgpu({ wieght: 2 })), 'vgpus[0].wieght in ', /name, vm, type/],
    [
      'two vGPUs of one name',
      refusal(
        file({
          vgpus: ['/a', '/b'].map((socket) => ({ name: 'x', type: 'V5_8', transport: 'vfio-user', socket })),
        }),
      ),
      'vgpus[1].name in ',
      /"x" is taken/,
    ],
  ];
  test.each(cases)('%s', (_what, message, names, allowed) => {
    expect(message).toContain(names);
    expect(message).toMatch(allowed);
  });

  test('all that is wrong is said at once', () => {
    expect(refusal({ platform: 'x', aperture: '3' })).toMatch(/--platform.*; --aperture/);
  });
});

describe('a right configuration', () => {
  test('needs nothing: everything has a default', () => {
    const config = loadConfig({}, { XDG_RUNTIME_DIR: '/run/user/7' });
    expect(config).toMatchObject({
      metrics: { host: '127.0.0.1', port: 9464 },
      platform: 'SKL',
      apertureMiB: 1024,
      allowRemote: false,
      demo: true,
      replay: [],
      vgpus: [],
    });
    expect(['/run/user/7/xengt/api.sock', '/run/xengt/api.sock']).toContain(config.api);
  });

  test('a flag wins over a variable, a variable over the file', () => {
    const flags = file({ platform: 'BDW', apertureMiB: 256, metrics: '127.0.0.1:1' });
    const config = loadConfig({ ...flags, platform: 'cfl' }, { XENGT_PLATFORM: 'KBL', XENGT_APERTURE_MIB: '512' });
    expect(config).toMatchObject({ platform: 'CFL', apertureMiB: 512, metrics: { port: 1 } });
  });

  test('the file may be named by the environment, and a variable set to nothing counts as not set', () => {
    const { config = '' } = file({ platform: 'CML' });
    expect(loadConfig({}, { XENGT_CONFIG: config, XENGT_PLATFORM: '' }).platform).toBe('CML');
  });

  test('paths in a file are relative to that file', () => {
    const config = loadConfig(
      file({
        api: 'x.sock',
        replay: ['j.xj'],
        vgpus: [{ name: 'a', type: 'V5_8', transport: 'vfio-user', socket: 'a.sock', record: 'a.xj' }],
      }),
      {},
    );
    expect(config.api).toBe(files.path('x.sock'));
    expect(config.replay).toEqual([files.path('j.xj')]);
    expect(config.vgpus).toEqual([
      {
        name: 'a',
        type: 'V5_8',
        record: files.path('a.xj'),
        transport: { kind: 'vfio-user', socket: files.path('a.sock') },
      },
    ]);
  });

  test('metrics may be off, on a loopback of either family, or anywhere with a token when that is wanted', () => {
    const tokenFile = files.path('token');
    expect(loadConfig({ metrics: 'off' }, {}).metrics).toBeNull();
    expect(loadConfig({ metrics: '[::1]:80' }, {}).metrics).toEqual({ host: '::1', port: 80 });
    expect(loadConfig({ metrics: '127.0.0.1:80', allowRemote: true }, {}).metrics?.host).toBe('127.0.0.1');
    const open = loadConfig({ metrics: '0.0.0.0:80', allowRemote: true, tokenFile }, {});
    expect(open.metrics).toEqual({ host: '0.0.0.0', port: 80 });
    const variables = { XENGT_METRICS: 'gpu.lan:80', XENGT_ALLOW_REMOTE: '1', XENGT_TOKEN_FILE: tokenFile };
    expect(loadConfig({}, variables).metrics?.host).toBe('gpu.lan');
  });

  test('knows every platform of the hardware table that hosts vGPUs', () => {
    expect([...PLATFORM_NAMES].sort()).toEqual(VGPU_PLATFORMS.map(({ name }) => name).sort());
    for (const { ggttEntries, mostApertureMiB } of VGPU_PLATFORMS) {
      expect(mostApertureMiB * 256).toBeLessThanOrEqual(ggttEntries);
      expect(APERTURE_SIZES).toContain(mostApertureMiB);
    }
  });

  test('gives Haswell the aperture that its drivers take, and no larger one', () => {
    expect(loadConfig({ platform: 'HSW' }, {}).apertureMiB).toBe(512);
    expect(loadConfig({ platform: 'HSW', aperture: '256' }, {}).apertureMiB).toBe(256);
    expect(() => loadConfig({ platform: 'HSW', aperture: '1024' }, {})).toThrow(/no more than 512 MiB/);
    expect(loadConfig({}, {}).apertureMiB).toBe(1024);
  });
});
