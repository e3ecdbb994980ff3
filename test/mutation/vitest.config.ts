/** Runs the session that tries mutations; the files under test are replaced by their instrumented text. */
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { instrument } from './instrument.js';
import { currentJob, readSources } from './job.js';

const job = currentJob();
const here = import.meta.dirname;
const texts = new Map(
  readSources(job.root, job.sources).map((found) => [join(job.root, found.file), instrument(found)]),
);

export default defineConfig({
  root: job.root,
  plugins: [{ name: 'mutations', enforce: 'pre', transform: (_code: string, id: string) => texts.get(id) }],
  test: {
    include: [join(here, 'session.ts')],
    runner: join(here, 'runner.ts'),
    setupFiles: [join(here, 'setup.ts')],
    pool: 'threads',
    isolate: false,
    maxWorkers: 1,
    testTimeout: 600_000,
    hookTimeout: 600_000,
    reporters: [],
  },
});
