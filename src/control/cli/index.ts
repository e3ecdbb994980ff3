/** cli: the command line. Every command answers with a table for people or JSON for programs, and ends with the exit code of its error. */
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { defaultApiSocket, loadConfig, type ServeFlags } from '../config.js';
import { type StartMediator, startDaemon } from '../daemon.js';
import { packageInfo } from '../package-info.js';
import { problemOf } from '../problem.js';
import { completeCommand, completionCommand, manCommand } from './about.js';
import { Client } from './client.js';
import { doctorCommand } from './doctor.js';
import type { Host } from './host.js';
import { logLines } from './journal.js';
import { scanCommand } from './scan.js';
import type { Streams } from './streams.js';
import { sysfsShellCommand } from './sysfs-shell.js';
import { json } from './table.js';
import { top } from './top.js';
import { type Asking, typesCommand, vgpuCommand } from './vgpu.js';

export { type Host, thisHost } from './host.js';
export { processStreams, type Streams } from './streams.js';

/** What a replay found. More may be in it; `--json` shows all. */
export interface ReplayReport {
  readonly events: number;
  readonly answers: number;
  readonly differing: number;
  /** The first answer that differs, in words. */
  readonly first: string | null;
  /** Accesses of the GPU to memory of somebody else. */
  readonly violations: number;
  /** Why the vGPU went to failsafe, null when it did not. */
  readonly failsafe: string | null;
}

/** What the command line cannot do by itself; the wiring in main passes it. */
export interface Engine {
  readonly startMediator: StartMediator;
  /** The machine, as `doctor` looks at it. */
  readonly host: () => Promise<Host>;
  readonly replayFile: (file: string) => Promise<ReplayReport>;
}

const EXIT_DIFFERENT = 1;
const EXIT_USAGE = 2;

/** @returns the exit code */
export async function runCli(args: readonly string[], engine: Engine, streams: Streams): Promise<number> {
  let exitCode = 0;
  const program = new Command('xengt')
    .description('shares one Intel integrated GPU among virtual machines')
    .version(packageInfo().version)
    .option('--api <socket>', 'UNIX socket of the daemon (environment: XENGT_API)')
    .option('--json', 'answer in JSON')
    .showHelpAfterError('(see xengt --help)');
  const asking: Asking = {
    streams,
    wantsJson: () => program.opts<{ json?: boolean }>().json === true,
    client: () => {
      const fromEnvironment = streams.environment.XENGT_API;
      const socket = program.opts<{ api?: string }>().api ?? (fromEnvironment === '' ? undefined : fromEnvironment);
      return new Client(socket ?? defaultApiSocket(streams.environment));
    },
  };

  program.addCommand(serveCommand(program, engine, streams));
  program.addCommand(vgpuCommand(asking));
  program.addCommand(typesCommand(asking));
  program.addCommand(topCommand(asking));
  program.addCommand(
    new Command('replay')
      .description('play a journal into a fresh mediator and compare every answer; ends with 1 when any differs')
      .argument('<file>')
      .action(async (file: string) => {
        const report = await engine.replayFile(file);
        streams.out(asking.wantsJson() ? json(report) : replayText(file, report));
        if (report.differing > 0) exitCode = EXIT_DIFFERENT;
      }),
  );
  program.addCommand(
    scanCommand(streams, asking.wantsJson, (code) => {
      exitCode = code;
    }),
  );

  program.addCommand(
    sysfsShellCommand(streams.environment, (code) => {
      exitCode = code;
    }),
  );

  program.addCommand(
    doctorCommand(asking, engine.host, (code) => {
      exitCode = code;
    }),
  );
  program.addCommand(completionCommand(asking));
  program.addCommand(manCommand(asking, packageInfo().version, () => program));
  program.addCommand(
    completeCommand(asking, () => program),
    { hidden: true },
  );

  for (const command of withSubcommands(program)) {
    command.exitOverride().configureOutput({ writeOut: streams.out, writeErr: streams.err });
  }
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    // Commander has said what it had to say; help and version end with 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
    return complain(error, asking.wantsJson(), streams);
  }
}

