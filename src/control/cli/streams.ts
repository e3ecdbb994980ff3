/** What a command runs against: its output, its environment and how it is interrupted. The process has one, tests another. */
import type { Environment } from '../config.js';
import { isJournal } from './journal.js';

export interface Streams {
  out(text: string): void;
  err(text: string): void;
  readonly environment: Environment;
  /** `out` is a terminal: tables may be redrawn in place. */
  readonly terminal: boolean;
  /** What is written goes to systemd's journal. */
  readonly journal: boolean;
  /**
   * Ends what runs until told to stop (`serve`, `top`). Who asks for it takes over the signals; for all other commands
   * they end the process as usual.
   */
  interruption(): AbortSignal;
}

/** The process itself. SIGINT and SIGTERM interrupt; a second one ends at once. */
export function processStreams(): Streams {
  const interrupt = new AbortController();
  let taken = false;
  // A reader that went away (`xengt top | head`) is an end, not an error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    interrupt.abort();
  });
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    environment: process.env,
    terminal: process.stdout.isTTY === true,
    journal: isJournal(process.env, process.stdout.fd),
    interruption: () => {
      if (!taken) for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupt.abort());
      taken = true;
      return interrupt.signal;
    },
  };
}
