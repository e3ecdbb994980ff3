/** `xengt vgpu …` and `xengt types`: each is one request and one table. */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { reasonOf, XengtError } from '../../base/index.js';
import { edidToHex, PLUGS } from '../../hw/index.js';
import type { PortInfo, TypeInfo, UnknownRegister, VgpuInfo, VgpuSnapshot } from '../../mediator/api.js';
import { readEdid } from '../monitors.js';
import { snapshotText } from '../snapshot-text.js';
import { guestOf } from '../transport.js';
import type { Client } from './client.js';
import { definitionCommands } from './definitions.js';
import type { Streams } from './streams.js';
import { json, table } from './table.js';

/** What every command that asks the daemon shares. */
export interface Asking {
  readonly streams: Streams;
  client(): Client;
  wantsJson(): boolean;
}

export interface CreateOptions {
  readonly vm?: string;
  readonly type?: string;
  readonly low?: string;
  readonly high?: string;
  readonly fences?: string;
  readonly weight?: string;
  readonly cap?: string;
  readonly priority?: string;
  readonly monitor: boolean;
  readonly port?: readonly string[];
  readonly scanProcesses?: string;
  readonly pageTables?: string;
  readonly socket?: string;
  readonly domain?: string;
  readonly replay?: string;
  readonly loop?: boolean;
  readonly record?: string;
}

interface MonitorOptions {
  readonly port?: string;
  readonly type?: string;
  readonly mode?: string;
  readonly edid?: string;
}

interface ShareOptions {
  readonly weight?: string;
  readonly cap?: string;
  readonly priority?: string;
}

const at = (vgpu: string) => `/v1/vgpus/${encodeURIComponent(vgpu)}`;

/** The options that say what a vGPU is to be. */
export function withSpec(command: Command): Command {
  return command
    .option('--socket <path>', 'the guest attaches over vfio-user at this UNIX socket')
    .option('--domain <domain>', 'the guest is this domain, by number or name, of the Xen host that the daemon runs on')
    .option('--replay <file>', 'the guest is this journal')
    .option('--loop', 'start the journal again when it ends')
    .option('--type <type>', 'a type that `xengt types` lists')
    .option('--low <MiB>', 'own size: CPU-mappable graphics memory, with --high and --fences')
    .option('--high <MiB>', 'own size: hidden graphics memory')
    .option('--fences <n>', 'own size: fence registers')
    .option('--weight <n>', 'share of GPU time relative to the others')
    .option('--cap <percent>', 'most of an engine’s time that it may have (default: 100, no limit)')
    .option('--priority <n>', 'who goes first where the daemon runs by priority: 0 (the default) to 15')
    .option('--vm <label>', 'name of the virtual machine, for accounting (default: the name)')
    .option('--no-monitor', 'no virtual monitor is plugged in')
    .option(
      '--port <monitor...>',
      'another monitor: PORT[,DP|HDMI][,MODE|EDID-FILE] such as B,HDMI,1920x1080@60; again for more',
    )
    .option(
      '--page-tables <how>',
      'follow page tables by write protection where possible (auto, the default), or compare',
    )
    .option('--scan-processes <engines>', "judge batches of the guest's processes: needed (the default) or all")
    .option('--record <file>', 'write a journal of everything that the guest does');
}

