/**
 * Keeps vGPUs and domains in step: a domain whose device model asks for a vGPU gets it, one that goes takes its vGPU along.
 *
 * Events only say that something may have changed. Each time, all that is wanted is compared with all that is, and what
 * differs is done; so it does not matter how many events come, or whether xenstored was away in between. What fails for one
 * domain is that domain's loss.
 */
import { reasonOf, XengtError } from '../../base/index.js';
import {
  type Domain,
  DomainWatcher,
  findDomain,
  isErrno,
  type Watch,
  type XenstoreClient,
} from '../../hypervisor/xen/xenstore/index.js';
import type { MediatorApi, VgpuInfo } from '../../mediator/api.js';
import type { Log } from '../log.js';
import { type Attachment, type DomainNodes, Nodes, ROOT } from './nodes.js';
import { nameFor, parseRequest } from './request.js';

export interface FollowerOptions {
  readonly client: XenstoreClient;
  readonly mediator: Pick<MediatorApi, 'createVgpu' | 'removeVgpu' | 'vgpus'>;
  /** Destroys an ioreq server that an earlier run left behind. @returns false when there was none */
  readonly destroyServer: (domid: number, server: number) => boolean;
  readonly log: Log;
  readonly retryMs?: number;
}

interface XenVgpu {
  readonly info: VgpuInfo;
  readonly domid: number;
}

const RETRY_MS = 5000;
/** No guest has this number. */
const ALL = 0;
const SERVER = /^\d{1,5}$/;

const isLost = (error: unknown): boolean =>
  isErrno(error, 'ENOTCONN') || isErrno(error, 'ETIMEDOUT') || isErrno(error, 'EPROTO');

export class Follower {
  readonly #options: FollowerOptions;
  readonly #nodes: Nodes;
  readonly #domains: DomainWatcher;
  #watch: Watch | null = null;
  /** vGPUs that were asked for through the store; the others were attached by hand. */
  readonly #asked = new Set<number>();
  /** The domain that each vGPU is of: numbers of domains are given again. */
  readonly #uuids = new Map<number, string>();
  /** Domains that were alive on this connection to xenstored: only of those it can say that they are gone. */
  #seen = new Set<number>();
  #generation = 0;
  readonly #unknown = new Set<number>();
  /** Domains with nodes of an earlier daemon that are not dealt with yet. */
  readonly #left = new Set<number>();
  /** The last complaint about each domain, and about all of them. */
  readonly #told = new Map<number, string>();

