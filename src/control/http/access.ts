/**
 * Who may ask over TCP: whoever has the token, where there is one. Programs send it as a bearer token (RFC 6750). A browser
 * opens `/?token=…` once and keeps it in a cookie that no other site can make it send.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { reasonOf, XengtError } from '../../base/index.js';

const COOKIE = 'xengt_token';
const LEAST_LENGTH = 16;
const ALLOWED = `at least ${LEAST_LENGTH} letters, digits, '-', '.', '_' and '~'`;
/** What stands in a header, a cookie and a URL as it is. */
const TOKEN = /^[A-Za-z0-9._~-]{16,}$/;

/** @throws XengtError XENGT_E_CONFIG for a file that others can read, or that has no token */
export function readToken(file: string): string {
  let text: string;
  let mode: number;
  try {
    text = readFileSync(file, 'utf8').trim();
    mode = statSync(file).mode;
  } catch (error) {
    throw new XengtError('XENGT_E_CONFIG', `tokenFile: ${reasonOf(error)}`, { cause: error });
  }
  if ((mode & 0o077) !== 0) {
    throw new XengtError('XENGT_E_CONFIG', `tokenFile: others may read ${file}; allowed: a file of mode 0600`);
  }
  if (!TOKEN.test(text))
    throw new XengtError('XENGT_E_CONFIG', `tokenFile: ${file} holds no token; allowed: ${ALLOWED}`);
  return text;
}

/** Digests have one length, and how long it takes to compare them says nothing. */
const digest = (text: string) => createHash('sha256').update(text).digest();

export class Access {
  readonly #expected: Buffer;

  constructor(token: string) {
    this.#expected = digest(token);
  }

  #is(given: string | undefined): boolean {
    return given !== undefined && timingSafeEqual(digest(given), this.#expected);
  }

  allows({ authorization, cookie }: IncomingHttpHeaders): boolean {
    if (authorization !== undefined) return this.#is(/^Bearer +(\S+)$/i.exec(authorization)?.[1]);
    const cookies = (cookie ?? '').split(';').map((one) => one.trim().split('='));
    return this.#is(cookies.find(([name]) => name === COOKIE)?.[1]);
  }

  /** Nothing is served without the token. */
  guard(app: FastifyInstance): void {
    app.addHook('onRequest', async (request, reply) => {
      if (this.allows(request.headers)) return;
      const { pathname, searchParams } = new URL(request.url, 'http://localhost');
      const given = searchParams.get('token');
      if (request.method === 'GET' && pathname === '/' && given !== null && this.#is(given)) {
        await reply.header('set-cookie', `${COOKIE}=${given}; HttpOnly; SameSite=Strict; Path=/`).redirect('/', 303);
        return;
      }
      reply.header('www-authenticate', 'Bearer realm="xengt"');
      throw new XengtError('XENGT_E_DENIED', 'This address answers only to those who have its token');
    });
  }
}