export function vgpuCommand(asking: Asking): Command {
  const { streams } = asking;
  const command = new Command('vgpu').description('create, look at, keep and remove vGPUs');
  definitionCommands(command, asking);

  withSpec(
    command
      .command('create')
      .description('make a vGPU and where its guest comes from')
      .argument('<name>', 'unique name'),
  ).action(async (name: string, options: CreateOptions) => {
    const created = await asking.client().json<VgpuInfo>('POST', '/v1/vgpus', bodyOf(name, options));
    streams.out(
      asking.wantsJson() ? json(created) : `vGPU ${created.id} "${created.name}" created: ${summary(created)}\n`,
    );
  });

  command
    .command('list')
    .description('all vGPUs')
    .action(async () => {
      const { vgpus } = await asking.client().json<{ vgpus: VgpuInfo[] }>('GET', '/v1/vgpus');
      streams.out(asking.wantsJson() ? json(vgpus) : listing(vgpus));
    });

  command
    .command('show')
    .description('one vGPU, by id or name')
    .argument('<vgpu>')
    .option('--registers', 'with the registers that it touched and that have no row')
    .addOption(new Option('--screen <file>', 'write the picture on its screen as PNG'))
    .action(async (vgpu: string, options: { registers?: boolean; screen?: string }) => {
      const client = asking.client();
      const info = await client.json<VgpuInfo>('GET', at(vgpu));
      if (options.screen !== undefined) save(options.screen, await client.bytes(`${at(vgpu)}/screen.png`));
      const unknown = options.registers
        ? (await client.json<{ registers: UnknownRegister[] }>('GET', `${at(vgpu)}/unknown-registers`)).registers
        : undefined;
      if (asking.wantsJson()) streams.out(json(unknown === undefined ? info : { ...info, unknownRegisters: unknown }));
      else streams.out(details(info) + (unknown === undefined ? '' : `\n${registers(unknown)}`));
    });

  command
    .command('monitor')
    .description('plug or unplug a virtual monitor, or plug in another one')
    .argument('<vgpu>')
    .argument('<state>', 'connect or disconnect')
    .option('--port <port>', "B, C or D (default: where the vGPU's own monitor is)")
    .option('--type <type>', 'with what it is plugged in: DP or HDMI')
    .option('--mode <mode>', 'a monitor that prefers this mode, such as 2560x1440@60')
    .option('--edid <file>', 'a monitor with this EDID')
    .action(async (vgpu: string, state: string, options: MonitorOptions) => {
      if (state !== 'connect' && state !== 'disconnect') {
        throw new XengtError('XENGT_E_USAGE', `state: "${state}" is not allowed; allowed: connect, disconnect`);
      }
      const connected = state === 'connect';
      const client = asking.client();
      const { port, ...monitor } = options;
      const plain = Object.keys(options).length === 0;
      const where = port ?? (plain ? '' : await ownPort(client, vgpu));
      const info = plain
        ? await client.json<VgpuInfo>('PUT', `${at(vgpu)}/monitor`, { connected })
        : await client.json<VgpuInfo>('PUT', `${at(vgpu)}/ports/${encodeURIComponent(where)}`, {
            connected,
            ...withEdid(monitor),
          });
      const which = where === '' ? '' : ` on port ${where}`;
      streams.out(asking.wantsJson() ? json(info) : `vGPU ${info.id} "${info.name}": monitor${which} ${state}ed\n`);
    });

  command
    .command('scan-processes')
    .description("judge batches of the guest's processes where the hardware does not check them, or on all engines")
    .argument('<vgpu>')
    .argument('<engines>', 'needed or all')
    .action(async (vgpu: string, engines: string) => {
      if (engines !== 'needed' && engines !== 'all') {
        throw new XengtError('XENGT_E_USAGE', `engines: "${engines}" is not allowed; allowed: needed, all`);
      }
      const info = await asking
        .client()
        .json<VgpuInfo>('PUT', `${at(vgpu)}/scan-processes`, { scanProcesses: engines });
      streams.out(
        asking.wantsJson() ? json(info) : `vGPU ${info.id} "${info.name}": batches of processes: ${scanned(info)}\n`,
      );
    });

  command
    .command('set')
    .description('change how a vGPU shares the engines, from the next period on')
    .argument('<vgpu>')
    .option('--weight <n>', 'share of GPU time relative to the others')
    .option('--cap <percent>', 'most of an engine’s time that it may have; 100: no limit')
    .option('--priority <n>', 'who goes first where the daemon runs by priority: 0 to 15')
    .action(async (vgpu: string, options: ShareOptions) => {
      const { weight, cap, priority } = options;
      if (weight === undefined && cap === undefined && priority === undefined) {
        throw new XengtError('XENGT_E_USAGE', 'Give at least one of --weight, --cap and --priority');
      }
      const change = { weight: numeral(weight), cap: numeral(cap), priority: numeral(priority) };
      const info = await asking.client().json<VgpuInfo>('PATCH', at(vgpu), change);
      streams.out(asking.wantsJson() ? json(info) : `vGPU ${info.id} "${info.name}": ${shared(info)}\n`);
    });

  command
    .command('revive')
    .description('take a vGPU out of failsafe; its guest finds a device that was just reset')
    .argument('<vgpu>')
    .action(async (vgpu: string) => {
      const info = await asking.client().json<VgpuInfo>('POST', `${at(vgpu)}/revive`);
      streams.out(asking.wantsJson() ? json(info) : `vGPU ${info.id} "${info.name}": ${info.state}\n`);
    });

  command
    .command('reset')
    .description("reset a vGPU's PCI device under its guest, whose driver does not expect that")
    .argument('<vgpu>')
    .action(async (vgpu: string) => {
      const info = await asking.client().json<VgpuInfo>('POST', `${at(vgpu)}/reset`);
      streams.out(asking.wantsJson() ? json(info) : `vGPU ${info.id} "${info.name}": reset\n`);
    });

  command
    .command('snapshot')
    .description('what the driver of its guest has made of a vGPU up to now: registers, what is mapped and queued')
    .argument('<vgpu>')
    .action(async (vgpu: string) => {
      const snapshot = await asking.client().json<VgpuSnapshot>('GET', `${at(vgpu)}/snapshot`);
      streams.out(asking.wantsJson() ? json(snapshot) : snapshotText(snapshot));
    });

  command
    .command('remove')
    .description('remove a vGPU, by id or name; its guest loses the device')
    .argument('<vgpu>')
    .action(async (vgpu: string) => {
      await asking.client().json<null>('DELETE', at(vgpu));
      streams.out(asking.wantsJson() ? json({ removed: vgpu }) : `vGPU "${vgpu}" removed\n`);
    });

  return command;
}

