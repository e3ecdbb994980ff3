/** A short-lived folder for sockets: a UNIX socket's path holds 107 bytes, which a checkout's own path may not leave. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atExit } from './cleanup.js';

export function newRunFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'xengt-guest-'));
  atExit(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
