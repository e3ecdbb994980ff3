/** The daemon's part on a Xen host: whether it follows the host's domains, and what it then knows of them. */
import { existsSync } from 'node:fs';
import { reasonOf, XengtError } from '../../base/index.js';
import { destroyLeftoverServer, loadNative, nativeMissing } from '../../hypervisor/index.js';
import { SOCKETS, XenstoreClient, xenstoredSocket } from '../../hypervisor/xen/xenstore/index.js';
import type { MediatorApi } from '../../mediator/api.js';
import type { Log } from '../log.js';
import { Follower, type FollowerOptions } from './follower.js';

/** `auto`: where xenstored is; what goes wrong then is said, and the daemon goes on without. */
export const XEN_MODES = ['auto', 'on', 'off'] as const;
export type XenMode = (typeof XEN_MODES)[number];

export interface XenDomainsOptions {
  readonly mode: XenMode;
  readonly mediator: MediatorApi;
  readonly log: Log;
  /** xenstored's socket; default: where it usually is. */
  readonly socket?: string | undefined;
  readonly destroyServer?: FollowerOptions['destroyServer'];
}

interface Following {
  readonly client: XenstoreClient;
  readonly follower: Follower;
}

function destroyLeftover(domid: number, server: number): boolean {
  const native = loadNative();
  if (native === null) throw new XengtError('XENGT_E_NO_ADDON', nativeMissing());
  return destroyLeftoverServer(native, domid, server);
}

export class XenDomains {
  readonly #options: XenDomainsOptions;
  #following: Following | null = null;

  constructor(options: XenDomainsOptions) {
    this.#options = options;
  }

  get followed(): boolean {
    return this.#following !== null;
  }

  /** @throws XengtError when it is to be on and cannot be */
  async start(): Promise<void> {
    const { mode, log, socket } = this.#options;
    const found = socket ?? xenstoredSocket();
    if (mode === 'off' || (mode === 'auto' && (found === undefined || !existsSync(found)))) return;
    try {
      this.#following = await this.#follow(found ?? SOCKETS[0]);
    } catch (error) {
      if (mode === 'on') throw error;
      log.error(`Xen: the domains of this host are not followed: ${reasonOf(error)}`);
      return;
    }
    log.info('Xen: the domains of this host are followed');
  }

  async #follow(path: string): Promise<Following> {
    const { mediator, log, destroyServer = destroyLeftover } = this.#options;
    const client = await XenstoreClient.connect({ path, log: (message) => log.error(`Xen: ${message}`) });
    const follower = new Follower({ client, mediator, destroyServer, log });
    try {
      await follower.start();
    } catch (error) {
      await follower.stop();
      client.close();
      throw error;
    }
    return { client, follower };
  }

  /**
   * The number of the domain that an operator means, by number or name.
   * @throws XengtError
   */
  async find(key: string): Promise<number> {
    if (this.#following === null) {
      if (!/^\d{1,5}$/.test(key)) {
        const rule = 'names are known only where the domains of the host are followed (--xen on); give the number';
        throw new XengtError('XENGT_E_CONFIG', `domain: ${JSON.stringify(key)}: ${rule}`);
      }
      return Number(key);
    }
    return (await this.#following.follower.find(key)).domid;
  }

  /** After vGPUs were changed by hand: the store is to say what is. */
  async changed(): Promise<void> {
    await this.#following?.follower.look();
  }

  /** Takes the domains' vGPUs away. */
  async stop(): Promise<void> {
    const following = this.#following;
    this.#following = null;
    if (following === null) return;
    await following.follower.stop();
    following.client.close();
  }
}
