/** `xengt doctor`: what this host has and lacks for which kind of guests, and what to install or do about it. */
import { Command } from 'commander';
import type { Client } from './client.js';
import type { Host } from './host.js';
import { json, table } from './table.js';
import type { Asking } from './vgpu.js';

/**
 * `good`: there. `missing`: the daemon does not work without it. `lacks`: what it is for does not work; the rest does.
 * `absent`: nothing that could be installed.
 */
export type Verdict = 'good' | 'missing' | 'lacks' | 'absent';

export interface Finding {
  readonly what: string;
  readonly verdict: Verdict;
  readonly found: string;
  /** What to do; null where nothing is to be done. */
  readonly remedy: string | null;
}

const NODE_LEAST = [20, 19] as const;
/** vfio-user-pci came with this one. */
const QEMU_LEAST = [10, 1] as const;
const XEN_LIBRARIES = 'libxendevicemodel1 libxenforeignmemory1 libxenevtchn1 libxencall1 libxentoolcore1';
const GPU_CLASS = '0x03';

const atLeast = ([major = 0, minor = 0]: readonly number[], least: readonly [number, number]) =>
  major > least[0] || (major === least[0] && minor >= least[1]);

const good = (what: string, found: string): Finding => ({ what, verdict: 'good', found, remedy: null });

function node({ node: version }: Host): Finding {
  const numbers = version.replace(/^v/, '').split('.').map(Number);
  if (atLeast(numbers, NODE_LEAST)) return good('Node.js', version);
  const least = NODE_LEAST.join('.');
  return { what: 'Node.js', verdict: 'missing', found: `${version}, ${least} is needed`, remedy: 'install nodejs' };
}

function addon(host: Host): Finding {
  const missing = host.addon();
  if (missing === null) return good('native addon', 'loaded');
  const remedy = 'apt-get install g++ make python3, then npm rebuild';
  return { what: 'native addon', verdict: 'lacks', found: `only replayed guests: ${missing}`, remedy };
}

async function qemu(host: Host): Promise<Finding> {
  const what = 'QEMU for guests over vfio-user';
  const said = await host.run('qemu-system-x86_64', ['--version']);
  const version = /version (\d+)\.(\d+)[\d.]*/.exec(said ?? '');
  const remedy = 'apt-get install -t trixie-backports qemu-system-x86 (10.1 or newer)';
  if (version === null) return { what, verdict: 'lacks', found: 'none on the path', remedy };
  const [text, major, minor] = version;
  if (atLeast([Number(major), Number(minor)], QEMU_LEAST)) return good(what, text);
  return { what, verdict: 'lacks', found: `${text}, which has no vfio-user-pci`, remedy };
}

function kvm(host: Host): Finding {
  const what = 'KVM for guests of QEMU';
  if (host.mayReadAndWrite('/dev/kvm')) return good(what, '/dev/kvm');
  const there = host.list('/dev').includes('kvm');
  const found = there ? 'no permission to open /dev/kvm' : 'no /dev/kvm: QEMU emulates the processor, slowly';
  return { what, verdict: there ? 'lacks' : 'absent', found, remedy: there ? 'usermod -aG kvm USER' : null };
}

function xen(host: Host): Finding {
  const what = 'Xen';
  const capabilities = host.read('/proc/xen/capabilities');
  if (capabilities === null) return { what, verdict: 'absent', found: 'not a Xen host', remedy: null };
  if (!capabilities.includes('control_d')) {
    return { what, verdict: 'absent', found: 'a domain without control; xengt runs in dom0', remedy: null };
  }
  const modules = ['privcmd', 'evtchn', 'gntdev'].filter((name) => !host.mayReadAndWrite(`/dev/xen/${name}`));
  if (modules.length > 0) {
    const remedy = `as root: modprobe ${modules.map((name) => `xen-${name}`).join(' ')}; apt-get install ${XEN_LIBRARIES}`;
    return { what, verdict: 'lacks', found: `dom0, but cannot open ${modules.join(', ')} of /dev/xen`, remedy };
  }
  return good(what, 'dom0');
}

