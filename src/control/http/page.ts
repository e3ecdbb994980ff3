/** The status page: three files read once from assets/page. It asks the read-only API and nothing else. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { reasonOf, XengtError } from '../../base/index.js';

const FILES = [
  { route: '/', file: 'index.html', type: 'text/html; charset=utf-8' },
  { route: '/page.css', file: 'page.css', type: 'text/css; charset=utf-8' },
  { route: '/page.js', file: 'page.js', type: 'text/javascript; charset=utf-8' },
] as const;

const POLICY =
  "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' blob: data:; connect-src 'self'";

export function statusPage(app: FastifyInstance, packageRoot: string): void {
  for (const { route, file, type } of FILES) {
    const body = readAsset(join(packageRoot, 'assets', 'page', file));
    app.get(route, (_request, reply) =>
      reply.type(type).header('content-security-policy', POLICY).header('cache-control', 'no-cache').send(body),
    );
  }
}

function readAsset(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new XengtError('XENGT_E_IO', `The status page is not installed: ${reasonOf(error)}`, { cause: error });
  }
}
