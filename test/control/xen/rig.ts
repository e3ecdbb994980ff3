/** A Xen host's store and a follower on the fake mediator, whose vGPUs have ioreq servers. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { XengtError } from '../../../src/base/index.js';
import { Follower } from '../../../src/control/xen/index.js';
import { XenstoreClient } from '../../../src/hypervisor/xen/xenstore/index.js';
import type { VgpuInfo, VgpuSpec } from '../../../src/mediator/api.js';
import { FakeXenstored } from '../../support/fake-xenstored.js';
import { FakeMediator } from '../fake-mediator.js';

export const ROOT = '/local/domain/0/xengt';

/** vGPUs of domains have an ioreq server, whose number is 10 more than the vGPU's. */
export class XenMediator extends FakeMediator {
  /** Domains that Xen does not have. */
  readonly missingDomains = new Set<number>();
  onCreate: ((spec: VgpuSpec) => void) | null = null;

  override async createVgpu(spec: VgpuSpec): Promise<VgpuInfo> {
    const { transport } = spec;
    if (transport.kind === 'xen' && this.missingDomains.has(transport.domid)) {
      this.calls.push('createVgpu');
      const text = `domain ${transport.domid}: creating an ioreq server: there is no such domain (any more) (ESRCH)`;
      throw new XengtError('XENGT_E_NOT_FOUND', text);
    }
    const made = await super.createVgpu(spec);
    this.onCreate?.(spec);
    return withServer(made);
  }

  override async vgpus(): Promise<VgpuInfo[]> {
    return (await super.vgpus()).map(withServer);
  }

  /** `name: domain` of each vGPU. */
  async attached(): Promise<string[]> {
    const all = await super.vgpus();
    return all.map(({ name, transport }) => `${name}: ${transport.kind === 'xen' ? transport.domid : transport.kind}`);
  }
}

function withServer(info: VgpuInfo): VgpuInfo {
  return info.transport.kind === 'xen' ? { ...info, ioreqServer: info.id + 10 } : info;
}

export class FollowRig {
  readonly folder = mkdtempSync(join(tmpdir(), 'xengt-follow-'));
  readonly store = new FakeXenstored(join(this.folder, 'socket'));
  mediator = new XenMediator();
  readonly lines: string[] = [];
  readonly complaints: string[] = [];
  readonly destroyed: string[] = [];
  destroyFails: Error | null = null;
  follower: Follower | null = null;
  client: XenstoreClient | null = null;

  readonly log = {
    info: (line: string) => void this.lines.push(line),
    error: (line: string) => void this.complaints.push(line),
  };

  readonly destroyServer = (domid: number, server: number): boolean => {
    if (this.destroyFails !== null) throw this.destroyFails;
    this.destroyed.push(`${domid}:${server}`);
    return true;
  };

  async start(): Promise<this> {
    await this.store.start();
    this.store.set('/local/domain/0/name', 'Domain-0');
    return this;
  }

  /** A daemon starts to follow. */
  async follow(): Promise<Follower> {
    const client = await XenstoreClient.connect({ path: this.store.path, retryMs: 5 });
    this.client = client;
    const { mediator, destroyServer, log } = this;
    this.follower = new Follower({ client, mediator, destroyServer, log, retryMs: 20 });
    await this.follower.start();
    return this.follower;
  }

  /** The daemon is gone from one moment to the next, and all its vGPUs. */
  crash(): void {
    this.client?.close();
    this.client = null;
    this.follower = null;
    this.mediator = new XenMediator();
    // Its mark is of a process that runs no more.
    if (this.store.get(`${ROOT}/daemon`) !== undefined) this.store.set(`${ROOT}/daemon`, '999999999 1');
  }

  /** What a device-model wrapper does. */
  ask(domid: number, request: string): void {
    this.store.remove(`${ROOT}/${domid}`);
    this.store.set(`${ROOT}/${domid}/request`, request);
  }

  node(domid: number, name: string): string | undefined {
    return this.store.get(`${ROOT}/${domid}/${name}`);
  }

  async state(domid: number): Promise<string> {
    await until(() => this.node(domid, 'state') !== undefined, `an answer to domain ${domid}`);
    return this.node(domid, 'state') ?? '';
  }

  async stop(): Promise<void> {
    await this.follower?.stop();
    this.client?.close();
    await this.store.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export async function until(what: () => boolean | Promise<boolean>, name = 'what was waited for'): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt++) {
    if (await what()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`${name} did not come`);
}

export const refusal = (attempt: Promise<unknown>): Promise<string> =>
  attempt.then(
    () => 'it was done',
    (error: Error) => error.message,
  );
