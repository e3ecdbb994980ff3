/**
 * The HTTP face. One definition, served twice: whole over the UNIX socket, whose file permissions say who may, and
 * read-only over TCP, where everybody on the machine may ask.
 */
import { isIP, type Socket } from 'node:net';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify';
import { XengtError } from '../../base/index.js';
import type { MediatorApi } from '../../mediator/api.js';
import type { Definitions } from '../definitions/index.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics/index.js';
import type { PackageInfo } from '../package-info.js';
import type { Pictures } from '../pictures.js';
import { PROBLEM_TYPE, problemOf } from '../problem.js';
import { type Screens, serveScreens } from '../screens/index.js';
import type { Tree } from '../tree/index.js';
import type { XenDomains } from '../xen/index.js';
import { Access } from './access.js';
import { changeDefinitions, readDefinitions } from './definitions.js';
import { readDevice } from './device.js';
import { EventFeed } from './events.js';
import { openApi } from './openapi.js';
import { pages } from './page.js';
import { timelines } from './timelines.js';
import { changeTree, readTree } from './tree.js';
import { changeVgpus, readVgpus } from './vgpus.js';

export interface AppParts {
  readonly mediator: MediatorApi;
  readonly domains: XenDomains;
  readonly definitions: Definitions;
  readonly tree: Tree;
  readonly metrics: Metrics;
  readonly pictures: Pictures;
  readonly screens: Screens;
  readonly package: PackageInfo;
  readonly log: Log;
}

export interface AppRules {
  /** No request changes anything. */
  readonly readOnly: boolean;
  /**
   * Answer only to a Host that is an address or localhost, so that a web page which makes its own name point here
   * (DNS rebinding) cannot read guests' screens in the operator's browser.
   */
  readonly localHostOnly: boolean;
  /** Only those who have it are served; absent: everybody who reaches the address. */
  readonly token?: string | undefined;
}

const BODY_MAX = 64 * 1024;
/** A request must be complete by then; half-sent ones do not hold a connection for longer. */
const REQUEST_MS = 10_000;

export function buildApp(parts: AppParts, rules: AppRules): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: BODY_MAX,
    requestTimeout: REQUEST_MS,
    http: { headersTimeout: REQUEST_MS, connectionsCheckingInterval: 1000 },
    forceCloseConnections: true,
    frameworkErrors: (error, _request, reply) => refuse(reply, asRefusal(error) ?? error, error.statusCode),
    clientErrorHandler: (error, socket) => hangUp(error, socket),
  });
  app.removeContentTypeParser('text/plain');
  refusals(app, parts.log, rules);

  if (rules.localHostOnly) {
    app.addHook('onRequest', async (request) => {
      if (!isLocalName(request.hostname)) {
        throw Object.assign(
          new XengtError('XENGT_E_USAGE', `This address does not serve the host "${request.hostname}"`),
          {
            statusCode: 421,
          },
        );
      }
    });
  }
  const access = rules.token === undefined ? undefined : new Access(rules.token);
  access?.guard(app);
  app.addHook('onSend', async (_request, reply) => {
    reply.header('x-content-type-options', 'nosniff');
  });

  const { mediator, metrics } = parts;
  app.get('/metrics', async (_request, reply) => {
    const text = await metrics.scrape();
    return reply.type(metrics.contentType).header('cache-control', 'no-store').send(text);
  });
  const description = JSON.stringify(openApi(parts.package.version));
  app.get('/v1/openapi.json', (_request, reply) => reply.type('application/json; charset=utf-8').send(description));
  const events = new EventFeed(mediator, (line) => parts.log.error(line));
  app.get('/v1/events', async (_request, reply) => {
    // Before anything of an answer is sent: too many watchers is a refusal like any other.
    await events.admit();
    reply.hijack();
    events.watch(reply.raw);
  });
  app.addHook('preClose', async () => events.close());
  readDevice(app, mediator);
  timelines(app, mediator);
  readVgpus(app, mediator, parts.pictures);
  readDefinitions(app, mediator, parts.definitions);
  readTree(app, parts.tree, parts.pictures);
  if (!rules.readOnly) {
    changeVgpus(app, mediator, parts.domains);
    changeDefinitions(app, mediator, parts.definitions, parts.domains);
    changeTree(app, parts.tree);
  }
  pages(app, parts.package.root);
  const viewers = serveScreens(
    app.server,
    parts.screens,
    (host) => !rules.localHostOnly || isLocalName(host),
    (headers) => access?.allows(headers) ?? true,
  );
  app.addHook('preClose', async () => viewers.close());
  return app;
}

function refusals(app: FastifyInstance, log: Log, rules: AppRules): void {
  app.setErrorHandler<FastifyError | XengtError>((error, request, reply) => {
    const refusal = asRefusal(error);
    if (refusal === undefined) log.error(`${request.method} ${request.url}: ${error.stack ?? error.message}`);
    return refuse(reply, refusal ?? error, statusOf(error));
  });
  app.setNotFoundHandler((request, reply) => {
    const readable = request.method === 'GET' || request.method === 'HEAD';
    if (rules.readOnly && !readable) {
      const text = `${request.method} is not served here: this address is read-only, use the UNIX socket`;
      return refuse(reply.header('allow', 'GET, HEAD'), new XengtError('XENGT_E_USAGE', text), 405);
    }
    const text = `${request.method} ${request.url.split('?')[0]} does not exist`;
    return refuse(reply, new XengtError('XENGT_E_USAGE', text), 404);
  });
}

function refuse(reply: FastifyReply, error: Error, status?: number): FastifyReply {
  const problem = problemOf(error, status);
  return reply.code(problem.status).type(PROBLEM_TYPE).send(problem);
}

/** Bytes that are no HTTP request, or half of one that took too long: there is no request to reply to, only a socket. */
function hangUp(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const late = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  const text = late ? `The request was not complete within ${REQUEST_MS / 1000} s` : 'This is no HTTP request';
  const problem = problemOf(new XengtError('XENGT_E_USAGE', text), late ? 408 : 400);
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  if (socket.writable) socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  socket.destroySoon();
}

/** Fastify's own refusals (malformed JSON, body too large, wrong media type) are the client's doing, not faults. */
function asRefusal(error: FastifyError | XengtError): XengtError | undefined {
  if (error instanceof XengtError) return error;
  const status = error.statusCode ?? 500;
  if (status >= 500) return undefined;
  const text = status === 415 ? 'content-type: not known; allowed: application/json' : error.message;
  return new XengtError('XENGT_E_USAGE', text, { cause: error });
}

function statusOf(error: FastifyError | XengtError): number | undefined {
  return 'statusCode' in error ? error.statusCode : undefined;
}

function isLocalName(host: string): boolean {
  return host === 'localhost' || isIP(host.replace(/^\[|\]$/g, '')) !== 0;
}
