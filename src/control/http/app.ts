/**
 * The HTTP face. One definition, served twice: whole over the UNIX socket, whose file permissions say who may, and
 * read-only over TCP, where everybody on the machine may ask.
 */
import { isIP } from 'node:net';
import Fastify, { type FastifyError, type FastifyInstance } from 'fastify';
import { XengtError } from '../../base/index.js';
import type { MediatorApi } from '../../mediator/api.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import type { PackageInfo } from '../package-info.js';
import type { Pictures } from '../pictures.js';
import { PROBLEM_TYPE, problemOf } from '../problem.js';
import { statusPage } from './page.js';
import { changeVgpus, readVgpus } from './vgpus.js';

export interface AppParts {
  readonly mediator: MediatorApi;
  readonly metrics: Metrics;
  readonly pictures: Pictures;
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
  app.addHook('onSend', async (_request, reply) => {
    reply.header('x-content-type-options', 'nosniff');
  });

  const { mediator, metrics } = parts;
  app.get('/metrics', async (_request, reply) => {
    const text = await metrics.scrape();
    return reply.type(metrics.contentType).header('cache-control', 'no-store').send(text);
  });
  app.get('/v1/types', async () => ({ types: await mediator.types() }));
  app.get('/v1/engines', async () => ({ engines: await engines(mediator) }));
  app.get('/v1/isolation', () => mediator.isolation());
  app.get('/v1/stats', () => mediator.stats());
  readVgpus(app, mediator, parts.pictures);
  if (!rules.readOnly) changeVgpus(app, mediator);
  statusPage(app, parts.package.root);
  return app;
}

async function engines(mediator: MediatorApi) {
  const stats = await mediator.stats();
  return stats.engines.map((engine) => ({
    ...engine,
    perVgpu: Object.fromEntries(stats.vgpus.map((vgpu) => [vgpu.id, vgpu.gpuSeconds[engine.name] ?? 0])),
  }));
}

function refusals(app: FastifyInstance, log: Log, rules: AppRules): void {
  app.setErrorHandler<FastifyError | XengtError>((error, request, reply) => {
    const refusal = asRefusal(error);
    const problem = problemOf(refusal ?? error, statusOf(error));
    if (problem.status >= 500 && !(refusal instanceof XengtError)) {
      log.error(`${request.method} ${request.url}: ${error.stack ?? error.message}`);
    }
    return reply.code(problem.status).type(PROBLEM_TYPE).send(problem);
  });
  app.setNotFoundHandler((request, reply) => {
    const readable = request.method === 'GET' || request.method === 'HEAD';
    const refusal =
      rules.readOnly && !readable
        ? { status: 405, text: `${request.method} is not served here: this address is read-only, use the UNIX socket` }
        : { status: 404, text: `${request.method} ${request.url.split('?')[0]} does not exist` };
    const problem = problemOf(new XengtError('XENGT_E_USAGE', refusal.text), refusal.status);
    if (refusal.status === 405) reply.header('allow', 'GET, HEAD');
    return reply.code(problem.status).type(PROBLEM_TYPE).send(problem);
  });
}

/** Fastify's own refusals (malformed JSON, body too large, wrong media type) are the client's doing, not faults. */
function asRefusal(error: FastifyError | XengtError): XengtError | undefined {
  if (error instanceof XengtError) return error;
  const status = error.statusCode ?? 500;
  return status < 500 ? new XengtError('XENGT_E_USAGE', error.message, { cause: error }) : undefined;
}

function statusOf(error: FastifyError | XengtError): number | undefined {
  return 'statusCode' in error ? error.statusCode : undefined;
}

function isLocalName(host: string): boolean {
  return host === 'localhost' || isIP(host.replace(/^\[|\]$/g, '')) !== 0;
}
