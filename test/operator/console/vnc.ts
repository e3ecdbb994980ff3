/** What a VNC viewer of Debian's packages sees of a display. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import type { Screen } from '../../../src/mediator/api.js';
import { inViewers } from './root.js';

const CAPTURE_MS = 60_000;
/** Display :0 is this port. */
const FIRST_PORT = 5900;

/** @returns the picture, or what the viewer said instead */
export async function captureDisplay(root: string, port: number): Promise<Screen | string> {
  const inside = `/var/tmp/display-${port}.png`;
  const file = join(root, inside);
  rmSync(file, { force: true });
  const { command, args } = inViewers(root, ['gvnccapture', `127.0.0.1:${port - FIRST_PORT}`, inside]);
  const said = await new Promise<string>((resolve) => {
    execFile(command, args, { timeout: CAPTURE_MS }, (error, out, err) =>
      resolve(`${out}${err}${error?.message ?? ''}`),
    );
  });
  if (!existsSync(file)) return said === '' ? 'no picture' : said;
  const { width, height, data } = PNG.sync.read(readFileSync(file));
  rmSync(file);
  return { width, height, rgba: data };
}
