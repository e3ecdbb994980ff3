/** A child process whose output is kept, shown and waited on, and which never outlives the rig. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { atExit } from './cleanup.js';
import { Lines } from './lines.js';

export interface ChildOptions {
  /** In messages. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly logFile: string;
  readonly onLine?: ((line: string) => void) | undefined;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class Child {
  readonly lines: Lines;
  readonly exited: Promise<Exit>;
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>;

  constructor(options: ChildOptions) {
    this.lines = new Lines(options.onLine);
    // setpriv makes the kernel end the child with us, however we end; it then becomes the child, under the same pid.
    this.#process = spawn('setpriv', ['--pdeathsig', 'KILL', '--', options.command, ...options.args], {
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      // A group of its own, so that Ctrl-C at the terminal reaches the rig first, which then ends things in order.
      detached: true,
    });
    const log = createWriteStream(options.logFile);
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      const decoder = new StringDecoder('utf8');
      stream.on('data', (chunk: Buffer) => {
        log.write(chunk);
        this.lines.push(decoder.write(chunk));
      });
    }
    // Writing to a child that has just gone is no news: its exit is reported anyway.
    this.#process.stdin.on('error', () => undefined);
    const withdraw = atExit(() => this.#process.kill('SIGKILL'));
    this.exited = new Promise((resolve) => {
      const end = (exit: Exit, reason: string) => {
        withdraw();
        log.end();
        this.lines.close(reason);
        resolve(exit);
      };
      this.#process.once('error', (error) =>
        end({ code: null, signal: null }, `${options.name} did not start: ${error.message}`),
      );
      this.#process.once('close', (code, signal) =>
        end({ code, signal }, `${options.name} ended (${signal === null ? `code ${code}` : signal})`),
      );
    });
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  write(text: string): void {
    this.#process.stdin.write(text);
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Asks the child to end; after the grace period it is made to. */
  async stop(graceMs: number): Promise<Exit> {
    if (this.running) this.kill('SIGTERM');
    const timer = setTimeout(() => this.kill('SIGKILL'), graceMs);
    const exit = await this.exited;
    clearTimeout(timer);
    return exit;
  }
}
