/** A viewer's WebSocket, as far as screens need it: whole messages out, short texts in, and how far the peer is behind. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';

export const CLOSE_GOING_AWAY = 1001;
const CLOSE_TYPE = 1003;
export const CLOSE_RULE = 1008;

/** A message from a viewer is a list of screens at most. */
const MOST_MESSAGE = 16 * 1024;
/** A peer that does not answer a close is cut off after this long. */
const CLOSING_MS = 1000;

export interface SocketEvents {
  message(text: string): void;
  /** Called once, however it ended. */
  closed(): void;
}

export class ViewerSocket {
  readonly #socket: WebSocket;

  constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  listen(events: SocketEvents): void {
    const socket = this.#socket;
    socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) this.close(CLOSE_TYPE, 'only texts are understood');
      else events.message(data.toString('utf8'));
    });
    // The library has answered what broke the protocol with the code for it; the close follows.
    socket.on('error', () => this.#cutOff());
    socket.on('close', () => events.closed());
  }

  /** Bytes that were sent and are still here, because the peer does not read as fast. */
  get behind(): number {
    return this.#socket.bufferedAmount;
  }

  sendBinary(message: Buffer): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(message);
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
    this.#cutOff();
  }

  #cutOff(): void {
    setTimeout(() => this.#socket.terminate(), CLOSING_MS).unref();
  }
}

/** Opens WebSockets on requests that somebody else took in. */
export class Upgrades {
  readonly #server = new WebSocketServer({ noServer: true, maxPayload: MOST_MESSAGE, perMessageDeflate: false });

  /** @param refuse is told what is wrong with a request that opens no WebSocket */
  constructor(refuse: (stream: Duplex, reason: string) => void) {
    this.#server.on('wsClientError', (error, stream) => refuse(stream, error.message));
  }

  /** @param opened not called when the request is refused */
  upgrade(request: IncomingMessage, stream: Duplex, head: Buffer, opened: (socket: ViewerSocket) => void): void {
    this.#server.handleUpgrade(request, stream, head, (socket) => opened(new ViewerSocket(socket)));
  }
}
