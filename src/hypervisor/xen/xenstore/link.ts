/**
 * One connection to xenstored: requests out, answers matched to them by number, events to whoever has the token. When it
 * ends, for whatever reason, every request that has no answer yet gets the reason instead.
 */
import { createConnection, type Socket } from 'node:net';
import { reasonOf } from '../../../base/index.js';
import { XenstoreError } from './errors.js';
import { encodeFrame, type Frame, FrameReader, OPERATION, type Operation, operationName, splitTexts } from './wire.js';

export interface LinkEvents {
  event(path: string, token: string): void;
  /** Once; the link is of no use any more. Null when it was closed from this side. */
  ended(reason: XenstoreError | null): void;
}

export interface LinkOptions {
  readonly path: string;
  /** xenstored answers at once; one that does not is stuck. */
  readonly timeoutMs: number;
}

export interface Question<T> {
  readonly type: Operation;
  readonly payload: Buffer;
  /** What an operator is told that it was about. */
  readonly subject: string;
  readonly transaction: number;
  readonly decode: (payload: Buffer) => T;
}

interface Waiting {
  readonly type: Operation;
  readonly transaction: number;
  readonly subject: string;
  readonly timer: NodeJS.Timeout;
  /** Throws when the answer is malformed. */
  answered(payload: Buffer): void;
  reject(error: XenstoreError): void;
}

const OPENING: Readonly<Partial<Record<string, string>>> = {
  ENOENT: 'there is no such socket; this must run in dom0, with xenstored running',
  ECONNREFUSED: 'nobody listens there; xenstored does not run',
  EACCES: 'permission denied; this must run as root in dom0',
  EPERM: 'permission denied; this must run as root in dom0',
};

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'EIO';

export class Link {
  readonly #socket: Socket;
  readonly #events: LinkEvents;
  readonly #options: LinkOptions;
  readonly #reader = new FrameReader();
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #ended = false;

  private constructor(socket: Socket, options: LinkOptions, events: LinkEvents) {
    this.#socket = socket;
    this.#options = options;
    this.#events = events;
    socket.on('data', (chunk) => this.#received(chunk));
    socket.on('error', (error) => this.#end(lost(options.path, reasonOf(error), error)));
    socket.on('close', () => this.#end(lost(options.path, this.#cut())));
  }

  /** @throws XenstoreError that says why xenstored cannot be reached */
  static open(options: LinkOptions, events: LinkEvents): Promise<Link> {
    return new Promise((resolve, reject) => {
      const socket = createConnection(options.path);
      const refuse = (error: Error): void => {
        const code = codeOf(error);
        reject(
          new XenstoreError(code, 'connecting to', options.path, OPENING[code] ?? error.message, { cause: error }),
        );
      };
      socket.once('error', refuse);
      socket.once('connect', () => {
        socket.off('error', refuse);
        resolve(new Link(socket, options, events));
      });
    });
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** @param question.decode what it throws ends the connection: xenstored and we do not understand each other */
  ask<T>({ type, payload, subject, transaction, decode }: Question<T>): Promise<T> {
    const step = operationName(type);
    if (this.#ended) return Promise.reject(notConnected(step, subject));
    const number = this.#freeNumber();
    let frame: Buffer;
    try {
      frame = encodeFrame(type, number, transaction, payload);
    } catch (error) {
      return Promise.reject(error);
    }
    return new Promise((resolve, reject) => {
      const { timeoutMs } = this.#options;
      const timer = setTimeout(() => this.#stuck(step, subject), timeoutMs);
      const answered = (answer: Buffer): void => resolve(decode(answer));
      this.#waiting.set(number, { type, transaction, subject, timer, answered, reject });
      this.#socket.write(frame);
    });
  }

  /** Requests without an answer are refused. */
  close(): void {
    this.#end(null);
  }

  #freeNumber(): number {
    // 0 is what events carry.
    while (this.#next === 0 || this.#waiting.has(this.#next)) this.#next = (this.#next + 1) >>> 0;
    const number = this.#next;
    this.#next = (number + 1) >>> 0;
    return number;
  }

  #received(chunk: Buffer): void {
    if (this.#ended) return;
    try {
      for (const frame of this.#reader.push(chunk)) {
        if (this.#ended) return;
        if (frame.type === OPERATION.WATCH_EVENT) this.#event(frame);
        else this.#answer(frame);
      }
    } catch (error) {
      this.#end(broken(reasonOf(error), error));
    }
  }

  #event({ payload }: Frame): void {
    // A third text is allowed for: xenstored may say more one day.
    const [path, token] = splitTexts(payload) ?? [];
    if (path === undefined || token === undefined) {
      this.#end(broken(`an event of ${payload.length} bytes names no path and token`));
      return;
    }
    this.#events.event(path, token);
  }

  #answer({ type, request, transaction, payload }: Frame): void {
    const waiting = this.#waiting.get(request);
    if (waiting === undefined) {
      this.#end(broken(`a ${operationName(type)} answers request ${request}, which nobody made`));
      return;
    }
    const asked = operationName(waiting.type);
    if (transaction !== waiting.transaction) {
      this.#end(broken(`the answer to a ${asked} of transaction ${waiting.transaction} is of ${transaction}`));
      return;
    }
    if (type === OPERATION.ERROR) {
      const [errno, ...more] = splitTexts(payload) ?? [];
      if (errno === undefined || more.length > 0 || !/^E[A-Z0-9]+$/.test(errno)) {
        this.#end(broken(`the error that answers a ${asked} has no name of an errno`));
        return;
      }
      this.#done(request, waiting).reject(new XenstoreError(errno, asked, waiting.subject));
      return;
    }
    if (type !== waiting.type) {
      this.#end(broken(`a ${asked} was answered by a ${operationName(type)}`));
      return;
    }
    // Before it is taken off the list: where it throws, the end of the connection refuses this request too.
    waiting.answered(payload);
    this.#done(request, waiting);
  }

  #done(number: number, waiting: Waiting): Waiting {
    clearTimeout(waiting.timer);
    this.#waiting.delete(number);
    return waiting;
  }

  #stuck(step: string, subject: string): void {
    const after = `no answer within ${this.#options.timeoutMs / 1000} s`;
    this.#end(new XenstoreError('ETIMEDOUT', step, subject, after));
  }

  #cut(): string {
    const { pending } = this.#reader;
    return pending > 0 ? `it ended after ${pending} bytes of a message` : 'xenstored closed it';
  }

  #end(reason: XenstoreError | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket.destroy();
    const errno = reason?.errno ?? 'ENOTCONN';
    const why = reason === null ? 'the connection was closed' : `the connection ended: ${reason.reason}`;
    for (const [number, waiting] of this.#waiting) {
      const error = new XenstoreError(errno, operationName(waiting.type), waiting.subject, why, { cause: reason });
      this.#done(number, waiting).reject(error);
    }
    this.#events.ended(reason);
  }
}

export function notConnected(step: string, subject: string): XenstoreError {
  return new XenstoreError('ENOTCONN', step, subject, 'not connected to xenstored');
}

function lost(path: string, why: string, cause?: unknown): XenstoreError {
  return new XenstoreError('ENOTCONN', 'the connection to', path, why, { cause });
}

function broken(why: string, cause?: unknown): XenstoreError {
  return new XenstoreError('EPROTO', 'xenstored broke its protocol', '', why, { cause });
}
