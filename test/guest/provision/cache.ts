/**
 * The cache folder's two rules. One process at a time changes it: the lock is a kernel lock held by a child that dies
 * with us, so it can never be left behind. A thing is there whole or not at all: each step builds under a temporary name
 * and renames at its end, so an interrupted run is simply continued by the next.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { XengtError } from '../../../src/base/index.js';
import type { Progress } from './progress.js';

const TEMPORARY = '.partial-';

/** Holds the cache's lock while `work` runs, waiting for another run that has it. */
export async function withCacheLock<T>(folder: string, progress: Progress, work: () => Promise<T>): Promise<T> {
  const lockFile = join(folder, 'lock');
  // `cat` lives as long as our end of its standard input: the kernel drops the lock however this process ends.
  const holder = spawn('flock', ['--exclusive', lockFile, 'sh', '-c', 'echo locked; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const waiting = setTimeout(() => progress(`waiting for another run that provisions ${folder}`), 1000);
  try {
    await new Promise<void>((resolve, reject) => {
      holder.stdout.once('data', () => resolve());
      holder.once('error', (cause) =>
        reject(new XengtError('XENGT_E_IO', `Cannot lock ${lockFile} (util-linux's flock is needed)`, { cause })),
      );
      holder.once('exit', (code) => reject(new XengtError('XENGT_E_IO', `flock ${lockFile} ended with code ${code}`)));
    });
  } finally {
    clearTimeout(waiting);
  }
  try {
    return await work();
  } finally {
    holder.stdin.end();
    await new Promise<void>((resolve) => {
      if (holder.exitCode !== null) resolve();
      else holder.once('exit', () => resolve());
    });
  }
}

/** Removes what an interrupted run left; only under the lock. */
export function dropPartials(folder: string): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(TEMPORARY)) continue;
    // Whoever made it may still be on its way out.
    rmSync(join(folder, name), { recursive: true, force: true, maxRetries: 10, retryDelay: 500 });
  }
}

/** Makes sure that `target` exists: if it does not, `build` makes it under a temporary name beside it. */
export async function once(target: string, build: (temporary: string) => Promise<void>): Promise<boolean> {
  if (existsSync(target)) return false;
  const folder = dirname(target);
  mkdirSync(folder, { recursive: true });
  dropPartials(folder);
  const temporary = join(folder, `${TEMPORARY}${basename(target)}`);
  await build(temporary);
  renameSync(temporary, target);
  return true;
}
