/** The command line's way to the daemon: HTTP over its UNIX socket. */
import { request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { reasonOf, XengtError } from '../../base/index.js';
import { parseProblem, RemoteRefusal } from '../problem.js';

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

type Headers = Readonly<Record<string, string>>;

const TIMEOUT_MS = 30_000;

export class Client {
  readonly #socket: string;

  constructor(socket: string) {
    this.#socket = socket;
  }

  /** What a daemon answers is taken at its word: client and daemon are one package. */
  async json<T>(method: Method, path: string, body?: unknown, more: Headers = {}): Promise<T> {
    const bytes = await this.#ask(method, path, body, more);
    try {
      const answer: T = bytes.length === 0 ? null : JSON.parse(bytes.toString('utf8'));
      return answer;
    } catch (error) {
      throw new XengtError('XENGT_E_UNAVAILABLE', `What serves at ${this.#socket} is no xengt daemon`, {
        cause: error,
      });
    }
  }

  bytes(path: string): Promise<Buffer> {
    return this.#ask('GET', path, undefined);
  }

  #ask(method: Method, path: string, body: unknown, more: Headers = {}): Promise<Buffer> {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const headers = payload === undefined ? more : { 'content-type': 'application/json', ...more };
    return new Promise((resolve, reject) => {
      const asked = request(
        { socketPath: this.#socket, method, path, headers, timeout: TIMEOUT_MS, agent: false },
        (response) => {
          buffer(response).then((bytes) => {
            const status = response.statusCode ?? 0;
            if (status >= 200 && status < 300) resolve(bytes);
            else reject(refusalOf(status, bytes, this.#socket));
          }, reject);
        },
      );
      asked.on('timeout', () => asked.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
      asked.on('error', (error: NodeJS.ErrnoException) => reject(this.#unreachable(error)));
      asked.end(payload);
    });
  }

  #unreachable(error: NodeJS.ErrnoException): XengtError {
    const why =
      error.code === 'ENOENT' || error.code === 'ECONNREFUSED'
        ? `No daemon answers at ${this.#socket}`
        : error.code === 'EACCES'
          ? `No permission to open ${this.#socket}; it belongs to the user who runs the daemon`
          : `The daemon at ${this.#socket} does not answer: ${reasonOf(error)}`;
    return new XengtError('XENGT_E_UNAVAILABLE', why, { cause: error });
  }
}

function refusalOf(status: number, bytes: Buffer, socket: string): Error {
  let body: unknown;
  try {
    body = JSON.parse(bytes.toString('utf8'));
  } catch {
    body = undefined; // answered below: whoever listens there does not speak our language
  }
  const problem = parseProblem(body);
  return problem === undefined
    ? new XengtError('XENGT_E_UNAVAILABLE', `What serves at ${socket} is no xengt daemon (status ${status})`)
    : new RemoteRefusal(problem);
}
