/**
 * The nodes of the tree: immutable values. A changed tree is a new root that shares with the old one every part that is the
 * same, so that "did this change?" is a comparison of references.
 */
import type { MediatorApi } from '../../mediator/api.js';
import type { Act } from './acts.js';
import type { State } from './state.js';

export type Content = string | Uint8Array;

export interface Folder {
  readonly kind: 'folder';
  /** By name, in the order of names. */
  readonly children: ReadonlyMap<string, TreeNode>;
}

export interface Link {
  readonly kind: 'link';
  /** Relative to the folder that the link is in. */
  readonly target: string;
}

export interface Attribute {
  readonly kind: 'attribute';
  /** Permission bits. */
  readonly mode: number;
  /** What it reads as in this state of the tree; null when it can not be read or is asked for at each read. */
  readonly content: Content | null;
  /**
   * For numbers that always change: asked for at each read, seen by no watch.
   * @throws TreeRefusal
   */
  readonly live: ((state: State, mediator: MediatorApi) => Promise<Content>) | null;
  /**
   * What is to be done so that what was written comes true: decided from the state alone.
   * @throws TreeRefusal
   */
  readonly plan: ((state: State, input: Uint8Array, offset: number) => readonly Act[]) | null;
  /** A file of bytes has its true size; an attribute of text has a page, as in sysfs. */
  readonly bytes: boolean;
  /** Of two nodes with the same key and content, each can stand for the other: it says what `live` and `plan` are about. */
  readonly key: string;
}

export type TreeNode = Folder | Link | Attribute;

export const EMPTY: Folder = { kind: 'folder', children: new Map() };

/** Parts of a path from the root; empty for the root itself. */
export function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '');
}

export function find(root: Folder, parts: readonly string[]): TreeNode | undefined {
  let at: TreeNode | undefined = root;
  for (const part of parts) {
    if (at?.kind !== 'folder') return undefined;
    at = at.children.get(part);
  }
  return at;
}

/** Puts a tree together from its leaves. The order of names is settled at the end. */
export class FolderBuilder {
  readonly #children = new Map<string, FolderBuilder | Link | Attribute>();

  folder(parts: readonly string[]): FolderBuilder {
    let at: FolderBuilder = this;
    for (const part of parts) {
      const known = at.#children.get(part);
      if (known instanceof FolderBuilder) {
        at = known;
        continue;
      }
      const next = new FolderBuilder();
      at.#children.set(part, next);
      at = next;
    }
    return at;
  }

  put(parts: readonly string[], leaf: Link | Attribute): void {
    this.folder(parts.slice(0, -1)).#children.set(parts.at(-1)!, leaf);
  }

  build(): Folder {
    const names = [...this.#children.keys()].sort();
    const children = names.map((name) => {
      const child = this.#children.get(name)!;
      return [name, child instanceof FolderBuilder ? child.build() : child] as const;
    });
    return { kind: 'folder', children: new Map(children) };
  }
}

/** `next`, with every part that equals the part of `before` at its place replaced by that. */
export function share(before: TreeNode | undefined, next: Folder): Folder;
export function share(before: TreeNode | undefined, next: TreeNode): TreeNode;
export function share(before: TreeNode | undefined, next: TreeNode): TreeNode {
  if (before === undefined || before === next || before.kind !== next.kind) return next;
  if (next.kind === 'link') return (before as Link).target === next.target ? before : next;
  if (next.kind === 'attribute') return sameAttribute(before as Attribute, next) ? before : next;
  const old = (before as Folder).children;
  let same = old.size === next.children.size;
  const children = new Map<string, TreeNode>();
  for (const [name, child] of next.children) {
    const shared = share(old.get(name), child);
    if (shared !== old.get(name)) same = false;
    children.set(name, shared);
  }
  return same ? before : { kind: 'folder', children };
}

function sameAttribute(a: Attribute, b: Attribute): boolean {
  if (a.key !== b.key || a.mode !== b.mode || typeof a.content !== typeof b.content) return false;
  if (!(a.content instanceof Uint8Array && b.content instanceof Uint8Array)) return a.content === b.content;
  const { content } = b;
  return a.content.length === content.length && a.content.every((byte, i) => byte === content[i]);
}
