/** The package, made by the project's own script from what is built. */
import { join } from 'node:path';
import { projectRoot } from '../../guest/paths.js';
import { runCommand } from '../../guest/provision/run-command.js';

/** @returns its file, in that folder */
export async function packageMade(folder: string): Promise<string> {
  const script = join(projectRoot(), 'scripts', 'package-deb.mjs');
  return (await runCommand(process.execPath, [script, folder], { cwd: projectRoot() })).trim();
}
