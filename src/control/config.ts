/**
 * The daemon's configuration. Flags win over the environment, that over the file, that over the defaults; each source is
 * checked by itself, so that a refusal names the flag, the variable or the key that is wrong.
 */
import { readFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import type { z } from 'zod';
import { reasonOf, XengtError } from '../base/index.js';
import { type PlatformName, platformByName } from '../hw/index.js';
import { HOST_BAR } from '../hypervisor/index.js';
import type { VgpuSpec } from '../mediator/api.js';
import { POLICY_NAMES, type PolicyName } from '../scheduler/index.js';
import { brokenRule, check, choice, flag, list, numberOf, record, text } from './checked.js';
import { isPath, isSocketPath, SOCKET_PATH_MAX, vgpuSpec } from './vgpu-spec.js';
import type { VncPlace } from './vnc/index.js';
import { XEN_MODES, type XenMode } from './xen/index.js';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface TcpAddress {
  readonly host: string;
  readonly port: number;
}

export interface DaemonConfig {
  /** Path of the UNIX socket that serves the whole API. */
  readonly api: string;
  /** Where metrics, status page and the read-only API are served; null: nowhere. */
  readonly metrics: TcpAddress | null;
  readonly allowRemote: boolean;
  /** File with the token that opens the whole API over TCP; absent: what is served there is read only. */
  readonly tokenFile?: string | undefined;
  readonly platform: PlatformName;
  readonly apertureMiB: number;
  /** By what the engines are shared; absent: by weight. */
  readonly policy?: PolicyName | undefined;
  /** BAR of a device of the host that stands for the physical aperture of Xen guests. */
  readonly apertureBar: string | undefined;
  readonly stateDir: string;
  /** Folder at which the tree is mounted; absent: nowhere. */
  readonly sysfs?: string | undefined;
  /** Where VNC viewers find the screens; absent: nowhere. */
  readonly vnc?: VncPlace | undefined;
  /** Whether the domains of the host are followed; absent: off. */
  readonly xen?: XenMode;
  /** xenstored's socket; absent: where it usually is. */
  readonly xenstored?: string | undefined;
  /** Without vGPUs or journals of its own, the daemon replays the journals that it ships. */
  readonly demo: boolean;
  readonly replay: readonly string[];
  readonly vgpus: readonly VgpuSpec[];
}

export const APERTURE_SIZES = [256, 512, 1024, 2048] as const;
/** Those of the platform table that host vGPUs. */
export const PLATFORM_NAMES = ['HSW', 'BDW', 'SKL', 'KBL', 'CFL', 'CML'] as const satisfies readonly PlatformName[];
const PLATFORM_NOTE = 'those that host vGPUs; BXT is known to the command scanner only';
export const DEFAULT_METRICS = '127.0.0.1:9464';

const METRICS_ALLOWED = "HOST:PORT such as 127.0.0.1:9464 or [::1]:9464 (port 0 takes a free one), or 'off'";

const VNC_ALLOWED = "the absolute path of a folder for UNIX sockets, HOST:PORT such as 127.0.0.1:5900, or 'off'";

const schema = record({
  api: text(`an absolute path of at most ${SOCKET_PATH_MAX} bytes`, isSocketPath).optional(),
  metrics: text(METRICS_ALLOWED, (value) => value === 'off' || parseAddress(value) !== undefined).optional(),
  allowRemote: flag().optional(),
  platform: choice(PLATFORM_NAMES, PLATFORM_NOTE).optional(),
  apertureMiB: numberOf(APERTURE_SIZES).optional(),
  policy: choice(POLICY_NAMES).optional(),
  apertureBar: text('the slot and BAR of a PCI device such as 0000:00:05.0/2', (value) =>
    HOST_BAR.test(value),
  ).optional(),
  stateDir: text('an absolute path', isPath).optional(),
  tokenFile: text('an absolute path', isPath).optional(),
  sysfs: text('an absolute path', isPath).optional(),
  vnc: text(VNC_ALLOWED, (value) => value === 'off' || isPath(value) || parseAddress(value) !== undefined).optional(),
  xen: choice(XEN_MODES).optional(),
  demo: flag().optional(),
  replay: list(text('an absolute path', isPath), 'paths of journals').optional(),
  vgpus: list(vgpuSpec, 'vGPUs').superRefine(namesDiffer).optional(),
});

type Layer = z.output<typeof schema>;
type Key = keyof Layer;

/** How a key is written as a variable; `vgpus` is for the file alone. */
const VARIABLES: Readonly<Partial<Record<Key, string>>> = {
  api: 'XENGT_API',
  metrics: 'XENGT_METRICS',
  allowRemote: 'XENGT_ALLOW_REMOTE',
  tokenFile: 'XENGT_TOKEN_FILE',
  platform: 'XENGT_PLATFORM',
  apertureMiB: 'XENGT_APERTURE_MIB',
  policy: 'XENGT_POLICY',
  apertureBar: 'XENGT_APERTURE_BAR',
  stateDir: 'XENGT_STATE_DIR',
  sysfs: 'XENGT_SYSFS',
  vnc: 'XENGT_VNC',
  xen: 'XENGT_XEN',
  demo: 'XENGT_DEMO',
  replay: 'XENGT_REPLAY',
};

const FLAGS: Readonly<Partial<Record<Key, string>>> = {
  api: '--api',
  metrics: '--metrics',
  allowRemote: '--allow-remote',
  tokenFile: '--token-file',
  platform: '--platform',
  apertureMiB: '--aperture',
  policy: '--policy',
  apertureBar: '--aperture-bar',
  stateDir: '--state-dir',
  sysfs: '--sysfs',
  vnc: '--vnc',
  xen: '--xen',
  demo: '--no-demo',
  replay: '--replay',
};

/** Flags of `xengt serve`, as texts; what is absent was not given. */
export interface ServeFlags {
  readonly config?: string;
  readonly api?: string;
  readonly metrics?: string;
  readonly allowRemote?: boolean;
  readonly tokenFile?: string;
  readonly platform?: string;
  readonly aperture?: string;
  readonly policy?: string;
  readonly apertureBar?: string;
  readonly stateDir?: string;
  readonly sysfs?: string;
  readonly vnc?: string;
  readonly xen?: string;
  readonly demo?: boolean;
  readonly replay?: readonly string[];
}

export function loadConfig(flags: ServeFlags, environment: Environment): DaemonConfig {
  const file = flags.config ?? given(environment.XENGT_CONFIG);
  const layers: readonly Layer[] = [
    file === undefined ? {} : fromFile(resolve(file)),
    fromEnvironment(environment),
    fromFlags(flags),
  ];
  const merged: Layer = Object.assign({}, ...layers);
  const platform = merged.platform ?? 'SKL';
  const mostAperture = platformByName(platform)?.mostApertureMiB ?? 0;
  const config: DaemonConfig = {
    api: merged.api ?? defaultApiSocket(environment),
    metrics: merged.metrics === 'off' ? null : addressOf(merged.metrics ?? DEFAULT_METRICS),
    allowRemote: merged.allowRemote ?? false,
    tokenFile: merged.tokenFile,
    platform,
    apertureMiB: merged.apertureMiB ?? Math.min(1024, mostAperture),
    policy: merged.policy ?? 'shares',
    apertureBar: merged.apertureBar,
    stateDir: merged.stateDir ?? defaultStateDir(environment),
    sysfs: merged.sysfs,
    vnc: vncPlace(merged.vnc ?? 'off'),
    xen: merged.xen ?? 'auto',
    // As Xen's own tools have it.
    xenstored: given(environment.XENSTORED_PATH),
    demo: merged.demo ?? true,
    replay: merged.replay ?? [],
    vgpus: merged.vgpus ?? [],
  };
  if (config.apertureMiB > mostAperture) {
    throw new XengtError(
      'XENGT_E_CONFIG',
      `aperture: drivers of ${platform} take no more than ${mostAperture} MiB, not ${config.apertureMiB}`,
    );
  }
  if (!config.allowRemote) {
    if (config.metrics !== null) onlyLocal('metrics', config.metrics);
    if (config.vnc?.kind === 'tcp') onlyLocal('vnc', config.vnc.address);
  } else if (config.metrics !== null && !isLoopback(config.metrics.host) && config.tokenFile === undefined) {
    throw new XengtError(
      'XENGT_E_CONFIG',
      `metrics: ${config.metrics.host} can be reached from other machines; it needs a tokenFile (--token-file)`,
    );
  }
  return config;
}

function onlyLocal(key: Key, { host }: TcpAddress): void {
  if (isLoopback(host)) return;
  throw new XengtError(
    'XENGT_E_CONFIG',
    `${key}: ${host} can be reached from other machines; allowed: 127.0.0.0/8, ::1, localhost, or any address with allowRemote (--allow-remote)`,
  );
}

function vncPlace(value: string): VncPlace | undefined {
  if (value === 'off') return undefined;
  const address = parseAddress(value);
  return address === undefined ? { kind: 'folder', path: value } : { kind: 'tcp', address };
}

function fromFile(file: string): Layer {
  let raw: unknown;
  try {
    raw = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new XengtError('XENGT_E_CONFIG', `${file}: ${reasonOf(error)}`, { cause: error });
  }
  return present(check(schema, absolute(raw, dirname(file)), (path) => (path === '' ? file : `${path} in ${file}`)));
}

/** Paths in a file are relative to that file. Only texts are touched: what is no text is refused by the check. */
function absolute(value: unknown, base: string): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const at = (path: unknown) => (typeof path === 'string' && path !== '' ? resolve(base, path) : path);
  const out: Record<string, unknown> = { ...value };
  if (Array.isArray(out.ports)) out.ports = out.ports.map((port: unknown) => edidAt(port, at));
  for (const key of ['api', 'stateDir', 'tokenFile', 'sysfs', 'socket', 'file', 'record'])
    if (key in out) out[key] = at(out[key]);
  if (typeof out.vnc === 'string' && out.vnc.includes('/')) out.vnc = resolve(base, out.vnc);
  if (Array.isArray(out.replay)) out.replay = out.replay.map(at);
  if (Array.isArray(out.vgpus)) out.vgpus = out.vgpus.map((vgpu: unknown) => absolute(vgpu, base));
  return out;
}

