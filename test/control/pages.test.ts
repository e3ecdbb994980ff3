import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Fastify from 'fastify';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { pages } from '../../src/control/http/page.js';
import { scratch } from './rig.js';

let files: ReturnType<typeof scratch>;

beforeEach(() => {
  files = scratch();
  const put = (folder: string, name: string, text: string) => {
    mkdirSync(join(files.folder, folder), { recursive: true });
    writeFileSync(join(files.folder, folder, name), text);
  };
  for (const name of ['index.html', 'page.css', 'page.js']) put('assets/page', name, `status ${name}`);
});
afterEach(() => files.drop());

async function get(path: string) {
  const app = Fastify();
  pages(app, files.folder);
  return app.inject({ path });
}

test('without a built console an operator finds the status page at the front door', async () => {
  for (const path of ['/', '/status']) expect((await get(path)).body).toBe('status index.html');
});

test('a built console is at the front door, and the status page beside it', async () => {
  mkdirSync(join(files.folder, 'dist/console/assets'), { recursive: true });
  writeFileSync(join(files.folder, 'dist/console/index.html'), 'console');
  writeFileSync(join(files.folder, 'dist/console/assets/index-abc.js'), 'script');
  expect((await get('/')).body).toBe('console');
  expect((await get('/status')).body).toBe('status index.html');
  const script = await get('/assets/index-abc.js');
  expect(script.headers['content-type']).toBe('text/javascript; charset=utf-8');
  expect(script.headers['cache-control']).toContain('immutable');
  for (const path of ['/assets/../index.html', '/assets/', '/dist/console/index.html']) {
    expect((await get(path)).statusCode, path).toBe(404);
  }
});

test('no other page may hold ours in a frame, or put anything into it', async () => {
  const policy = (await get('/')).headers['content-security-policy'];
  for (const rule of ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "script-src 'self'"]) {
    expect(policy).toContain(rule);
  }
});

test('a package without its pages says so', () => {
  expect(() => pages(Fastify(), join(files.folder, 'nowhere'))).toThrow(/status page is not installed/);
});
