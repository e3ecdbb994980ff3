/** These checks by themselves. */
import { showProgress } from '../../guest/provision/progress.js';
import { consoleAndScreens } from './index.js';

let passed = 0;
let failed = 0;
await consoleAndScreens((what, good, saw = '') => {
  if (good) passed++;
  else failed++;
  process.stdout.write(`${good ? 'ok' : 'FAIL'} ${what}${good || saw === '' ? '' : `: saw ${saw}`}\n`);
}, showProgress);
process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
