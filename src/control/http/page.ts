/**
 * The pages: the console, as it was built into dist/console, and the plain status page of assets/page, which needs no
 * building and stands in for the console where that was not done. Files are read once; nothing else can be asked for.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { reasonOf, XengtError } from '../../base/index.js';

const STATUS = ['index.html', 'page.css', 'page.js'] as const;

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
};

/** Other pages may neither hold ours in a frame nor be asked by it. */
const POLICY =
  "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' blob: data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export function pages(app: FastifyInstance, packageRoot: string): void {
  const status = join(packageRoot, 'assets', 'page');
  for (const file of STATUS) serve(app, file === 'index.html' ? '/status' : `/${file}`, join(status, file));
  const built = join(packageRoot, 'dist', 'console');
  if (!existsSync(join(built, 'index.html'))) {
    serve(app, '/', join(status, 'index.html'));
    return;
  }
  serve(app, '/', join(built, 'index.html'));
  // Their names have a digest of what is in them.
  for (const file of readdirSync(join(built, 'assets'))) {
    serve(app, `/assets/${file}`, join(built, 'assets', file), 'max-age=31536000, immutable');
  }
}

function serve(app: FastifyInstance, route: string, path: string, cache = 'no-cache'): void {
  const body = readAsset(path);
  const type = TYPES[extname(path)] ?? 'application/octet-stream';
  app.get(route, (_request, reply) =>
    reply.type(type).header('content-security-policy', POLICY).header('cache-control', cache).send(body),
  );
}

function readAsset(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new XengtError('XENGT_E_IO', `The status page is not installed: ${reasonOf(error)}`, { cause: error });
  }
}