  constructor(options: FollowerOptions) {
    const { client, log, retryMs = RETRY_MS } = options;
    this.#options = options;
    this.#nodes = new Nodes(client);
    this.#domains = new DomainWatcher({
      client,
      onChange: (live) => this.#pass(live),
      log: (message) => log.error(`Xen: ${message}`),
      retryMs,
    });
    this.#generation = client.generation;
  }

  /**
   * Cleans up after a daemon that crashed, and follows from now on.
   * @throws XengtError XENGT_E_BUSY when another daemon does, XenstoreError when the store refuses
   */
  async start(): Promise<void> {
    const { client } = this.#options;
    await this.#nodes.claim();
    await this.#leftovers();
    this.#watch = await client.watch(ROOT, () => void this.look());
    await this.#domains.start();
  }

  /** Compares now. Never rejects: what fails is logged. */
  look(): Promise<void> {
    return this.#domains.look();
  }

  /** @throws XengtError that says which domains there are */
  async find(key: string): Promise<Domain> {
    const domain = await findDomain(this.#options.client, key);
    this.#seen.add(domain.domid);
    return domain;
  }

  /** Takes all domains' vGPUs away, and every node. */
  async stop(): Promise<void> {
    await this.#attempt(ALL, async () => {
      await this.#domains.stop();
      await this.#watch?.close();
    });
    const left = new Set(this.#left);
    await this.#attempt(ALL, async () => {
      for (const { info, domid } of await this.#vgpus()) {
        left.add(domid);
        await this.#attempt(domid, async () => {
          await this.#removeVgpu(info.id);
          left.delete(domid);
        });
      }
    });
    await this.#attempt(ALL, async () => {
      if (!(await this.#nodes.ours())) return;
      // Of what could not be taken away the nodes stay, for the daemon that is started next.
      for (const domid of await this.#nodes.domids()) if (!left.has(domid)) await this.#nodes.clear(domid);
      await this.#nodes.release();
    });
  }

  // ---- what an earlier daemon left behind

  async #leftovers(): Promise<void> {
    const mine = new Set((await this.#vgpus()).map(({ domid }) => domid));
    for (const domid of await this.#nodes.domids()) {
      if (mine.has(domid)) continue;
      this.#left.add(domid);
      await this.#attempt(domid, () => this.#leftover(domid));
    }
  }

  async #leftover(domid: number): Promise<void> {
    const { server, uuid } = await this.#nodes.of(domid);
    if (server !== null) await this.#destroy(domid, server, uuid);
    await this.#nodes.clear(domid);
    this.#left.delete(domid);
  }

  /** What it throws keeps the nodes, so that it is tried again. */
  async #destroy(domid: number, server: string, uuid: string | null): Promise<void> {
    const { log, destroyServer } = this.#options;
    if (!SERVER.test(server)) throw new XengtError('XENGT_E_XEN', `"${server}" is no number of an ioreq server`);
    const now = await this.#domain(domid);
    // Another domain that has the number now has servers of its own.
    if (now === null || (uuid !== null && now.uuid !== uuid)) return;
    if (destroyServer(domid, Number(server))) {
      log.info(`Xen: domain ${domid}: ioreq server ${server} of an earlier run destroyed; its vGPU is gone`);
    }
  }

  async #domain(domid: number): Promise<Domain | null> {
    try {
      return await findDomain(this.#options.client, String(domid));
    } catch (error) {
      if (error instanceof XengtError && error.code === 'XENGT_E_NOT_FOUND') return null;
      throw error;
    }
  }

  // ---- what is wanted, and what is

  async #pass(look: () => Promise<ReadonlyMap<number, Domain>>): Promise<void> {
    const { client } = this.#options;
    if (client.generation !== this.#generation) {
      this.#generation = client.generation;
      this.#seen = new Set();
    }
    await this.#nodes.claim();
    const vgpus = await this.#vgpus();
    const noted = await this.#nodes.domids();
    const live = await look();
    if (client.generation !== this.#generation) {
      // Half of this is from before xenstored was away, half from after.
      void this.look();
      return;
    }
    for (const domid of live.keys()) this.#seen.add(domid);
    const kept = new Map<number, VgpuInfo>();
    const stuck = new Set<number>();
    for (const vgpu of vgpus) {
      const { domid, info } = vgpu;
      if (!this.#isGone(vgpu, live.get(domid))) kept.set(domid, info);
      else if (!(await this.#attempt(domid, () => this.#letGo(vgpu, live.has(domid))))) stuck.add(domid);
    }
    const known = new Set([...noted, ...kept.keys(), ...stuck]);
    for (const domid of this.#told.keys()) if (domid !== ALL && !known.has(domid)) this.#told.delete(domid);
    for (const domid of known) {
      if (stuck.has(domid)) continue;
      const domain = live.get(domid);
      const info = kept.get(domid);
      await this.#attempt(domid, async () => {
        if (this.#left.has(domid)) await this.#leftover(domid);
        if (domain !== undefined) await this.#serve(domain, info);
        else if (info === undefined) await this.#nodes.remove(domid);
      });
    }
  }

  #isGone({ info, domid }: XenVgpu, domain: Domain | undefined): boolean {
    const { log, client } = this.#options;
    if (domain !== undefined) {
      const uuid = this.#uuids.get(info.id);
      if (domain.uuid === null) return false;
      this.#uuids.set(info.id, uuid ?? domain.uuid);
      return uuid !== undefined && uuid !== domain.uuid;
    }
    if (client.generation === 1 || this.#seen.has(domid)) return true;
    // A xenstored that was started anew has forgotten the domains that run.
    if (!this.#unknown.has(info.id)) {
      log.error(
        `Xen: domain ${domid} is not known to xenstored since it was restarted; vGPU "${info.name}" stays until it is removed by hand`,
      );
    }
    this.#unknown.add(info.id);
    return false;
  }

  async #letGo({ info, domid }: XenVgpu, replaced: boolean): Promise<void> {
    await this.#removeVgpu(info.id);
    // Another domain that has the number now may be asking already.
    await (replaced ? this.#nodes.clear(domid) : this.#nodes.remove(domid));
    this.#options.log.info(`Xen: domain ${domid} is gone, and vGPU ${info.id} "${info.name}" with it`);
  }

  async #serve(domain: Domain, attached: VgpuInfo | undefined): Promise<void> {
    const { domid } = domain;
    const nodes = await this.#nodes.of(domid);
    if (nodes.request !== null && nodes.state === null) {
      const asking = await this.#domain(domid);
      // What asks may have come, and taken the number, since this look began: then the next look is right about it.
      if (asking?.uuid === domain.uuid) await this.#answer(domain, nodes.request, attached);
      else void this.look();
      return;
    }
    if (attached !== undefined) {
      await this.#upkeep(domain, attached, nodes);
      return;
    }
    // Its vGPU was removed by hand. Of a refusal somebody may yet ask the reason.
    if (nodes.state !== 'refused') await this.#nodes.clear(domid);
  }

  async #answer(domain: Domain, request: string, attached: VgpuInfo | undefined): Promise<void> {
    const { log } = this.#options;
    const { domid } = domain;
    let made: VgpuInfo;
    try {
      made = await this.#create(domain, request, attached);
    } catch (error) {
      if (isLost(error)) throw error;
      await this.#refuse(domid, request, error);
      return;
    }
    try {
      const told = await this.#nodes.ready(domid, request, attachmentOf(made, domain));
      if (told) {
        log.info(`Xen: domain ${domid} "${domain.name ?? ''}" has vGPU ${made.id} "${made.name}" (${request})`);
        return;
      }
      // Who asked has gone, or asks for something else by now.
      await this.#removeVgpu(made.id);
    } catch (error) {
      // The answer may be there or not; the next look, after the store is back, sees which.
      if (isLost(error)) throw error;
      await this.#removeVgpu(made.id);
      await this.#refuse(domid, request, error);
    }
  }

  async #create(domain: Domain, request: string, attached: VgpuInfo | undefined): Promise<VgpuInfo> {
    const { mediator } = this.#options;
    const { domid } = domain;
    const writers = await this.#nodes.foreignWriters(domid);
    if (writers.length > 0) {
      throw new XengtError(
        'XENGT_E_CONFIG',
        `the request could be written by domain ${writers.join(', ')}; only dom0 may`,
      );
    }
    if (attached !== undefined && !this.#asked.has(attached.id)) {
      throw new XengtError('XENGT_E_EXISTS', `it has vGPU ${attached.id} "${attached.name}" already, attached by hand`);
    }
    const others = (await mediator.vgpus()).filter(({ id }) => id !== attached?.id);
    const spec = parseRequest(request, domid, nameFor(domain, new Set(others.map(({ name }) => name))));
    // A device model that is started once more: the domain was reset, and its ioreq servers are gone.
    if (attached !== undefined) await this.#removeVgpu(attached.id);
    const made = await mediator.createVgpu(spec);
    this.#asked.add(made.id);
    if (domain.uuid !== null) this.#uuids.set(made.id, domain.uuid);
    return made;
  }

  async #refuse(domid: number, request: string, error: unknown): Promise<void> {
    const reason = reasonOf(error).replace(/\s+/g, ' ');
    this.#options.log.error(`Xen: domain ${domid} gets no vGPU (${request.slice(0, 100)}): ${reason}`);
    await this.#nodes.refuse(domid, request, reason);
  }

  async #upkeep(domain: Domain, info: VgpuInfo, nodes: DomainNodes): Promise<void> {
    const attachment = attachmentOf(info, domain);
    const { vgpu, server, uuid } = attachment;
    const right =
      nodes.vgpu === String(vgpu) &&
      (server === null || nodes.server === String(server)) &&
      (uuid === null || nodes.uuid === uuid);
    if (!right) await this.#nodes.record(domain.domid, attachment);
  }

  // ---- helpers

  async #vgpus(): Promise<XenVgpu[]> {
    const all = await this.#options.mediator.vgpus();
    return all.flatMap((info) => {
      const { transport } = info;
      return transport.kind === 'xen' ? [{ info, domid: transport.domid }] : [];
    });
  }

  async #removeVgpu(id: number): Promise<void> {
    try {
      await this.#options.mediator.removeVgpu(id);
    } catch (error) {
      // The operator was faster.
      if (!(error instanceof XengtError && error.code === 'XENGT_E_NOT_FOUND')) throw error;
    }
    this.#asked.delete(id);
    this.#uuids.delete(id);
    this.#unknown.delete(id);
  }

  /** One domain's failure is not the others'. It is told once, and tried again after a while. */
  async #attempt(domid: number, step: () => Promise<void>): Promise<boolean> {
    try {
      await step();
      this.#told.delete(domid);
      return true;
    } catch (error) {
      const reason = (domid === ALL ? 'Xen: ' : `Xen: domain ${domid}: `) + reasonOf(error);
      if (this.#told.get(domid) !== reason) this.#options.log.error(reason);
      this.#told.set(domid, reason);
      this.#domains.later();
      return false;
    }
  }
}

function attachmentOf(info: VgpuInfo, { uuid }: Domain): Attachment {
  return { vgpu: info.id, server: info.ioreqServer, uuid };
}