export function typesCommand(asking: Asking): Command {
  return new Command('types').description('vGPU types and how many of each still fit').action(async () => {
    const { types } = await asking.client().json<{ types: TypeInfo[] }>('GET', '/v1/types');
    const shown = table<TypeInfo>(
      [
        { head: 'TYPE', cell: (type) => type.name },
        { head: 'LOW MiB', cell: (type) => type.lowMiB },
        { head: 'HIGH MiB', cell: (type) => type.highMiB },
        { head: 'FENCES', cell: (type) => type.fences },
        { head: 'WEIGHT', cell: (type) => type.weight },
        { head: 'RESOLUTION', cell: (type) => type.resolution },
        { head: 'AVAILABLE', cell: (type) => type.availableInstances },
      ],
      types,
    );
    asking.streams.out(asking.wantsJson() ? json(types) : shown);
  });
}

/** The daemon checks; here texts only become what JSON has for them, and paths become absolute, for the daemon has its own folder. */
export function bodyOf(name: string, options: CreateOptions): unknown {
  const { socket, domain, replay } = options;
  if ([socket, domain, replay].filter((source) => source !== undefined).length !== 1) {
    throw new XengtError(
      'XENGT_E_USAGE',
      'Give one of --socket PATH (a guest over vfio-user), --domain NAME|ID (a domain of Xen) and --replay FILE (a journal)',
    );
  }
  return {
    name,
    vm: options.vm,
    type: options.type,
    lowMiB: numeral(options.low),
    highMiB: numeral(options.high),
    fences: numeral(options.fences),
    weight: numeral(options.weight),
    cap: numeral(options.cap),
    priority: numeral(options.priority),
    monitor: options.monitor,
    ports: options.port?.map(setupOf),
    scanProcesses: options.scanProcesses,
    pageTables: options.pageTables,
    transport: socket !== undefined ? 'vfio-user' : domain !== undefined ? 'xen' : 'replay',
    socket: absolute(socket),
    domain: numeral(domain),
    file: absolute(replay),
    loop: options.loop,
    record: absolute(options.record),
  };
}

/** The EDID itself travels, not its path: the daemon need not see the same files. */
function withEdid<T extends { readonly edid?: string }>({ edid, ...rest }: T) {
  return edid === undefined ? rest : { ...rest, edid: edidToHex(readEdid(resolve(edid))) };
}

/** PORT[,DP|HDMI][,MODE|EDID-FILE]; what is none of it is left to the daemon to refuse. */
function setupOf(text: string) {
  const [port, ...parts] = text.split(',');
  const type = PLUGS.find((plug) => plug === parts[0]);
  const [what, ...more] = type === undefined ? parts : parts.slice(1);
  if (more.length > 0) {
    throw new XengtError('XENGT_E_USAGE', `--port: "${text}" is not allowed; allowed: PORT[,DP|HDMI][,MODE|EDID-FILE]`);
  }
  const monitor = what === undefined ? {} : /^\d+x\d+@/.test(what) ? { mode: what } : withEdid({ edid: what });
  return { port, ...(type !== undefined && { type }), ...monitor };
}

