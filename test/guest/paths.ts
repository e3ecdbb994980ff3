/** Where the rig finds the project and where it keeps what it fetched and built. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { XengtError } from '../../src/base/index.js';

function isProjectRoot(folder: string): boolean {
  const manifest = join(folder, 'package.json');
  if (!existsSync(manifest)) return false;
  const parsed: unknown = JSON.parse(readFileSync(manifest, 'utf8'));
  return typeof parsed === 'object' && parsed !== null && 'name' in parsed && parsed.name === 'xengt';
}

/** The checkout, found from this file: the compiled rig runs from dist/, its C and shell sources stay in test/. */
export function projectRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!isProjectRoot(folder)) {
    const parent = dirname(folder);
    if (parent === folder) throw new XengtError('XENGT_E_IO', 'The guest rig runs only inside a checkout of xengt');
    folder = parent;
  }
  return folder;
}

/** The sources of what runs inside a guest. */
export function programSource(...parts: string[]): string {
  return join(projectRoot(), 'test', 'guest', 'program', ...parts);
}

/** The one folder with everything fetched or built; deleting it costs one provisioning and nothing else. */
export function cacheFolder(): string {
  const chosen = process.env.XENGT_CACHE;
  const folder =
    chosen === undefined || chosen === '' ? join(projectRoot(), '.cache', 'guest') : resolve(process.cwd(), chosen);
  mkdirSync(folder, { recursive: true });
  return folder;
}

const LOG_FOLDERS_KEPT = 12;

/** A fresh folder for the logs of one run; the oldest runs are dropped. */
export function newLogFolder(): string {
  const logs = join(cacheFolder(), 'logs');
  mkdirSync(logs, { recursive: true });
  const old = readdirSync(logs).sort();
  for (const name of old.slice(0, Math.max(0, old.length - LOG_FOLDERS_KEPT + 1))) {
    rmSync(join(logs, name), { recursive: true, force: true });
  }
  const stamp = new Date().toISOString().replace(/[:.]/g, '-');
  const folder = join(logs, `${stamp}-${process.pid}`);
  mkdirSync(folder);
  return folder;
}