/** An EDID is a path too, unless it stands there itself, in hex. */
function edidAt(port: unknown, at: (path: unknown) => unknown): unknown {
  if (typeof port !== 'object' || port === null || !('edid' in port)) return port;
  const { edid } = port;
  return { ...port, edid: typeof edid === 'string' && /^([0-9a-fA-F]{256})+$/.test(edid) ? edid : at(edid) };
}

function fromEnvironment(environment: Environment): Layer {
  const raw: Record<string, unknown> = {};
  for (const [key, variable] of Object.entries(VARIABLES)) {
    const value = given(environment[variable]);
    if (value !== undefined) raw[key] = fromText(key, value);
  }
  return present(check(schema, raw, named(VARIABLES)));
}

function fromFlags(flags: ServeFlags): Layer {
  const raw: Record<string, unknown> = {
    api: flags.api === undefined ? undefined : fromText('api', flags.api),
    metrics: flags.metrics,
    allowRemote: flags.allowRemote,
    tokenFile: flags.tokenFile === undefined ? undefined : fromText('tokenFile', flags.tokenFile),
    platform: flags.platform === undefined ? undefined : fromText('platform', flags.platform),
    apertureMiB: flags.aperture === undefined ? undefined : fromText('apertureMiB', flags.aperture),
    policy: flags.policy,
    apertureBar: flags.apertureBar,
    stateDir: flags.stateDir === undefined ? undefined : fromText('stateDir', flags.stateDir),
    sysfs: flags.sysfs === undefined ? undefined : fromText('sysfs', flags.sysfs),
    vnc: flags.vnc === undefined ? undefined : fromText('vnc', flags.vnc),
    xen: flags.xen,
    demo: flags.demo,
    replay: flags.replay?.map((file) => resolve(file)),
  };
  return present(check(schema, raw, named(FLAGS)));
}

