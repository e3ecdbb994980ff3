/**
 * The tree: one immutable root at a time. A write is a transaction: it is planned against the newest state, carried out by the
 * mediator, and then a new root stands in place of the old one; or it fails with an error number and a reason, and nothing has
 * changed. Transactions come one after the other, in the order in which they were asked for.
 */
import { reasonOf } from '../../base/index.js';
import type { MediatorApi, VgpuInfo } from '../../mediator/api.js';
import { type Act, type ActHost, carryOut } from './acts.js';
import type { Declared } from './declare.js';
import { errnoOf, TreeRefusal } from './errno.js';
import {
  type Attribute,
  type Content,
  EMPTY,
  type Folder,
  FolderBuilder,
  find,
  partsOf,
  share,
  type TreeNode,
} from './node.js';
import { Quota, type QuotaLimits } from './quota.js';
import { withoutGone } from './slots.js';
import { type State, type Surroundings, snapshot, vgpuOfVm } from './state.js';

export interface TreeOptions {
  readonly mediator: MediatorApi;
  readonly surroundings: Surroundings;
  readonly groups: readonly Declared[];
  readonly limits?: Partial<QuotaLimits>;
  /** After acts that changed vGPUs of Xen domains: the store is to say what is. */
  readonly domainsChanged?: () => Promise<void>;
  /** How often watched parts are looked at for what came from elsewhere, ms; default 500. */
  readonly watchEveryMs?: number;
}

export interface Write {
  readonly path: string;
  readonly input: Uint8Array;
  /** Where in the attribute it is written; default 0. Only attributes of bytes have places. */
  readonly offset?: number;
}

export interface Watch {
  close(): void;
}

interface Watched {
  readonly parts: readonly string[];
  readonly tell: (node: TreeNode | undefined) => void;
  seen: TreeNode | undefined;
}

/** Reasons of refusals are kept in one line each. */
const MOST_REASON = 500;