function gpu(host: Host): Finding {
  const what = 'Intel GPU';
  const devices = '/sys/bus/pci/devices';
  const found = host
    .list(devices)
    .filter((slot) => host.read(`${devices}/${slot}/vendor`)?.trim() === '0x8086')
    .find((slot) => host.read(`${devices}/${slot}/class`)?.startsWith(GPU_CLASS));
  // Nothing is lacking: no back end drives a physical GPU yet.
  if (found === undefined) return { what, verdict: 'absent', found: 'none; guests share the model', remedy: null };
  const id = host.read(`${devices}/${found}/device`)?.trim() ?? 'of unknown id';
  const driver = host.link(`${devices}/${found}/driver`);
  return good(
    what,
    `${found}, ${id}, ${driver === null ? 'no driver' : `driver ${driver}`}; guests share the model, not it`,
  );
}

function hugepages(host: Host): Finding {
  const what = 'hugepages';
  const memory = host.read('/proc/meminfo') ?? '';
  const field = (name: string) => Number(new RegExp(`^${name}: +(\\d+)`, 'm').exec(memory)?.[1] ?? 0);
  const [total, free, size] = [field('HugePages_Total'), field('HugePages_Free'), field('Hugepagesize')];
  if (total > 0) return good(what, `${free} of ${total} free, ${size} KiB each`);
  return { what, verdict: 'absent', found: 'none reserved; guests run without', remedy: null };
}

function fuse(host: Host): Finding {
  const what = 'mounting the tree (--sysfs)';
  if (host.mayReadAndWrite('/dev/fuse') && host.uid === 0) return good(what, '/dev/fuse');
  const found = host.list('/dev').includes('fuse') ? 'not allowed to this user' : 'no /dev/fuse';
  return { what, verdict: 'lacks', found, remedy: 'modprobe fuse, and run as root or in `unshare -Urm`' };
}

function mdevctl(said: string | null): Finding {
  const what = 'mdevctl';
  if (said !== null) return good(what, said.trim());
  return { what, verdict: 'absent', found: 'not installed; sysfs-shell works without it too', remedy: null };
}

async function daemon(client: Client): Promise<Finding> {
  const what = 'daemon';
  try {
    const { vgpus } = await client.json<{ vgpus: unknown[] }>('GET', '/v1/vgpus');
    return good(what, `answers, ${vgpus.length} vGPUs`);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { what, verdict: 'lacks', found: error.message, remedy: 'xengt serve, or systemctl start xengt' };
  }
}

export async function examine(host: Host, client: Client): Promise<Finding[]> {
  return [
    node(host),
    addon(host),
    await daemon(client),
    await qemu(host),
    kvm(host),
    xen(host),
    gpu(host),
    hugepages(host),
    fuse(host),
    mdevctl(await host.run('mdevctl', ['--version'])),
  ];
}

const SIGN: Readonly<Record<Verdict, string>> = { good: 'ok', missing: 'MISSING', lacks: 'lacks', absent: '-' };

function shown(findings: readonly Finding[]): string {
  const rows = table<Finding>(
    [
      { head: '', cell: ({ verdict }) => SIGN[verdict] },
      { head: 'WHAT', cell: ({ what }) => what },
      { head: 'FOUND', cell: ({ found }) => found },
    ],
    findings,
  );
  const todo = findings.filter(({ remedy }) => remedy !== null).map(({ what, remedy }) => `${what}: ${remedy}\n`);
  return todo.length === 0 ? rows : `${rows}\n${todo.join('')}`;
}

/** What the command needs that other commands do not. */
const EXIT_MISSING = 7;

export function doctorCommand(asking: Asking, host: () => Promise<Host>, exit: (code: number) => void): Command {
  return new Command('doctor')
    .description('what this host has and lacks, and what to do about it; ends with 7 when the daemon cannot work here')
    .action(async () => {
      const findings = await examine(await host(), asking.client());
      asking.streams.out(asking.wantsJson() ? json(findings) : shown(findings));
      if (findings.some(({ verdict }) => verdict === 'missing')) exit(EXIT_MISSING);
    });
}
