// Builds the native addon where a C++ compiler exists. Without one the install still succeeds: replay, the model GPU
// and the control plane need no descriptors. What is missing then is said here and again by `xengt serve`.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const quiet = { stdio: 'ignore' };
const lacks = [
  ['make', ['--version']],
  ['python3', ['--version']],
  [process.env.CXX ?? 'g++', ['--version']],
].filter(([tool, args]) => spawnSync(tool, args, quiet).status !== 0);

if (!existsSync('binding.gyp')) process.exit(0);
if (lacks.length > 0) {
  const names = lacks.map(([tool]) => tool).join(', ');
  console.warn(
    `xengt: native addon not built, missing: ${names}. Guests over vfio-user need it (Debian: apt-get install g++ make python3).`,
  );
  process.exit(0);
}
const gyp = process.env.npm_config_node_gyp;
const [command, prefix] = gyp ? [process.execPath, [gyp]] : ['node-gyp', []];
const built = spawnSync(command, [...prefix, 'rebuild'], { stdio: 'inherit' });
if (built.status !== 0) console.warn('xengt: native addon not built (see above). Guests over vfio-user need it.');
