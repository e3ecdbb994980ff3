/**
 * A xenstored in this process: a tree of nodes with permissions, watches, transactions that conflict, and domains, served over
 * a UNIX socket as io/xs_wire.h and Xen's docs/misc/xenstore.txt say. It can be stopped and started again, be told to
 * refuse, to answer wrongly or not at all, and to cut what it sends into pieces.
 */
import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';

const TYPE = {
  DIRECTORY: 1,
  READ: 2,
  GET_PERMS: 3,
  WATCH: 4,
  UNWATCH: 5,
  TRANSACTION_START: 6,
  TRANSACTION_END: 7,
  GET_DOMAIN_PATH: 10,
  WRITE: 11,
  MKDIR: 12,
  RM: 13,
  SET_PERMS: 14,
  WATCH_EVENT: 15,
  ERROR: 16,
  IS_DOMAIN_INTRODUCED: 17,
  DIRECTORY_PART: 22,
} as const;

type TypeName = keyof typeof TYPE;

const MAX = 4096;

interface Node {
  value: string;
  perms: string[];
}

type Tree = Map<string, Node>;

interface Transaction {
  readonly tree: Tree;
  readonly base: number;
  readonly changed: string[];
}

interface Peer {
  readonly socket: Socket;
  readonly watches: { path: string; token: string }[];
  readonly transactions: Map<number, Transaction>;
  received: Buffer;
  sending: Promise<void>;
}

class Refusal extends Error {}

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/';
const isUnder = (path: string, parent: string): boolean =>
  path === parent || parent === '/' || path.startsWith(`${parent}/`);
const OK = Buffer.from('OK\0');
const zeroed = (texts: readonly string[]): Buffer => Buffer.from(texts.map((text) => `${text}\0`).join(''));

export class FakeXenstored {
  readonly path: string;
  /** Requests as `TYPE subject`, in order. */
  readonly requests: string[] = [];
  /** Bytes that are sent at a time; 0: whole messages. */
  piece = 0;
  /** The next answer of this type is these bytes instead. */
  wrong: { type: TypeName; bytes: (request: number, transaction: number) => Buffer } | null = null;
  /** Requests of this type get no answer. */
  mute: TypeName | null = null;
  /** Called before each commit: a place for somebody else to change something. */
  beforeCommit: (() => void) | null = null;
  /** Called before each request is answered. */
  onRequest: ((type: TypeName, subject: string) => void) | null = null;
  #tree: Tree = new Map([['/', { value: '', perms: ['n0'] }]]);
  #version = 0;
  readonly #introduced = new Set<number>();
  readonly #peers = new Set<Peer>();
  readonly #refuse: { type: TypeName; path: RegExp; errno: string; times: number }[] = [];
  #server: Server | null = null;
  #nextTransaction = 1;

  constructor(path: string) {
    this.path = path;
  }

  async start(): Promise<this> {
    rmSync(this.path, { force: true });
    const server = createServer((socket) => this.#connected(socket));
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.path, resolve));
    return this;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    for (const { socket } of this.#peers) socket.destroy();
    this.#peers.clear();
    if (server !== null) await new Promise((resolve) => server.close(resolve));
    rmSync(this.path, { force: true });
  }

  /** @param forget as xenstored does when nobody handed its state over: all nodes and domains are gone */
  async restart({ forget = false } = {}): Promise<void> {
    await this.stop();
    if (forget) {
      this.#tree = new Map([['/', { value: '', perms: ['n0'] }]]);
      this.#introduced.clear();
    }
    await this.start();
  }

  get connections(): number {
    return this.#peers.size;
  }

