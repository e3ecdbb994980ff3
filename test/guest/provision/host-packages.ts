/** Programs that the host itself must have; installed by apt-get where we may, asked for by name where we may not. */
import { existsSync } from 'node:fs';
import { XengtError } from '../../../src/base/index.js';
import type { Progress } from './progress.js';
import { haveCommand, runCommand } from './run-command.js';

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** What a host package is recognised by: a command on the path, or a file. */
interface HostPackage {
  readonly name: string;
  readonly command?: string;
  readonly file?: string;
}

export const MMDEBSTRAP: HostPackage = { name: 'mmdebstrap', command: 'mmdebstrap' };
export const GCC: HostPackage = { name: 'gcc', command: 'gcc' };
export const E2FSPROGS: HostPackage = { name: 'e2fsprogs', command: 'mke2fs' };
export const LIBC_DEV: HostPackage = { name: 'libc6-dev', file: '/usr/include/stdio.h' };

async function isThere(item: HostPackage): Promise<boolean> {
  if (item.file !== undefined) return existsSync(item.file);
  return item.command === undefined || (await haveCommand(item.command));
}

/** Installs those of `items` that are missing. */
export async function needHostPackages(items: readonly HostPackage[], progress: Progress): Promise<void> {
  const missing: string[] = [];
  for (const item of items) if (!(await isThere(item))) missing.push(item.name);
  if (missing.length === 0) return;
  const list = missing.join(' ');
  if (!(await haveCommand('apt-get')) || !isRoot()) {
    throw new XengtError(
      'XENGT_E_UNAVAILABLE',
      `The guest rig needs ${list}; as root on a Debian machine run: apt-get install --no-install-recommends ${list}`,
    );
  }
  progress(`installing ${list} on this machine`);
  const install = ['install', '-y', '--no-install-recommends', ...missing];
  try {
    await runCommand('apt-get', install);
  } catch (error) {
    if (!(error instanceof XengtError)) throw error;
    // Package lists may be missing or old on a fresh machine: one refresh, then the second failure counts.
    await runCommand('apt-get', ['update']);
    await runCommand('apt-get', install);
  }
}