/** The first port that has a monitor, else the first that there is. */
async function ownPort(client: Client, vgpu: string): Promise<string> {
  const { ports } = await client.json<VgpuInfo>('GET', at(vgpu));
  return (ports.find(({ connected }) => connected) ?? ports.at(-1))?.port ?? '';
}

const numeral = (text: string | undefined) => (text !== undefined && /^\d+$/.test(text) ? Number(text) : text);
const absolute = (path: string | undefined) => (path === undefined ? undefined : resolve(path));

function save(file: string, bytes: Buffer): void {
  try {
    writeFileSync(file, bytes);
  } catch (error) {
    throw new XengtError('XENGT_E_IO', `Cannot write ${file}: ${reasonOf(error)}`, { cause: error });
  }
}

const modeOf = ({ mode }: VgpuInfo) =>
  mode === null ? '-' : `${mode.width}x${mode.height}@${Math.round(mode.refreshHz)}`;
const portLine = ({ type, connected, monitor, preferred, pipe }: PortInfo) =>
  `${type} ${connected ? 'connected' : 'disconnected'}: ${[monitor, preferred, pipe && `pipe ${pipe}`].filter(Boolean).join(', ')}`;
const scanned = ({ scanProcesses }: VgpuInfo) =>
  scanProcesses === 'all' ? 'judged on all engines' : 'judged where the hardware does not check them';
const shared = ({ weight, cap, priority }: VgpuInfo) =>
  `weight ${weight}, ${cap === 100 ? 'no cap' : `cap ${cap} %`}, priority ${priority}`;
const summary = (info: VgpuInfo) =>
  `${info.type}, ${info.lowMiB}+${info.highMiB} MiB, ${info.fences} fences, ${info.transport.kind} ${guestOf(info.transport)}`;

function listing(vgpus: readonly VgpuInfo[]): string {
  if (vgpus.length === 0) return 'No vGPUs. Create one with `xengt vgpu create`.\n';
  return table<VgpuInfo>(
    [
      { head: 'ID', cell: (vgpu) => vgpu.id },
      { head: 'NAME', cell: (vgpu) => vgpu.name },
      { head: 'VM', cell: (vgpu) => vgpu.vm },
      { head: 'TYPE', cell: (vgpu) => vgpu.type },
      { head: 'WEIGHT', cell: (vgpu) => vgpu.weight },
      { head: 'STATE', cell: (vgpu) => vgpu.state },
      { head: 'MODE', cell: modeOf },
      { head: 'GUEST', cell: (vgpu) => guestOf(vgpu.transport) },
    ],
    vgpus,
  );
}

function details(info: VgpuInfo): string {
  const lines: readonly (readonly [string, string])[] = [
    ['id', String(info.id)],
    ['name', info.name],
    ['vm', info.vm],
    ['type', info.type],
    ['low', `${info.lowMiB} MiB`],
    ['high', `${info.highMiB} MiB`],
    ['fences', String(info.fences)],
    ['share', shared(info)],
    ['monitor', info.monitor ? 'connected' : 'disconnected'],
    ...info.ports.map((port) => [`port ${port.port}`, portLine(port)] as const),
    ['guest', `${info.transport.kind} ${guestOf(info.transport)}`],
    ['state', info.reason === null ? info.state : `${info.state}: ${info.reason}`],
    ['dropped', info.lastDropped ?? '-'],
    ['scan', scanned(info)],
    ['mode', modeOf(info)],
  ];
  return lines.map(([key, value]) => `${key.padEnd(8)} ${value}\n`).join('');
}

function registers(unknown: readonly UnknownRegister[]): string {
  if (unknown.length === 0) return 'No unknown registers.\n';
  return table<UnknownRegister>(
    [
      { head: 'OFFSET', cell: (register) => `0x${register.offset.toString(16).padStart(5, '0')}` },
      { head: 'NAME', cell: (register) => register.name ?? '-' },
      { head: 'READS', cell: (register) => register.reads },
      { head: 'WRITES', cell: (register) => register.writes },
    ],
    unknown,
  );
}
