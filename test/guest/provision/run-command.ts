/** Running a program to its end, with its output kept for the error text. */
import { spawn } from 'node:child_process';
import { XengtError } from '../../../src/base/index.js';
import { atExit } from '../cleanup.js';

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Called with each line of output, to show progress. */
  readonly onLine?: (line: string) => void;
}

const KEPT_ERROR_LINES = 15;

function environment(extra: CommandOptions['env']): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: 'C.UTF-8', DEBIAN_FRONTEND: 'noninteractive', ...extra };
}

/** Runs `command` without a shell and gives back its standard output; a non-zero exit is an error with the last lines. */
export function runCommand(command: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    // If we are killed, the kernel ends the command too: it must not go on writing to the cache unlocked.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', command, ...args], {
      cwd: options.cwd ?? process.cwd(),
      env: environment(options.env),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const withdraw = atExit(() => child.kill('SIGKILL'));
    const out: Buffer[] = [];
    const tail: string[] = [];
    const partial = ['', ''];
    const keepLines = (stream: 0 | 1, chunk: Buffer) => {
      const lines = (partial[stream] + chunk.toString('utf8')).split(/[\r\n]+/);
      partial[stream] = lines.pop() ?? '';
      for (const line of lines) {
        if (line === '') continue;
        tail.push(line);
        if (tail.length > KEPT_ERROR_LINES) tail.shift();
        options.onLine?.(line);
      }
    };
    child.stdout.on('data', (chunk: Buffer) => {
      out.push(chunk);
      keepLines(0, chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => keepLines(1, chunk));
    child.on('error', (cause) => {
      withdraw();
      reject(new XengtError('XENGT_E_IO', `Cannot run ${command}: ${cause.message}`, { cause }));
    });
    child.on('close', (code, signal) => {
      withdraw();
      if (code === 0) {
        resolve(Buffer.concat(out).toString('utf8'));
        return;
      }
      const how = code === null ? `was killed by ${signal}` : `ended with exit code ${code}`;
      const last = [...tail, partial[0], partial[1]].filter((line) => line !== '').join('\n  ');
      reject(new XengtError('XENGT_E_IO', `${command} ${args.join(' ')} ${how}\n  ${last}`));
    });
  });
}

const ISOLATED = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc', '--'];

/**
 * Runs `command` with mounts and processes of its own, so that whatever it mounts or starts ends with it, even if it or
 * the rig is killed. Where the system does not allow that (a container without the privilege), it runs as it is.
 */
export async function runIsolated(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  mayIsolate ??= runCommand('unshare', [...ISOLATED, 'true']).then(
    () => true,
    () => false,
  );
  if (!(await mayIsolate)) return runCommand(command, args, options);
  return runCommand('unshare', [...ISOLATED, command, ...args], options);
}

let mayIsolate: Promise<boolean> | undefined;

/** True if `command --version` can be run at all. */
export async function haveCommand(command: string): Promise<boolean> {
  try {
    await runCommand('sh', ['-c', `command -v "${command}"`]);
    return true;
  } catch (error) {
    if (error instanceof XengtError) return false;
    throw error;
  }
}