  get watches(): string[] {
    return [...this.#peers].flatMap((peer) => peer.watches.map(({ path }) => path)).sort();
  }

  get openTransactions(): number {
    return [...this.#peers].reduce((sum, peer) => sum + peer.transactions.size, 0);
  }

  refuse(type: TypeName, path: RegExp, errno: string, times = 1): void {
    this.#refuse.push({ type, path, errno, times });
  }

  // ---- what dom0's tools do

  get(path: string): string | undefined {
    return this.#tree.get(path)?.value;
  }

  perms(path: string): string[] | undefined {
    return this.#tree.get(path)?.perms;
  }

  /** All nodes as `path = value`, without containers. */
  list(under = '/'): string[] {
    return [...this.#tree]
      .filter(([path]) => isUnder(path, under) && ![...this.#tree.keys()].some((other) => parentOf(other) === path))
      .map(([path, { value }]) => `${path} = ${value}`)
      .sort();
  }

  set(path: string, value: string): void {
    this.#write(this.#tree, path, value);
    this.#changed([path]);
  }

  remove(path: string): void {
    if (this.#remove(this.#tree, path)) this.#changed([path]);
  }

  /** A domain is made and made known. */
  introduce(domid: number, name?: string, uuid = `uuid-${domid}`): void {
    if (name !== undefined) this.set(`/local/domain/${domid}/name`, name);
    this.set(`/local/domain/${domid}/vm`, `/vm/${uuid}`);
    this.#introduced.add(domid);
    this.#fire('@introduceDomain');
  }

  /** A domain is destroyed; the toolstack's nodes go later, or never. */
  release(domid: number, { keepNodes = false } = {}): void {
    this.#introduced.delete(domid);
    if (!keepNodes) this.remove(`/local/domain/${domid}`);
    this.#fire('@releaseDomain');
  }

  fire(path: string): void {
    this.#fire(path);
  }

  /** Sends bytes to everybody. */
  blurt(bytes: Buffer): void {
    for (const peer of this.#peers) this.#send(peer, bytes);
  }

  // ---- the socket

  #connected(socket: Socket): void {
    const peer: Peer = {
      socket,
      watches: [],
      transactions: new Map(),
      received: Buffer.alloc(0),
      sending: Promise.resolve(),
    };
    this.#peers.add(peer);
    const gone = (): void => void this.#peers.delete(peer);
    socket.on('close', gone);
    socket.on('error', gone);
    socket.on('data', (chunk) => {
      peer.received = Buffer.concat([peer.received, chunk]);
      while (peer.received.length >= 16) {
        const length = peer.received.readUInt32LE(12);
        if (length > MAX) return void socket.destroy();
        if (peer.received.length < 16 + length) return;
        const message = peer.received.subarray(0, 16 + length);
        peer.received = peer.received.subarray(16 + length);
        this.#serve(peer, message);
      }
    });
  }

  #serve(peer: Peer, message: Buffer): void {
    const [type, request, transaction] = [message.readUInt32LE(0), message.readUInt32LE(4), message.readUInt32LE(8)];
    const payload = message.subarray(16);
    const name = (Object.keys(TYPE) as TypeName[]).find((key) => TYPE[key] === type);
    const [subject = ''] = payload.toString('utf8').split('\0');
    this.requests.push(`${name ?? type} ${subject}`);
    if (name !== undefined) this.onRequest?.(name, subject);
    if (name === undefined) {
      this.#answer(peer, TYPE.ERROR, request, transaction, zeroed(['ENOSYS']));
      return;
    }
    if (this.mute === name) return;
    if (this.wrong?.type === name) {
      const { bytes } = this.wrong;
      this.wrong = null;
      this.#send(peer, bytes(request, transaction));
      return;
    }
    const events: string[] = [];
    try {
      this.#mayRefuse(name, subject);
      const answer = this.#do(peer, name, transaction, payload, events);
      this.#answer(peer, type, request, transaction, answer);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#answer(peer, TYPE.ERROR, request, transaction, zeroed([error.message]));
    }
    if (name === 'WATCH') this.#event(peer, subject, payload.toString('utf8').split('\0')[1] ?? '');
    if (events.length > 0) this.#changed(events);
  }

  #mayRefuse(type: TypeName, path: string): void {
    const at = this.#refuse.findIndex((rule) => rule.type === type && rule.path.test(path));
    const rule = this.#refuse[at];
    if (rule === undefined) return;
    if (--rule.times <= 0) this.#refuse.splice(at, 1);
    throw new Refusal(rule.errno);
  }

  #do(peer: Peer, type: TypeName, id: number, payload: Buffer, events: string[]): Buffer {
    const parts = payload.toString('utf8').split('\0');
    const [path = '', second = ''] = parts;
    if (type === 'TRANSACTION_START') {
      const number = this.#nextTransaction++;
      const copy: Tree = new Map([...this.#tree].map(([key, node]) => [key, { ...node }]));
      peer.transactions.set(number, { tree: copy, base: this.#version, changed: [] });
      return zeroed([String(number)]);
    }
    const transaction = peer.transactions.get(id);
    if (id !== 0 && transaction === undefined) throw new Refusal('ENOENT');
    const tree = transaction?.tree ?? this.#tree;
    const changed = transaction?.changed ?? events;
    switch (type) {
      case 'TRANSACTION_END':
        return this.#commit(peer, id, path === 'T', events);
      case 'READ':
        return Buffer.from(this.#node(tree, path).value);
      case 'WRITE':
        this.#write(tree, path, payload.toString('utf8', payload.indexOf(0) + 1));
        changed.push(path);
        return OK;
      case 'MKDIR':
        if (!tree.has(path)) {
          this.#write(tree, path, '');
          changed.push(path);
        }
        return OK;
      case 'RM':
        if (!tree.has(parentOf(path))) throw new Refusal('ENOENT');
        if (this.#remove(tree, path)) changed.push(path);
        return OK;
      case 'DIRECTORY': {
        const list = zeroed(this.#children(tree, path));
        if (list.length > MAX) throw new Refusal('E2BIG');
        return list;
      }
      case 'DIRECTORY_PART':
        return this.#part(tree, path, Number(second));
      case 'GET_PERMS':
        return zeroed(this.#node(tree, path).perms);
      case 'SET_PERMS':
        this.#node(tree, path).perms = parts.slice(1).filter((part) => part !== '');
        changed.push(path);
        return OK;
      case 'WATCH':
        if (peer.watches.some((watch) => watch.path === path && watch.token === second)) throw new Refusal('EEXIST');
        peer.watches.push({ path, token: second });
        return OK;
      case 'UNWATCH': {
        const at = peer.watches.findIndex((watch) => watch.path === path && watch.token === second);
        if (at < 0) throw new Refusal('ENOENT');
        peer.watches.splice(at, 1);
        return OK;
      }
      case 'GET_DOMAIN_PATH':
        return zeroed([`/local/domain/${path}`]);
      case 'IS_DOMAIN_INTRODUCED':
        return zeroed([this.#introduced.has(Number(path)) ? 'T' : 'F']);
      default:
        throw new Refusal('ENOSYS');
    }
  }

  #commit(peer: Peer, id: number, wanted: boolean, events: string[]): Buffer {
    const transaction = peer.transactions.get(id);
    if (transaction === undefined) throw new Refusal('ENOENT');
    if (wanted) this.beforeCommit?.();
    peer.transactions.delete(id);
    if (!wanted) return OK;
    if (transaction.base !== this.#version) throw new Refusal('EAGAIN');
    this.#tree = transaction.tree;
    events.push(...transaction.changed);
    return OK;
  }

  #node(tree: Tree, path: string): Node {
    const node = tree.get(path);
    if (node === undefined) throw new Refusal('ENOENT');
    return node;
  }

  #children(tree: Tree, path: string): string[] {
    this.#node(tree, path);
    return [...tree.keys()]
      .filter((key) => key !== '/' && parentOf(key) === path)
      .map((key) => key.slice(key.lastIndexOf('/') + 1));
  }

  #part(tree: Tree, path: string, offset: number): Buffer {
    const all = this.#children(tree, path);
    const head = zeroed([String(this.#version)]);
    const names: string[] = [];
    let at = 0;
    let room = MAX - head.length - 1;
    for (const name of all) {
      if (at >= offset) {
        if (room < name.length + 1) return Buffer.concat([head, zeroed(names)]);
        room -= name.length + 1;
        names.push(name);
      }
      at += name.length + 1;
    }
    return Buffer.concat([head, zeroed([...names, ''])]);
  }

  #write(tree: Tree, path: string, value: string): void {
    const existing = tree.get(path);
    if (existing !== undefined) {
      existing.value = value;
      return;
    }
    const parent = parentOf(path);
    if (!tree.has(parent)) this.#write(tree, parent, '');
    tree.set(path, { value, perms: [...(tree.get(parent)?.perms ?? ['n0'])] });
  }

  #remove(tree: Tree, path: string): boolean {
    const gone = [...tree.keys()].filter((key) => isUnder(key, path));
    for (const key of gone) tree.delete(key);
    return gone.length > 0;
  }

  #changed(paths: readonly string[]): void {
    this.#version++;
    for (const path of paths) this.#fire(path);
  }

  #fire(path: string): void {
    for (const peer of this.#peers) {
      for (const watch of peer.watches) {
        if (isUnder(path, watch.path)) this.#event(peer, path, watch.token);
        // A parent was removed: the watched node went with it.
        else if (isUnder(watch.path, path) && !path.startsWith('@')) this.#event(peer, watch.path, watch.token);
      }
    }
  }

  #event(peer: Peer, path: string, token: string): void {
    this.#answer(peer, TYPE.WATCH_EVENT, 0, 0, zeroed([path, token]));
  }

  #answer(peer: Peer, type: number, request: number, transaction: number, payload: Buffer): void {
    const header = Buffer.alloc(16);
    for (const [at, word] of [type, request, transaction, payload.length].entries()) header.writeUInt32LE(word, at * 4);
    this.#send(peer, Buffer.concat([header, payload]));
  }

  #send(peer: Peer, bytes: Buffer): void {
    const { piece } = this;
    peer.sending = peer.sending.then(async () => {
      const step = piece > 0 ? piece : bytes.length;
      for (let at = 0; at < bytes.length && !peer.socket.destroyed; at += step) {
        peer.socket.write(bytes.subarray(at, at + step));
        if (piece > 0) await new Promise((resolve) => setImmediate(resolve));
      }
    });
  }
}
