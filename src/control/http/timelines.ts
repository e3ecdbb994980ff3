/** Who ran on the engines, and when, since a time that the caller has seen already. */
import type { FastifyInstance } from 'fastify';
import { XengtError } from '../../base/index.js';
import type { MediatorApi } from '../../mediator/api.js';

export function timelines(app: FastifyInstance, mediator: MediatorApi): void {
  app.get<{ Querystring: { since?: string } }>('/v1/timelines', ({ query }) => {
    const since = query.since === undefined ? 0 : Number(query.since);
    if (!Number.isFinite(since) || since < 0) {
      throw new XengtError('XENGT_E_USAGE', `since: "${query.since}"; allowed: seconds of uptime`);
    }
    return mediator.timelines(since);
  });
}
