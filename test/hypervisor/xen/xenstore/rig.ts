/** A store in this process, and clients of it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { XenstoreClient, type XenstoreOptions } from '../../../../src/hypervisor/xen/xenstore/index.js';
import { FakeXenstored } from '../../../support/fake-xenstored.js';

export class StoreRig {
  readonly folder = mkdtempSync(join(tmpdir(), 'xengt-store-'));
  readonly store = new FakeXenstored(join(this.folder, 'socket'));
  readonly lines: string[] = [];
  readonly #clients: XenstoreClient[] = [];

  async start(): Promise<this> {
    await this.store.start();
    return this;
  }

  async client(options: XenstoreOptions = {}): Promise<XenstoreClient> {
    const client = await XenstoreClient.connect({
      path: this.store.path,
      log: (line) => void this.lines.push(line),
      retryMs: 5,
      ...options,
    });
    this.#clients.push(client);
    return client;
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.store.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Until it is so. */
export async function until(what: () => boolean, name = 'what was waited for'): Promise<void> {
  for (let attempt = 0; attempt < 1000; attempt++) {
    if (what()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`${name} did not come`);
}

export const refusal = (attempt: Promise<unknown>): Promise<string> =>
  attempt.then(
    () => 'it was done',
    (error: Error) => error.message,
  );
