/** Where the Xen rig keeps what it fetched and built, and the logs of its runs. */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { projectRoot } from '../guest/paths.js';

/** Deleting it costs one provisioning and nothing else. */
export function xenCacheFolder(): string {
  const chosen = process.env.XENGT_XEN_CACHE;
  const folder =
    chosen === undefined || chosen === '' ? join(projectRoot(), '.cache', 'xen') : resolve(process.cwd(), chosen);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** The sources of what runs in dom0. */
export function dom0Source(name: string): string {
  return join(projectRoot(), 'test', 'xen', 'dom0', name);
}

const RUNS_KEPT = 8;

/** A fresh folder for one run, which the machine's dom0 mounts: logs of all sides; the oldest runs are dropped. */
export function newShareFolder(): string {
  const runs = join(xenCacheFolder(), 'runs');
  mkdirSync(runs, { recursive: true });
  const old = readdirSync(runs).sort();
  for (const name of old.slice(0, Math.max(0, old.length - RUNS_KEPT + 1))) {
    rmSync(join(runs, name), { recursive: true, force: true });
  }
  const stamp = new Date().toISOString().replace(/[:.]/g, '-');
  const folder = join(runs, `${stamp}-${process.pid}`);
  mkdirSync(join(folder, 'console'), { recursive: true });
  mkdirSync(join(folder, 'guests'));
  return folder;
}
