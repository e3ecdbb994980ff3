/**
 * The store of a Xen host, over xenstored's socket in dom0. A connection that ends is made again and its watches with it:
 * each then fires once, as xenstored does for every new watch, so whoever watches looks at everything anew.
 */
import { existsSync } from 'node:fs';
import { reasonOf } from '../../../base/index.js';
import * as answers from './answers.js';
import { isErrno, XenstoreError } from './errors.js';
import { Link, notConnected } from './link.js';
import { checkPath, checkWatched } from './paths.js';
import { type Permission, permissionTexts } from './permissions.js';
import { OPERATION, type Operation, operationName, texts } from './wire.js';

/** Where xenstored listens: as now, and as it was. */
export const SOCKETS = ['/run/xenstored/socket', '/var/run/xenstored/socket'] as const;

export interface XenstoreOptions {
  /** Default: the first of SOCKETS that exists. */
  readonly path?: string | undefined;
  readonly log?: (message: string) => void;
  /** Each time a lost connection was made again; its watches are there. */
  readonly onReconnect?: () => void;
  readonly timeoutMs?: number;
  /** Wait before the first attempt to connect again; doubled up to 32 times as long. */
  readonly retryMs?: number;
}

/** A watch until it is closed. */
export interface Watch {
  readonly path: string;
  close(): Promise<void>;
}

interface Watching {
  readonly path: string;
  readonly onEvent: (path: string) => void;
}

/** What can be done to the store, in a transaction or without one. */
export interface Store {
  read(path: string): Promise<string>;
  write(path: string, value: string): Promise<void>;
  /** A node that exists stays as it is. */
  mkdir(path: string): Promise<void>;
  /** With all below it. No error when it does not exist. */
  remove(path: string): Promise<void>;
  /** Names of the nodes right below. */
  list(path: string): Promise<string[]>;
  permissions(path: string): Promise<Permission[]>;
  setPermissions(path: string, permissions: readonly Permission[]): Promise<void>;
}

const TIMEOUT_MS = 10_000;
const RETRY_MS = 200;
const RETRY_DOUBLINGS = 5;
/** Long lists come in parts; one that changes all the time is given up. */
const LIST_ATTEMPTS = 16;

export function xenstoredSocket(): string | undefined {
  return SOCKETS.find((path) => existsSync(path));
}

/** One connection's view of the store: a number of a transaction means nothing to the next connection. */
export class LinkStore implements Store {
  readonly #link: () => Link | null;
  readonly #transaction: number;

  constructor(link: () => Link | null, transaction: number) {
    this.#link = link;
    this.#transaction = transaction;
  }

