/** Lines for systemd's journal: each begins with its priority (sd-daemon(3)). */
import { fstatSync } from 'node:fs';
import type { Environment } from '../config.js';

const PREFIX = { info: '<6>', error: '<3>' } as const;

/** @param fd that lines are written to. systemd says in JOURNAL_STREAM which file is the journal; a child may have another. */
export function isJournal(environment: Environment, fd: number): boolean {
  const { JOURNAL_STREAM: stream } = environment;
  if (stream === undefined || stream === '') return false;
  const { dev, ino } = fstatSync(fd);
  return stream === `${dev}:${ino}`;
}

/** @returns the lines as they are written */
export function logLines(level: keyof typeof PREFIX, text: string, journal: boolean): string {
  if (!journal) return `${text}\n`;
  return text
    .split('\n')
    .map((line) => `${PREFIX[level]}${line}\n`)
    .join('');
}
