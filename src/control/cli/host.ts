/** What `xengt doctor` looks at of the machine; tests look at another one. */
import { execFile } from 'node:child_process';
import { accessSync, constants, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { loadNative, nativeMissing } from '../../hypervisor/index.js';

export interface Host {
  readonly node: string;
  readonly uid: number;
  /** Null where the file is not there or not ours to read. */
  read(path: string): string | null;
  list(path: string): readonly string[];
  /** Last part of where a link leads; null where there is none. */
  link(path: string): string | null;
  mayReadAndWrite(path: string): boolean;
  /** What a program prints; null where it cannot be run. */
  run(command: string, args: readonly string[]): Promise<string | null>;
  /** Null when the addon is loaded, else what is missing. */
  addon(): string | null;
}

const RUN_MS = 5000;

function orNull<T>(look: () => T): T | null {
  try {
    return look();
  } catch (error) {
    // Whatever the reason is that it cannot be seen: for who asks what is there, it is not.
    if (error instanceof Error && 'code' in error) return null;
    throw error;
  }
}

export function thisHost(): Host {
  return {
    node: process.version,
    uid: process.getuid?.() ?? -1,
    read: (path) => orNull(() => readFileSync(path, 'utf8')),
    list: (path) => orNull(() => readdirSync(path)) ?? [],
    link: (path) => orNull(() => readlinkSync(path).split('/').at(-1) ?? null),
    mayReadAndWrite: (path) => orNull(() => accessSync(path, constants.R_OK | constants.W_OK)) !== null,
    run: (command, args) =>
      new Promise((resolve) => {
        execFile(command, [...args], { timeout: RUN_MS }, (error, out) => resolve(error === null ? out : null));
      }),
    addon: () => (loadNative() === null ? nativeMissing() : null),
  };
}
