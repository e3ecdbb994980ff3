/** Guests that a daemon without any of its own shows: the first journals of those that the package carries. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const SHOWN = 2;

export function demoJournals(packageRoot: string): string[] {
  const folder = join(packageRoot, 'assets', 'journals');
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => name.endsWith('.xj'));
  return names
    .sort()
    .slice(0, SHOWN)
    .map((name) => join(folder, name));
}
