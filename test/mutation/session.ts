/** The one test file that the session's vitest sees; the runner does the work before it runs this. */
import { test } from 'vitest';

test('mutations were tried', () => {});