  ask<T>(type: Operation, parts: Buffer, subject: string, decode: (payload: Buffer) => T): Promise<T> {
    const link = this.#link();
    if (link === null) return Promise.reject(notConnected(operationName(type), subject));
    return link.ask({ type, payload: parts, subject, transaction: this.#transaction, decode });
  }

  async read(path: string): Promise<string> {
    checkPath(path, 'READ');
    return this.ask(OPERATION.READ, texts(path), path, answers.value);
  }

  async write(path: string, value: string): Promise<void> {
    checkPath(path, 'WRITE');
    const payload = Buffer.concat([texts(path), Buffer.from(value, 'utf8')]);
    return this.ask(OPERATION.WRITE, payload, path, answers.done);
  }

  async mkdir(path: string): Promise<void> {
    checkPath(path, 'MKDIR');
    return this.ask(OPERATION.MKDIR, texts(path), path, answers.done);
  }

  async remove(path: string): Promise<void> {
    checkPath(path, 'RM');
    try {
      await this.ask(OPERATION.RM, texts(path), path, answers.done);
    } catch (error) {
      // Of a node whose parent does not exist either: it is not there, which is what was wanted.
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }

  async list(path: string): Promise<string[]> {
    checkPath(path, 'DIRECTORY');
    try {
      return await this.ask(OPERATION.DIRECTORY, texts(path), path, answers.names);
    } catch (error) {
      if (!isErrno(error, 'E2BIG')) throw error;
    }
    for (let attempt = 0; attempt < LIST_ATTEMPTS; attempt++) {
      const all = await this.#parts(path);
      if (all !== null) return all;
    }
    throw new XenstoreError('EAGAIN', 'DIRECTORY_PART', path);
  }

  /** @returns null when the list changed while it was read */
  async #parts(path: string): Promise<string[] | null> {
    const all: string[] = [];
    let generation: string | null = null;
    for (let at = 0; ; ) {
      const part = await this.ask(OPERATION.DIRECTORY_PART, texts(path, String(at)), path, answers.namesPart);
      generation ??= part.generation;
      if (part.generation !== generation) return null;
      all.push(...part.names);
      if (part.last) return all;
      at += part.bytes;
    }
  }

  async permissions(path: string): Promise<Permission[]> {
    checkPath(path, 'GET_PERMS');
    return this.ask(OPERATION.GET_PERMS, texts(path), path, answers.permissions);
  }

  async setPermissions(path: string, permissions: readonly Permission[]): Promise<void> {
    checkPath(path, 'SET_PERMS');
    const payload = texts(path, ...permissionTexts(permissions, path));
    return this.ask(OPERATION.SET_PERMS, payload, path, answers.done);
  }
}

export class XenstoreClient extends LinkStore {
  readonly #options: XenstoreOptions;
  readonly #path: string;
  #current: Link | null = null;
  #generation = 0;
  #closed = false;
  #retry: NodeJS.Timeout | null = null;
  /** To connect again, since the connection was lost. */
  #attempts = 0;
  readonly #watches = new Map<string, Watching>();
  #tokens = 0;

  private constructor(options: XenstoreOptions, path: string) {
    super(() => this.#current, 0);
    this.#options = options;
    this.#path = path;
  }

  /** @throws XenstoreError that says why xenstored cannot be reached; later losses are mended by and by */
  static async connect(options: XenstoreOptions = {}): Promise<XenstoreClient> {
    const client = new XenstoreClient(options, options.path ?? xenstoredSocket() ?? SOCKETS[0]);
    await client.#open();
    return client;
  }

  get connected(): boolean {
    return this.#current !== null;
  }

  /** Grows with every connection that is made. */
  get generation(): number {
    return this.#generation;
  }

  /** The connection as it is now; gone for good once it ends. */
  pinned(): () => Link | null {
    const link = this.#current;
    return () => (link?.ended === false ? link : null);
  }

  /** Where xenstored would have the nodes of a domain; it need not exist. */
  domainPath(domid: number): Promise<string> {
    return this.ask(OPERATION.GET_DOMAIN_PATH, texts(String(domid)), `domain ${domid}`, answers.oneText);
  }

  /** False for domains that do not exist, or no longer. */
  isDomainIntroduced(domid: number): Promise<boolean> {
    return this.ask(OPERATION.IS_DOMAIN_INTRODUCED, texts(String(domid)), `domain ${domid}`, answers.truth);
  }

  /**
   * `onEvent` gets the path that changed: the watched one or one below it. It is called once at the start, once after every
   * reconnection, and may be called for nothing.
   */
  async watch(path: string, onEvent: (path: string) => void): Promise<Watch> {
    checkWatched(path);
    const token = String(++this.#tokens);
    // Before it is asked for: its first event may come with the answer.
    this.#watches.set(token, { path, onEvent });
    try {
      await this.ask(OPERATION.WATCH, texts(path, token), path, answers.done);
    } catch (error) {
      this.#watches.delete(token);
      throw error;
    }
    return { path, close: () => this.#unwatch(path, token) };
  }

  /** For good. Requests without an answer are refused. */
  close(): void {
    this.#closed = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    this.#watches.clear();
    this.#current?.close();
    this.#current = null;
  }

  async #unwatch(path: string, token: string): Promise<void> {
    if (!this.#watches.delete(token)) return;
    // A connection that is gone has taken its watches along.
    if (this.#current === null) return;
    await this.ask(OPERATION.UNWATCH, texts(path, token), path, answers.done);
  }

  async #open(): Promise<void> {
    const { timeoutMs = TIMEOUT_MS } = this.#options;
    const link = await Link.open(
      { path: this.#path, timeoutMs },
      { event: (path, token) => this.#event(path, token), ended: (reason) => this.#ended(link, reason) },
    );
    if (this.#closed) {
      link.close();
      throw notConnected('connecting to', this.#path);
    }
    this.#current = link;
    this.#generation++;
  }

  #event(path: string, token: string): void {
    // Of a watch that was closed while the event was on its way.
    const watching = this.#watches.get(token);
    if (watching === undefined) return;
    try {
      watching.onEvent(path);
    } catch (error) {
      this.#say(`a watch of ${watching.path} failed: ${reasonOf(error)}`);
    }
  }

  #ended(link: Link, reason: XenstoreError | null): void {
    if (this.#current !== link) return;
    this.#current = null;
    if (this.#closed) return;
    this.#say(`${reason?.message ?? 'xenstore: disconnected'}; connecting again`);
    this.#again();
  }

  #again(): void {
    const wait = (this.#options.retryMs ?? RETRY_MS) * 2 ** Math.min(this.#attempts, RETRY_DOUBLINGS);
    this.#retry = setTimeout(() => {
      this.#retry = null;
      this.#attempts++;
      this.#reopen().catch((error: unknown) => this.#failed(error));
    }, wait);
  }

  async #reopen(): Promise<void> {
    await this.#open();
    for (const [token, { path }] of this.#watches) {
      await this.ask(OPERATION.WATCH, texts(path, token), path, answers.done);
    }
    this.#attempts = 0;
    this.#say('connected to xenstored again');
    this.#options.onReconnect?.();
  }

  #failed(error: unknown): void {
    if (this.#closed) return;
    if (this.#attempts === 1) this.#say(reasonOf(error));
    // Half a connection is none.
    const link = this.#current;
    this.#current = null;
    link?.close();
    if (this.#retry === null) this.#again();
  }

  #say(message: string): void {
    this.#options.log?.(message);
  }
}

/** For the transaction: what starts and ends one. */
export function startTransaction(store: LinkStore): Promise<number> {
  return store.ask(OPERATION.TRANSACTION_START, texts(''), '', answers.transactionId);
}

export function endTransaction(store: LinkStore, commit: boolean): Promise<void> {
  return store.ask(OPERATION.TRANSACTION_END, texts(commit ? 'T' : 'F'), '', answers.done);
}
