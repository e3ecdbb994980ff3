/** Running a program of a root that is not booted. */
import { execFile } from 'node:child_process';
import type { Ran } from '../machine.js';

const RUN_MS = 120_000;

/** Runs a command in the root, with nothing of this machine's environment. */
export function inside(root: string, ...command: string[]): Promise<Ran> {
  const env = {
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    LC_ALL: 'C.UTF-8',
    DEBIAN_FRONTEND: 'noninteractive',
    HOME: '/root',
  };
  return new Promise((resolve) => {
    execFile('chroot', [root, ...command], { env, timeout: RUN_MS, maxBuffer: 1 << 24 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 1, out, err });
    });
  });
}
