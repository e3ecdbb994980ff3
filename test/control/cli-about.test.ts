/** doctor, completion, pages of the manual, and lines for the journal. */
import { spawnSync } from 'node:child_process';
import { fstatSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EXITS } from '../../src/control/cli/exits.js';
import { isJournal, logLines } from '../../src/control/cli/journal.js';
import { packageInfo } from '../../src/control/package-info.js';
import { bareHost, type Rig, type RunOptions, scratch, startRig, xengt } from './rig.js';

let rig: Rig;
let files: ReturnType<typeof scratch>;
beforeEach(async () => {
  files = scratch();
  const transport = { kind: 'vfio-user', socket: '/a' } as const;
  rig = await startRig({ vgpus: ['desk', 'build'].map((name) => ({ name, type: 'V5_8', transport })) });
});
afterEach(async () => {
  await rig.stop();
  files.drop();
});

const at = (args: readonly string[], options: RunOptions = {}) => xengt(['--api', rig.socket, ...args], options);

describe('xengt doctor', () => {
  const DOM0: Readonly<Record<string, string>> = {
    '/proc/xen/capabilities': 'control_d\n',
    '/proc/meminfo': 'MemTotal: 1 kB\nHugePages_Total:      8\nHugePages_Free:       3\nHugepagesize:       2048 kB\n',
    '/sys/bus/pci/devices/0000:00:02.0/vendor': '0x8086\n',
    '/sys/bus/pci/devices/0000:00:02.0/class': '0x030000\n',
    '/sys/bus/pci/devices/0000:00:02.0/device': '0x1912\n',
  };
  const equipped = bareHost({
    read: (path) => DOM0[path] ?? null,
    list: (path) => (path === '/sys/bus/pci/devices' ? ['0000:00:00.0', '0000:00:02.0'] : ['kvm', 'fuse']),
    link: () => 'i915',
    mayReadAndWrite: () => true,
    run: async (command) => (command === 'mdevctl' ? '1.2.0\n' : 'QEMU emulator version 10.1.2 (Debian 1:10.1.2)\n'),
  });

  const findings = async (options: RunOptions) =>
    Object.fromEntries(
      (JSON.parse((await at(['--json', 'doctor'], options)).out) as { what: string }[]).map((one) => [one.what, one]),
    );

  test('finds nothing to do on a host that has everything', async () => {
    const { code, out } = await at(['doctor'], { host: equipped });
    expect(code).toBe(0);
    expect(out).not.toMatch(/MISSING|lacks/);
    expect(out).toMatch(/^ok +Xen +dom0$/m);
    expect(out).toMatch(/^ok +Intel GPU +0000:00:02\.0, 0x1912, driver i915; guests share the model, not it$/m);
    expect(out).toMatch(/^ok +hugepages +3 of 8 free, 2048 KiB each$/m);
    expect(out).toMatch(/^ok +daemon +answers, 2 vGPUs$/m);
  });

  test('says of a bare host what it lacks and what to install, and that it does without', async () => {
    const { code, out } = await at(['doctor'], { host: bareHost() });
    expect(code).toBe(0);
    expect(out).toMatch(/^lacks +QEMU for guests over vfio-user +none on the path$/m);
    expect(out).toMatch(/apt-get install -t trixie-backports qemu-system-x86/);
    expect(out).toMatch(/^- +Xen +not a Xen host$/m);
  });

  test('an old QEMU, a missing addon, a closed KVM and a half-made dom0 are each named', async () => {
    const host = bareHost({
      ...equipped,
      run: async () => 'QEMU emulator version 7.2.22\n',
      addon: () => 'it was not built',
      mayReadAndWrite: (path) => path === '/dev/xen/evtchn',
    });
    const found = await findings({ host });
    expect(found['QEMU for guests over vfio-user']).toMatchObject({
      verdict: 'lacks',
      found: expect.stringMatching(/7\.2\.22.*no vfio/),
    });
    expect(found['native addon']).toMatchObject({
      verdict: 'lacks',
      remedy: expect.stringMatching(/g\+\+.*npm rebuild/),
    });
    expect(found['KVM for guests of QEMU']).toMatchObject({ verdict: 'lacks', remedy: expect.stringMatching(/kvm/) });
    expect(found.Xen).toMatchObject({ verdict: 'lacks', found: expect.stringMatching(/privcmd, gntdev/) });
  });

  test('a Node that is too old ends with 7', async () => {
    const { code, out } = await at(['doctor'], { host: bareHost({ node: 'v18.20.4' }) });
    expect(code).toBe(7);
    expect(out).toMatch(/^MISSING +Node\.js +v18\.20\.4, 20\.19 is needed$/m);
  });

  test('works without a daemon, and says so', async () => {
    const { code, out } = await xengt(['--api', files.path('none.sock'), 'doctor']);
    expect(code).toBe(0);
    expect(out).toMatch(/^lacks +daemon +No daemon answers at/m);
  });
});

