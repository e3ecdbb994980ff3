/** Builds what `npm run test:native` runs: libraries without Xen, the driver and the addon, all with the sanitizers. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Root of the checkout; this file runs from dist. */
export const ROOT = ((): string => {
  let at = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(at, 'package.json'))) at = dirname(at);
  return at;
})();

const CXX = process.env.CXX ?? 'g++';
const SANITIZERS = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer'];
const FLAGS = ['-std=gnu++17', '-g', '-O1', '-Wall', '-Wextra', '-Werror', ...SANITIZERS];
const ADDON_FLAGS = ['-Wno-unused-parameter', '-Wno-cast-function-type'];
const ADDON_DEFINES = ['NAPI_VERSION=8', 'NODE_ADDON_API_DISABLE_DEPRECATED', 'NAPI_DISABLE_CPP_EXCEPTIONS'];
/** In the order of LIBRARY in fake_libs.cc. */
const LIBRARIES = ['toolcore', 'call', 'devicemodel', 'foreignmemory', 'evtchn'];

export class BuildError extends Error {}

function compile(what: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(CXX, [...FLAGS, ...args], { cwd: ROOT, encoding: 'utf8' });
  if (error) throw new BuildError(`${CXX}: ${error.message}; install a C++ compiler (Debian: apt-get install g++)`);
  if (status !== 0) throw new BuildError(`${what} does not compile:\n${stderr}`);
}

/** The five libraries in `folder`, and beside them sets with one missing, one too old, and none. */
export function buildLibraries(folder: string): void {
  for (const name of ['none', 'four', 'old']) mkdirSync(join(folder, name), { recursive: true });
  const linked = ['-L', folder, '-lfakehost', `-Wl,-rpath,${folder}`];
  const source = 'test/native/xen/fake_libs.cc';
  compile('the fake host', '-shared', '-fPIC', '-o', join(folder, 'libfakehost.so'), 'test/native/xen/fake_host.cc');
  LIBRARIES.forEach((name, at) => {
    const file = `libxen${name}.so.1`;
    compile(file, `-DLIBRARY=${at}`, '-shared', '-fPIC', '-o', join(folder, file), source, ...linked);
    copyFileSync(join(folder, file), join(folder, 'old', file));
    if (name !== 'evtchn') copyFileSync(join(folder, file), join(folder, 'four', file));
  });
  const old = join(folder, 'old', 'libxendevicemodel.so.1');
  compile('an old library', '-DLIBRARY=2', '-DWITHOUT', '-shared', '-fPIC', '-o', old, source, ...linked);
}

export function buildDriver(folder: string): string {
  const file = join(folder, 'driver');
  const sources = ['test/native/xen/driver.cc', 'native/xen_guest.cc', 'native/xen_libs.cc'];
  compile('the driver', '-o', file, ...sources, '-L', folder, '-lfakehost', `-Wl,-rpath,${folder}`);
  return file;
}

/** Node's headers, as the last build of the addon found them. */
function headers(): string {
  const config = join(ROOT, 'build', 'config.gypi');
  if (!existsSync(config)) throw new BuildError('the addon has never been built here: run `npm rebuild`');
  const [, nodedir] = /"nodedir": "([^"]+)"/.exec(readFileSync(config, 'utf8')) ?? [];
  if (nodedir === undefined) throw new BuildError(`${config} names no folder of Node's headers`);
  return join(nodedir, 'include', 'node');
}

/** The whole addon with the sanitizers. */
export function buildAddon(folder: string): string {
  const gyp = readFileSync(join(ROOT, 'binding.gyp'), 'utf8');
  const sources = [...gyp.matchAll(/"(native\/\w+\.cc)"/g)].map(([, source]) => source!);
  const api = createRequire(import.meta.url)('node-addon-api') as { include_dir: string };
  const includes = ['-I', headers(), '-I', resolve(api.include_dir)];
  const defines = ADDON_DEFINES.map((name) => `-D${name}`);
  const file = join(folder, 'xengt.node');
  compile('the addon', ...ADDON_FLAGS, ...defines, ...includes, '-shared', '-fPIC', '-o', file, ...sources);
  return file;
}

/** What a Node that was built without it must load first. */
export function sanitizerRuntime(): string {
  const { stdout } = spawnSync(CXX, ['-print-file-name=libasan.so'], { encoding: 'utf8' });
  return stdout.trim();
}
