/** What dom0 gets of the project: as installed, with this host's Node.js, on a read-only disk image made for each run. */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { XengtError } from '../../../src/base/index.js';
import { projectRoot } from '../../guest/paths.js';
import { runCommand } from '../../guest/provision/run-command.js';
import { makeExt4 } from './tools-root.js';

/** Debian 12's C and C++ libraries, which dom0 has. */
const GLIBC_MINOR = 36;
const GLIBCXX_PATCH = 30;

/** Refuses a binary that wants newer symbol versions than dom0's libraries have. */
function checkLibraries(file: string): void {
  const text = readFileSync(file).toString('latin1');
  for (const match of text.matchAll(/GLIBC_2\.(\d+)|GLIBCXX_3\.4\.(\d+)/g)) {
    const tooNew = match[1] === undefined ? Number(match[2]) > GLIBCXX_PATCH : Number(match[1]) > GLIBC_MINOR;
    if (!tooNew) continue;
    throw new XengtError('XENGT_E_UNAVAILABLE', `${file} needs ${match[0]}, which Debian 12 in dom0 does not have`);
  }
}

async function productionModules(project: string): Promise<string[]> {
  const listed = await runCommand('npm', ['ls', '--omit=dev', '--all', '--parseable'], { cwd: project });
  return listed.split('\n').filter((path) => path.startsWith(join(project, 'node_modules')));
}

/** Builds the image at `image`; `scratch` is a folder that it may use and removes. */
export async function buildPayload(tools: string, image: string, scratch: string): Promise<void> {
  const project = projectRoot();
  const addon = join(project, 'build/Release/xengt.node');
  for (const needed of [addon, join(project, 'dist/src/main.js')]) {
    if (!existsSync(needed)) throw new XengtError('XENGT_E_UNAVAILABLE', `${needed} is missing; run: npm ci`);
  }
  checkLibraries(addon);
  checkLibraries(process.execPath);
  const copy = (from: string) => cpSync(from, join(scratch, relative(project, from)), { recursive: true });
  mkdirSync(join(scratch, 'bin'), { recursive: true });
  try {
    cpSync(process.execPath, join(scratch, 'bin/node'));
    for (const name of ['package.json', 'dist/src', 'assets', 'packaging']) {
      if (existsSync(join(project, name))) copy(join(project, name));
    }
    copy(addon);
    for (const folder of await productionModules(project)) copy(folder);
    await makeExt4(tools, scratch, image, 320);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