describe('completion', () => {
  const offers = async (...words: string[]) => (await at(['complete', '--', ...words])).out.trimEnd().split('\n');

  test('offers commands, and commands of commands', async () => {
    expect(await offers('')).toEqual(expect.arrayContaining(['serve', 'vgpu', 'top', 'doctor', 'completion']));
    expect(await offers('')).not.toContain('complete');
    expect(await offers('t')).toEqual(['top', 'types']);
    expect(await offers('vgpu', 're')).toEqual(['remove', 'reset', 'revive']);
  });

  test('offers options, those of the commands above too', async () => {
    expect(await offers('vgpu', 'set', 'desk', '--')).toEqual([
      '--api',
      '--cap',
      '--help',
      '--json',
      '--priority',
      '--version',
      '--weight',
    ]);
    expect(await offers('--js')).toEqual(['--json']);
  });

  test('offers what only the daemon knows', async () => {
    expect(await offers('vgpu', 'remove', '')).toEqual(['build', 'desk']);
    expect(await offers('vgpu', 'create', 'x', '--type', 'V5_')).toEqual(['V5_4', 'V5_8']);
    expect((await xengt(['--api', files.path('none.sock'), 'complete', '--', 'vgpu', 'show', ''])).out).toBe('');
  });

  test('offers values, and leaves files to the shell', async () => {
    expect(await offers('vgpu', 'monitor', 'desk', '')).toEqual(['connect', 'disconnect']);
    expect(await offers('replay', '')).toEqual([':files']);
    expect(await offers('serve', '--state-dir', '')).toEqual([':folders']);
    expect(await offers('vgpu', 'set', 'desk', '--weight', '')).toEqual(['']);
    expect(await offers('completion', '')).toEqual(['bash', 'fish', 'zsh']);
  });

  test('bash completes with the script', async () => {
    const { out } = await at(['completion', 'bash']);
    // The program's part is played by a function that says what it was asked.
    const script = `${out}\nxengt() { printf 'one\\ntwo:%s\\n' "\${*: -1}"; }\nCOMP_WORDS=(xengt vgpu re); COMP_CWORD=2\n_xengt\nprintf '%s|' "\${COMPREPLY[@]}"`;
    expect(spawnSync('bash', ['-c', script], { encoding: 'utf8' })).toMatchObject({ status: 0, stdout: 'one|two:re|' });
  });

  test.each(['bash', 'zsh', 'fish'])('there is a script for %s, and for no other', async (shell) => {
    const { out, code } = await at(['completion', shell]);
    expect(code).toBe(0);
    expect(out).toContain('complete --');
    expect((await at(['completion', 'csh'])).code).toBe(2);
  });
});

describe('the manual', () => {
  test('has a page for every command, with every option', async () => {
    expect((await at(['man', '--to', files.path('man')])).code).toBe(0);
    const pages = readdirSync(files.path('man'));
    expect(pages).toEqual(expect.arrayContaining(['xengt.1', 'xengt-serve.1', 'xengt-vgpu.1', 'xengt-vgpu-create.1']));
    expect(pages).not.toContain('xengt-complete.1');
    const create = readFileSync(files.path('man/xengt-vgpu-create.1'), 'utf8');
    expect(create).toMatch(/^\.TH XENGT-VGPU-CREATE 1 /);
    for (const option of ['\\-\\-socket <path>', '\\-\\-weight <n>', '\\-\\-json']) expect(create).toContain(option);
    expect(create).toMatch(/\.SH EXIT STATUS[\s\S]*\.TP\n77\n/);
  });

  test('is text that troff takes', async () => {
    await at(['man', '--to', files.path('man')]);
    for (const page of readdirSync(files.path('man'))) {
      const lines = readFileSync(files.path(`man/${page}`), 'utf8').split('\n');
      const requests = lines.filter((line) => /^[.']/.test(line));
      for (const line of requests) expect(line, page).toMatch(/^\.(TH|SH|TP)\b/);
    }
  });

  test('the exit codes of the guide are those of the manual', () => {
    const guide = readFileSync(join(packageInfo().root, 'docs', 'operator-guide.md'), 'utf8');
    const table = [...guide.matchAll(/^\| (\d+) \| (.+) \|$/gm)].map(([, code, text]) => [Number(code), text]);
    expect(table).toEqual([...EXITS]);
  });
});

describe('lines for the journal', () => {
  test('begin with their priority, each', () => {
    expect(logLines('info', 'a\nb', true)).toBe('<6>a\n<6>b\n');
    expect(logLines('error', 'a', true)).toBe('<3>a\n');
    expect(logLines('error', 'a', false)).toBe('a\n');
  });

  test('only where it is the journal that is written to', () => {
    const fd = openSync(files.write('journal', ''), 'a');
    const { dev, ino } = fstatSync(fd);
    expect(isJournal({ JOURNAL_STREAM: `${dev}:${ino}` }, fd)).toBe(true);
    expect(isJournal({ JOURNAL_STREAM: `${dev}:1` }, fd)).toBe(false);
    expect(isJournal({}, fd)).toBe(false);
  });

  test('the daemon writes them', async () => {
    const interrupt = new AbortController();
    const ran = await xengt(
      [
        '--api',
        files.path('d/api.sock'),
        'serve',
        '--no-demo',
        '--metrics',
        'off',
        '--state-dir',
        files.path('s'),
        '--xen',
        'off',
      ],
      { journal: true, interrupt: interrupt.signal, onOut: (out) => out.includes('API socket') && interrupt.abort() },
    );
    expect(ran.code).toBe(0);
    expect(ran.out).toMatch(/^<6>xengt \d/);
  });
});
