/** The mediator's HTTP API over its UNIX socket, and its metrics over TCP, as a test needs them. */
import { request } from 'node:http';
import { XengtError } from '../../src/base/index.js';

export interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

const REQUEST_LIMIT_MS = 30_000;

type Where = { readonly socketPath: string } | { readonly host: string; readonly port: number };

export function ask(where: Where, method: string, path: string, body?: unknown): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const headers = payload === undefined ? {} : { 'content-type': 'application/json' };
    const outgoing = request({ ...where, method, path, headers, timeout: REQUEST_LIMIT_MS }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, body: Buffer.concat(chunks) }));
      incoming.on('error', reject);
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${REQUEST_LIMIT_MS / 1000} s`)));
    outgoing.on('error', (cause) =>
      reject(new XengtError('XENGT_E_UNAVAILABLE', `${method} ${path}: ${cause.message}`, { cause })),
    );
    outgoing.end(payload);
  });
}
