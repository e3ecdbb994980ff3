/**
 * The operator's guide, walked as a new user would: on a fresh, booted Debian in which nothing is installed but what the package
 * depends on, block by block and line by line, with the answers that the guide shows.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { atExit } from '../../guest/cleanup.js';
import { cacheFolder, projectRoot } from '../../guest/paths.js';
import { dropPartials, withCacheLock } from '../../guest/provision/cache.js';
import type { Progress } from '../../guest/provision/progress.js';
import { runCommand } from '../../guest/provision/run-command.js';
import { Machine } from '../machine.js';
import { packageMade } from '../packaging/deb.js';
import { provisionCleanRoot } from '../packaging/root.js';
import { blocksOf } from './blocks.js';
import { Walk } from './walk.js';

type Check = (what: string, good: boolean, saw?: string) => void;

export async function guide(check: Check, progress: Progress): Promise<void> {
  const blocks = blocksOf(readFileSync(join(projectRoot(), 'docs', 'operator-guide.md'), 'utf8'));
  const cache = cacheFolder();
  const clean = await withCacheLock(cache, progress, () => {
    dropPartials(cache);
    return provisionCleanRoot(cache, progress);
  });
  const folder = mkdtempSync(join(tmpdir(), 'xengt-walk-'));
  atExit(() => rmSync(folder, { recursive: true, force: true }));
  const root = join(folder, 'root');
  progress('making the package');
  await runCommand('npm', ['run', '--silent', 'build:console'], { cwd: projectRoot() });
  const deb = await packageMade(join(folder, 'deb'));
  await runCommand('cp', ['-a', '--reflink=auto', clean, root]);
  const dist = join(root, 'root', 'dist');
  mkdirSync(dist);
  copyFileSync(deb, join(dist, basename(deb)));
  const machine = await Machine.boot(root);
  try {
    const walk = new Walk(machine, check);
    await walk.all(blocks);
    for (const line of walk.left) progress(`not walked: ${line}`);
    progress(`${walk.walked} lines of the guide were walked, ${walk.left.length} were not`);
    check(
      'most of the guide can be walked',
      walk.walked > 5 * walk.left.length,
      `${walk.walked} and ${walk.left.length}`,
    );
  } finally {
    await machine.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