function fromText(key: string, value: string): unknown {
  switch (key) {
    case 'apertureMiB':
      return /^\d+$/.test(value) ? Number(value) : value;
    case 'allowRemote':
    case 'demo':
      return value === 'true' || value === '1' ? true : value === 'false' || value === '0' ? false : value;
    case 'platform':
      return value.toUpperCase();
    case 'vnc':
      return value.includes('/') ? resolve(value) : value;
    case 'replay':
      return value.split(delimiter).map((file) => (file === '' ? file : resolve(file)));
    case 'api':
    case 'stateDir':
    case 'tokenFile':
    case 'sysfs':
      return resolve(value);
    default:
      return value;
  }
}

function named(names: Readonly<Partial<Record<string, string>>>): (path: string) => string {
  return (path) => {
    const [key = ''] = /^[^.[]*/.exec(path) ?? [];
    const name = names[key];
    return name === undefined ? path : name + path.slice(key.length);
  };
}

/** A variable set to nothing counts as not set. */
function given(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}

/** Without the keys that are undefined, so that a later layer does not hide an earlier one. */
function present(layer: Layer): Layer {
  return Object.fromEntries(Object.entries(layer).filter(([, value]) => value !== undefined));
}

function namesDiffer(vgpus: readonly VgpuSpec[], context: z.RefinementCtx): void {
  const seen = new Set<string>();
  vgpus.forEach((vgpu, index) => {
    if (seen.has(vgpu.name)) {
      context.addIssue({
        ...brokenRule([], `"${vgpu.name}" is taken by another vGPU of this list`),
        path: [index, 'name'],
      });
    }
    seen.add(vgpu.name);
  });
}

export function parseAddress(value: string): TcpAddress | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(value);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host === undefined || port > 65535 ? undefined : { host, port };
}

function addressOf(value: string): TcpAddress {
  const address = parseAddress(value);
  if (address === undefined) throw new XengtError('XENGT_E_CONFIG', `metrics: "${value}"; allowed: ${METRICS_ALLOWED}`);
  return address;
}

export function formatAddress({ host, port }: TcpAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

const isRoot = () => process.getuid?.() === 0;

/** The same rule for daemon and client, so that they meet without a word. */
export function defaultApiSocket(environment: Environment): string {
  if (isRoot()) return '/run/xengt/api.sock';
  const runtime = given(environment.XDG_RUNTIME_DIR);
  if (runtime !== undefined) return join(runtime, 'xengt', 'api.sock');
  return join(tmpdir(), `xengt-${process.getuid?.() ?? 'user'}`, 'api.sock');
}

function defaultStateDir(environment: Environment): string {
  if (isRoot()) return '/var/lib/xengt';
  return join(given(environment.XDG_STATE_HOME) ?? join(homedir(), '.local', 'state'), 'xengt');
}
