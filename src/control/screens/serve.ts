/** Where viewers come in: the upgrade of `GET /v1/screens` to a WebSocket, on whichever server it is served. */
import type { IncomingHttpHeaders, IncomingMessage, Server } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { XengtError } from '../../base/index.js';
import { PROBLEM_TYPE, problemOf } from '../problem.js';
import { Channel } from './channel.js';
import type { Screens } from './feed.js';
import { CLOSE_GOING_AWAY, Upgrades, type ViewerSocket } from './websocket.js';

export const SCREENS_PATH = '/v1/screens';
/** Viewers of one address at a time. */
const MOST_VIEWERS = 64;
const KEEP_ALIVE_MS = 30_000;

const NO_TOKEN: [status: number, text: string] = [401, 'This address answers only to those who have its token'];

export interface Viewers {
  readonly count: number;
  close(): void;
}

/**
 * @param mayServe whether this host name is served, as for other requests
 * @param mayAsk whether who sends these headers is served
 */
export function serveScreens(
  server: Server,
  screens: Screens,
  mayServe: (hostname: string) => boolean,
  mayAsk: (headers: IncomingHttpHeaders) => boolean,
): Viewers {
  const open = new Set<ViewerSocket>();
  const upgrades = new Upgrades((stream, reason) => refuse(stream, 400, reason));
  const upgrade = (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    const refused = refusal(request, open.size, mayServe) ?? (mayAsk(request.headers) ? undefined : NO_TOKEN);
    if (refused !== undefined) {
      refuse(stream, ...refused);
      return;
    }
    if (stream instanceof Socket) stream.setKeepAlive(true, KEEP_ALIVE_MS);
    upgrades.upgrade(request, stream, head, (socket) => {
      const channel = new Channel(screens, socket);
      open.add(socket);
      socket.listen({
        message: (text) => channel.message(text),
        closed: () => {
          open.delete(socket);
          channel.close();
        },
      });
    });
  };
  server.on('upgrade', upgrade);
  return {
    get count() {
      return open.size;
    },
    close: () => {
      server.off('upgrade', upgrade);
      for (const socket of open) socket.close(CLOSE_GOING_AWAY, 'the daemon stops');
    },
  };
}

function refusal(
  request: IncomingMessage,
  viewers: number,
  mayServe: (hostname: string) => boolean,
): [status: number, text: string] | undefined {
  const { url = '', headers } = request;
  const host = headers.host ?? '';
  if (!mayServe(hostnameOf(host))) return [421, `This address does not serve the host "${host}"`];
  // Browsers let every page open a WebSocket to anywhere: only our own page may see the guests' screens.
  const origin = headers.origin;
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) {
    return [403, `A page of ${origin} may not see the screens here`];
  }
  if (url.split('?')[0] !== SCREENS_PATH) return [404, `There is no WebSocket at ${url.split('?')[0]}`];
  return viewers < MOST_VIEWERS ? undefined : [503, `${MOST_VIEWERS} viewers are connected, which is the most`];
}

function hostnameOf(host: string): string {
  return host.replace(/:\d*$/, '');
}

function refuse(stream: Duplex, status: number, text: string): void {
  const problem = problemOf(new XengtError('XENGT_E_USAGE', text), status);
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  stream.on('error', () => stream.destroy());
  stream.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