function complain(error: unknown, asJson: boolean, streams: Streams): number {
  const problem = problemOf(error);
  if (asJson) streams.err(json(problem));
  else streams.err(`xengt: ${problem.detail}\n  ${problem.remedy} (${problem.code})\n`);
  return problem.exitCode;
}

function serveCommand(program: Command, engine: Engine, streams: Streams): Command {
  return new Command('serve')
    .description('run the daemon')
    .option('--config <file>', 'configuration, JSON (environment: XENGT_CONFIG)')
    .option('--metrics <host:port>', "address of page and metrics, or 'off' (XENGT_METRICS)")
    .option('--allow-remote', 'let --metrics be an address that other machines reach (XENGT_ALLOW_REMOTE)')
    .option(
      '--token-file <file>',
      'who has its token may change things over TCP, nobody else may ask (XENGT_TOKEN_FILE)',
    )
    .option('--platform <name>', 'HSW, BDW, SKL, KBL, CFL or CML (XENGT_PLATFORM)')
    .option('--aperture <MiB>', '256, 512, 1024 or 2048; HSW: 512 at most (XENGT_APERTURE_MIB)')
    .option('--aperture-bar <bar>', 'BAR of the host that Xen guests reach as their aperture (XENGT_APERTURE_BAR)')
    .option('--policy <name>', 'how the engines are shared: shares (by weight) or priority (XENGT_POLICY)')
    .option('--state-dir <folder>', 'folder for the state of the daemon (XENGT_STATE_DIR)')
    .option('--sysfs <folder>', 'mount the tree of attributes there (XENGT_SYSFS)')
    .option('--vnc <place>', "the guests' screens for VNC viewers: a folder for UNIX sockets, or HOST:PORT (XENGT_VNC)")
    .option(
      '--xen <mode>',
      'give vGPUs to domains of this Xen host that ask: auto (where xenstored is), on, off (XENGT_XEN)',
    )
    .option('--replay <file...>', 'journals to replay as guests (XENGT_REPLAY, separated by colons)')
    .option('--no-demo', 'without guests of its own the daemon starts empty (XENGT_DEMO=false)')
    .action(async (options: Omit<ServeFlags, 'api' | 'demo'> & { demo: boolean }) => {
      const { demo, ...rest } = options;
      const { api } = program.opts<{ api?: string }>();
      const flags: ServeFlags = { ...rest, ...(api === undefined ? {} : { api }), ...(demo ? {} : { demo }) };
      const config = loadConfig(flags, streams.environment);
      const interruption = streams.interruption();
      const daemon = await startDaemon(config, engine.startMediator, {
        info: (line) => streams.out(logLines('info', line, streams.journal)),
        error: (line) => streams.err(logLines('error', line, streams.journal)),
      });
      await aborted(interruption);
      streams.out('stopping\n');
      await daemon.stop();
    });
}

function topCommand(asking: Asking): Command {
  return new Command('top')
    .description('what the engines do, live')
    .option('-J', 'one line of JSON per look')
    .option('-n <count>', 'looks to show (default: until interrupted)', wholeAbove0)
    .option('-s <seconds>', 'seconds between looks', secondsAbove0, 1)
    .action(async (options: { J?: boolean; n?: number; s: number }) => {
      const jsonLines = options.J === true || asking.wantsJson();
      await top(asking.client(), { jsonLines, count: options.n ?? Infinity, seconds: options.s }, asking.streams);
    });
}

function replayText(file: string, report: ReplayReport): string {
  const differing =
    report.differing === 0 ? 'none differs' : `${report.differing} differ; first: ${report.first ?? '-'}`;
  const lines = [`${file}: ${report.events} events, ${report.answers} answers compared, ${differing}`];
  if (report.violations > 0) lines.push(`isolation violations: ${report.violations}`);
  if (report.failsafe !== null) lines.push(`the vGPU went to failsafe: ${report.failsafe}`);
  return `${lines.join('\n')}\n`;
}

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

function wholeAbove0(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('Allowed: a whole number from 1.');
  return Number(text);
}

function secondsAbove0(text: string): number {
  const seconds = Number(text);
  if (!(seconds >= 0.05 && seconds <= 3600)) throw new InvalidArgumentError('Allowed: seconds from 0.05 to 3600.');
  return seconds;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
