/**
 * The nodes by which guests' device models and the daemon talk, all dom0's own:
 *
 *     /local/domain/0/xengt/daemon      the process that serves, while it does
 *     /local/domain/0/xengt/N/request   what domain N asks for, written by its device-model wrapper
 *     …/N/state                         the answer: `ready` or `refused`; without one the request is open
 *     …/N/reason                        why it was refused
 *     …/N/vgpu, …/N/server, …/N/uuid    the vGPU that it has, asked for or attached by hand; its ioreq server; the domain
 *                                       itself, for numbers are given again
 */
import { XengtError } from '../../base/index.js';
import {
  isErrno,
  type Permission,
  type Store,
  transaction,
  type XenstoreClient,
} from '../../hypervisor/xen/xenstore/index.js';
import { processMark, runningProcess } from './process-mark.js';

export const ROOT = '/local/domain/0/xengt';
const DAEMON = `${ROOT}/daemon`;
const DOMID = /^[1-9]\d{0,4}$/;
/** Nobody but dom0 sees or changes what is below. */
const OURS: readonly Permission[] = [{ domid: 0, access: 'none' }];

export interface DomainNodes {
  readonly request: string | null;
  readonly state: string | null;
  readonly vgpu: string | null;
  readonly server: string | null;
  readonly uuid: string | null;
}

export interface Attachment {
  readonly vgpu: number;
  /** Null where the mediator does not say. */
  readonly server: number | null;
  readonly uuid: string | null;
}

async function orNull<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null;
    throw error;
  }
}

export class Nodes {
  readonly #client: XenstoreClient;
  readonly #mark = processMark();

  constructor(client: XenstoreClient) {
    this.#client = client;
  }

  /**
   * Says that this process serves, where nobody does.
   * @throws XengtError XENGT_E_BUSY when another one does
   */
  async claim(): Promise<void> {
    if (await this.ours()) return;
    await transaction(this.#client, async (store) => {
      const mark = await orNull(store.read(DAEMON));
      const other = mark === null ? null : runningProcess(mark);
      if (other !== null) {
        throw new XengtError('XENGT_E_BUSY', `another xengt daemon, process ${other}, serves the domains of this host`);
      }
      await store.mkdir(ROOT);
      await store.setPermissions(ROOT, OURS);
      await store.write(DAEMON, this.#mark);
      await store.setPermissions(DAEMON, OURS);
    });
  }

  /** True while this process is the one that serves. */
  async ours(): Promise<boolean> {
    return (await orNull(this.#client.read(DAEMON))) === this.#mark;
  }

  /** Domains that have nodes. */
  async domids(): Promise<number[]> {
    const names = await orNull(this.#client.list(ROOT));
    return (names ?? []).filter((name) => DOMID.test(name)).map(Number);
  }

  async of(domid: number): Promise<DomainNodes> {
    const read = (name: string) => orNull(this.#client.read(`${ROOT}/${domid}/${name}`));
    const [request, state, vgpu, server, uuid] = await Promise.all([
      read('request'),
      read('state'),
      read('vgpu'),
      read('server'),
      read('uuid'),
    ]);
    return { request, state, vgpu, server, uuid };
  }

  /** Who, beside dom0, may write the domain's request; none: nobody. */
  async foreignWriters(domid: number): Promise<number[]> {
    const [owner, ...others] = (await orNull(this.#client.permissions(`${ROOT}/${domid}/request`))) ?? OURS;
    const may = ({ access }: Permission) => access === 'write' || access === 'both';
    const named = others.filter((entry) => may(entry) && entry.domid !== 0).map(({ domid: writer }) => writer);
    if (owner === undefined || (owner.domid === 0 && !may(owner))) return named;
    return [owner.domid === 0 ? domid : owner.domid, ...named];
  }

  /** @returns false when the request is no longer the one that is answered */
  ready(domid: number, request: string, attachment: Attachment): Promise<boolean> {
    return transaction(this.#client, async (store) => {
      if ((await orNull(store.read(`${ROOT}/${domid}/request`))) !== request) return false;
      await writeAttachment(store, domid, attachment);
      await store.write(`${ROOT}/${domid}/state`, 'ready');
      return true;
    });
  }

  refuse(domid: number, request: string, reason: string): Promise<void> {
    return transaction(this.#client, async (store) => {
      if ((await orNull(store.read(`${ROOT}/${domid}/request`))) !== request) return;
      await store.write(`${ROOT}/${domid}/reason`, reason);
      await store.write(`${ROOT}/${domid}/state`, 'refused');
    });
  }

  /** Without a state, which is an answer, and nobody asked. */
  record(domid: number, attachment: Attachment): Promise<void> {
    return transaction(this.#client, (store) => writeAttachment(store, domid, attachment));
  }

  remove(domid: number): Promise<void> {
    return this.#client.remove(`${ROOT}/${domid}`);
  }

  /** What is there of an earlier attachment; an open request stays. */
  clear(domid: number): Promise<void> {
    return transaction(this.#client, async (store) => {
      const node = `${ROOT}/${domid}`;
      const open =
        (await orNull(store.read(`${node}/request`))) !== null && (await orNull(store.read(`${node}/state`))) === null;
      if (!open) return store.remove(node);
      for (const name of ['vgpu', 'server', 'uuid']) await store.remove(`${node}/${name}`);
    });
  }

  /** This process serves no more. Open requests stay for whoever serves next. */
  release(): Promise<void> {
    return transaction(this.#client, async (store) => {
      if ((await orNull(store.read(DAEMON))) === this.#mark) await store.remove(DAEMON);
      const left = await orNull(store.list(ROOT));
      if (left !== null && left.length === 0) await store.remove(ROOT);
    });
  }
}

async function writeAttachment(store: Store, domid: number, { vgpu, server, uuid }: Attachment): Promise<void> {
  const node = `${ROOT}/${domid}`;
  await store.mkdir(node);
  await store.setPermissions(node, OURS);
  await store.write(`${node}/vgpu`, String(vgpu));
  if (server !== null) await store.write(`${node}/server`, String(server));
  if (uuid !== null) await store.write(`${node}/uuid`, uuid);
}
