/** The domains of the host, as xenstored knows them. */
import { reasonOf, XengtError } from '../../../base/index.js';
import type { Watch, XenstoreClient } from './client.js';
import { isErrno } from './errors.js';

export interface Domain {
  readonly domid: number;
  /** Null while the toolstack has not named it. */
  readonly name: string | null;
  readonly uuid: string | null;
}

const ROOT = '/local/domain';
const DOMID = /^(?:0|[1-9]\d{0,4})$/;

async function readOr(client: XenstoreClient, path: string): Promise<string | null> {
  try {
    return await client.read(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null;
    throw error;
  }
}

async function lookAt(client: XenstoreClient, domid: number): Promise<Domain | null> {
  // The node can outlive its domain; what Xen has let go of is not introduced any more.
  if (!(await client.isDomainIntroduced(domid))) return null;
  const [name, vm] = await Promise.all([
    readOr(client, `${ROOT}/${domid}/name`),
    readOr(client, `${ROOT}/${domid}/vm`),
  ]);
  return { domid, name, uuid: vm === null ? null : vm.replace(/^\/vm\//, '') };
}

/** Those that live: made known to xenstored, and neither destroyed nor dying. Without dom0. */
export async function liveDomains(client: XenstoreClient): Promise<ReadonlyMap<number, Domain>> {
  const names = await client.list(ROOT);
  const domids = names.filter((name) => DOMID.test(name)).map(Number);
  const all = await Promise.all(domids.filter((domid) => domid !== 0).map((domid) => lookAt(client, domid)));
  return new Map(all.filter((domain) => domain !== null).map((domain) => [domain.domid, domain]));
}

/**
 * The domain that an operator means by a number or a name.
 * @throws XengtError XENGT_E_NOT_FOUND, or XENGT_E_CONFIG when several have the name
 */
export async function findDomain(client: XenstoreClient, key: string): Promise<Domain> {
  const live = await liveDomains(client);
  const all = [...live.values()];
  if (DOMID.test(key)) {
    const domain = live.get(Number(key));
    if (domain !== undefined) return domain;
    const text = key === '0' ? 'domain: 0 is dom0 itself, which gets no vGPU' : `domain: there is no domain ${key}`;
    throw new XengtError('XENGT_E_NOT_FOUND', `${text}; ${known(all)}`);
  }
  const named = all.filter((domain) => domain.name === key);
  const [domain, second] = named;
  if (domain === undefined) {
    throw new XengtError('XENGT_E_NOT_FOUND', `domain: no domain is named ${JSON.stringify(key)}; ${known(all)}`);
  }
  if (second !== undefined) {
    const ids = named.map(({ domid }) => domid).join(', ');
    throw new XengtError('XENGT_E_CONFIG', `domain: ${ids} are all named ${JSON.stringify(key)}; give the number`);
  }
  return domain;
}

function known(domains: readonly Domain[]): string {
  if (domains.length === 0) return 'no guest runs';
  return `there is: ${domains.map(({ domid, name }) => (name === null ? `${domid}` : `${name} (${domid})`)).join(', ')}`;
}

export interface DomainWatcherOptions {
  readonly client: XenstoreClient;
  /**
   * After every change that may have brought or taken a domain, one call at a time. `live` asks for the domains: whoever
   * compares them with something else looks at that first, so that what belongs to a new domain is not taken for an old one's.
   */
  readonly onChange: (live: () => Promise<ReadonlyMap<number, Domain>>) => Promise<void>;
  readonly log: (message: string) => void;
  /** After a look that failed while xenstored answers, the next one comes by itself so much later. */
  readonly retryMs?: number;
}

const RETRY_MS = 5000;

/** Tells when domains come and go. The events name none, so each is a reason to look at all of them. */
export class DomainWatcher {
  readonly #options: DomainWatcherOptions;
  readonly #watches: Watch[] = [];
  #again = false;
  #looking: Promise<void> | null = null;
  #closed = false;
  #retry: NodeJS.Timeout | null = null;
  /** The last complaint, which is made once. */
  #told: string | null = null;

  constructor(options: DomainWatcherOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    for (const path of ['@introduceDomain', '@releaseDomain']) {
      this.#watches.push(await this.#options.client.watch(path, () => void this.look()));
    }
    await this.look();
  }

  /** Looks now, or once more when it is looking already. Resolves when that is done. */
  look(): Promise<void> {
    this.#again = true;
    this.#looking ??= this.#run().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  /** No call is made after this. */
  async stop(): Promise<void> {
    this.#closed = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    await this.#looking;
    for (const watch of this.#watches.splice(0)) await watch.close();
  }

  async #run(): Promise<void> {
    const { client, onChange, log } = this.#options;
    while (this.#again && !this.#closed) {
      this.#again = false;
      try {
        await onChange(() => liveDomains(client));
        this.#told = null;
      } catch (error) {
        const reason = reasonOf(error);
        if (reason !== this.#told) log(`looking at the domains failed: ${reason}`);
        this.#told = reason;
        this.later();
      }
    }
  }

  /** Looks once more after a while. A lost connection needs that not: it comes back with its watches, which fire. */
  later(): void {
    if (this.#retry !== null || this.#closed || !this.#options.client.connected) return;
    const { retryMs = RETRY_MS } = this.#options;
    this.#retry = setTimeout(() => {
      this.#retry = null;
      void this.look();
    }, retryMs);
  }
}
