/**
 * `npm run test:operator`: the operator's interfaces before the real programs that use them, each provisioned from Debian
 * packages. Names of parts as arguments run those alone.
 */
import { reasonOf } from '../../src/base/index.js';
import { type Progress, showProgress } from '../guest/provision/progress.js';
import { consoleAndScreens } from './console/index.js';
import { definitions } from './definitions/index.js';
import { guide } from './guide/index.js';
import { load } from './load/index.js';
import { mdevctl } from './mdevctl/index.js';
import { monitors } from './monitors/index.js';
import { packaging } from './packaging/index.js';
import { prometheus } from './prometheus/index.js';
import { screens } from './screens/index.js';
import { tree } from './tree/index.js';

type Check = (what: string, good: boolean, saw?: string) => void;

const PARTS: Readonly<Record<string, (check: Check, progress: Progress) => Promise<void>>> = {
  tree,
  definitions,
  mdevctl,
  monitors,
  prometheus,
  console: consoleAndScreens,
  screens,
  packaging,
  guide,
  load,
};

let passed = 0;
let failed = 0;
const say = (line: string) => void process.stdout.write(`${line}\n`);

function check(what: string, good: boolean, saw = ''): void {
  if (good) passed++;
  else failed++;
  say(`${good ? 'ok' : 'FAIL'} ${what}${good || saw === '' ? '' : `: saw ${saw}`}`);
}

const asked = process.argv.slice(2);
for (const name of asked.length > 0 ? asked : Object.keys(PARTS)) {
  say(`\n== ${name}`);
  const part = PARTS[name];
  if (part === undefined) {
    check(`"${name}" is a part`, false, `the parts are ${Object.keys(PARTS).join(', ')}`);
    continue;
  }
  try {
    await part(check, showProgress);
  } catch (error) {
    check(`${name} ran to its end`, false, reasonOf(error));
  }
}
say(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