export class Tree {
  readonly #options: TreeOptions;
  readonly #quota: Quota;
  readonly #watched = new Set<Watched>();
  readonly #host: ActHost;
  #root: Folder = EMPTY;
  #state: State | null = null;
  /** What the state was made of, to see that nothing changed without making a tree. */
  #made = '';
  #lastRefusal = '';
  #looking: Promise<Folder> | null = null;
  /** The last transaction that was asked for, done or not. */
  #last: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: TreeOptions) {
    this.#options = options;
    this.#quota = new Quota(options.limits ?? {});
    this.#host = { mediator: options.mediator, foreground: 0, slots: {}, definitions: options.surroundings.kept };
  }

  /** As it was when it was last looked at. */
  get root(): Folder {
    return this.#root;
  }

  /** The vGPU of the VM in the foreground. */
  async foregroundVgpu(): Promise<VgpuInfo | undefined> {
    await this.look();
    const { foreground } = this.#host;
    return foreground === 0 || this.#state === null ? undefined : vgpuOfVm(this.#state, foreground);
  }

  /**
   * The root as it is now. Looks at the same time share one question: the mediator answers in order, so what any of them has
   * seen done before is in the answer.
   */
  look(): Promise<Folder> {
    this.#looking ??= this.#ask().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #ask(): Promise<Folder> {
    this.#show(await snapshot(this.#options.mediator));
    return this.#root;
  }

  #show(now: Pick<State, 'vgpus' | 'types' | 'resources'>): State {
    const { surroundings, groups } = this.#options;
    // A VM that is gone is in no foreground.
    if (this.#host.foreground !== 0 && vgpuOfVm(now, this.#host.foreground) === undefined) this.#host.foreground = 0;
    this.#host.slots = withoutGone(this.#host.slots, now.vgpus);
    const { definitions, damaged } = surroundings.kept?.known() ?? { definitions: [], damaged: [] };
    const state: State = {
      ...surroundings,
      ...now,
      foreground: this.#host.foreground,
      slots: this.#host.slots,
      definitions,
      damaged,
      lastRefusal: this.#lastRefusal,
    };
    const made = JSON.stringify([
      now,
      state.foreground,
      state.slots,
      definitions,
      damaged,
      state.lastRefusal,
      state.xen,
    ]);
    if (this.#state !== null && made === this.#made) return this.#state;
    const builder = new FolderBuilder();
    for (const [name, target] of surroundings.links ?? []) builder.put([name], { kind: 'link', target });
    for (const group of groups) group.expand(state, builder);
    this.#root = share(this.#root, builder.build());
    this.#state = state;
    this.#made = made;
    this.#tell();
    return state;
  }

  /** @returns undefined when nothing has that path now */
  async at(path: string): Promise<TreeNode | undefined> {
    return find(await this.look(), partsOf(path));
  }

  /** @throws TreeRefusal */
  async read(path: string): Promise<Content> {
    const node = attributeAt(await this.look(), path);
    if (node.content !== null) return node.content;
    if (node.live === null || this.#state === null) throw new TreeRefusal('EACCES', `/${path} can only be written`);
    return node.live(this.#state, this.#options.mediator);
  }

  /**
   * Carries out all of `writes`, or none.
   * @param client whose quota it counts against
   * @throws TreeRefusal, or what the mediator refuses with; `errnoOf` has the number
   */
  async write(writes: readonly Write[], client: string): Promise<void> {
    const release = this.#quota.take('writes', client);
    const before = this.#last;
    const done = before.then(() => this.#commit(writes)).finally(release);
    // One that fails does not keep the next from its turn.
    this.#last = done.catch(() => {});
    await done;
  }

  async #commit(writes: readonly Write[]): Promise<void> {
    let acts: Act[] = [];
    let at = '';
    try {
      // Asked anew: a look under way may have been answered before the transaction that came before this one.
      const state = this.#show(await snapshot(this.#options.mediator));
      for (const { path, input, offset = 0 } of writes) {
        at = path;
        const { plan } = attributeAt(this.#root, path);
        if (plan === null) throw new TreeRefusal('EACCES', `/${path} can not be written`);
        acts = [...acts, ...plan(state, input, offset)];
      }
      await carryOut(acts, this.#host);
    } catch (error) {
      this.#lastRefusal = `${errnoOf(error)} /${at}: ${reasonOf(error)}`.replaceAll(/\s+/g, ' ').slice(0, MOST_REASON);
      // Should the mediator be gone, that was the reason already.
      await this.look().catch(() => this.#root);
      throw error;
    }
    if (acts.some(concernsDomain)) await this.#options.domainsChanged?.();
    this.#show(await snapshot(this.#options.mediator));
  }

  /**
   * Tells when what is at `path`, or below it, is no longer what it was; also when it comes to be or ceases.
   * @throws TreeRefusal EDQUOT when the client has as many watches as it may
   */
  watch(path: string, client: string, tell: (node: TreeNode | undefined) => void): Watch {
    const release = this.#quota.take('watches', client);
    const parts = partsOf(path);
    const watched: Watched = { parts, tell, seen: find(this.#root, parts) };
    this.#watched.add(watched);
    this.#schedule();
    return {
      close: () => {
        if (this.#watched.delete(watched)) release();
      },
    };
  }

  #tell(): void {
    for (const watched of [...this.#watched]) {
      const now = find(this.#root, watched.parts);
      if (now === watched.seen) continue;
      watched.seen = now;
      watched.tell(now);
    }
  }

  /** While anybody watches, what changed without us (a guest came, another face was used) is looked for. */
  #schedule(): void {
    if (this.#timer !== null || this.#closed || this.#watched.size === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.look().then(
        () => this.#schedule(),
        () => this.close(),
      );
    }, this.#options.watchEveryMs ?? 500);
    this.#timer.unref();
  }

  /** No more watching; a mediator that has stopped has nothing to tell. */
  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#watched.clear();
  }
}

function attributeAt(root: Folder, path: string): Attribute {
  const node = find(root, partsOf(path));
  if (node === undefined) throw new TreeRefusal('ENOENT', `There is no /${path}`);
  if (node.kind === 'folder') throw new TreeRefusal('EISDIR', `/${path} is a folder`);
  if (node.kind === 'link') throw new TreeRefusal('EINVAL', `/${path} is a link to ${node.target}`);
  return node;
}

function concernsDomain(act: Act): boolean {
  if (act.kind === 'create') return act.spec.transport.kind === 'xen';
  return act.kind === 'remove' && act.vgpu.transport.kind === 'xen';
}
