/**
 * The tree as a file system: answers the kernel's requests, one message each. It behaves as sysfs does: an attribute is read as
 * a whole when reading begins at its start, every write is one transaction, and who opens an attribute for what it does not
 * offer gets EACCES, whoever it is.
 */
import { reasonOf } from '../../base/index.js';
import type { Log } from '../log.js';
import {
  type Attribute,
  ERRNO,
  type ErrnoName,
  errnoOf,
  find,
  partsOf,
  type Tree,
  type TreeNode,
  TreeRefusal,
} from '../tree/index.js';
import { Inodes, inodeNumber } from './inodes.js';
import {
  type Attributes,
  answer,
  attrOut,
  DIRECT_IO,
  type DirectoryEntry,
  directoryOut,
  entryOut,
  initOut,
  KIND,
  LEAST_MINOR,
  MAJOR,
  nameOf,
  OP,
  openOut,
  parseInit,
  parseRead,
  parseRequest,
  type Request,
  SET_OWNER_OR_MODE,
  statfsOut,
  u64,
  writeOut,
  writtenBytes,
} from './protocol.js';

export interface SessionOptions {
  readonly tree: Tree;
  /** Owner of everything. */
  readonly uid: number;
  readonly gid: number;
  readonly nowMs: number;
  readonly log: Log;
  /** To the kernel. */
  readonly reply: (message: Buffer) => void;
}

/** As in sysfs: what an attribute of text may be, and the most that one write takes. */
const PAGE = 4096;
const FOLDER_MODE = 0o755;
const LINK_MODE = 0o777;
const ACCESS = 3;
const WRITE_ONLY = 1;
const READ_ANY = 0o444;
const WRITE_ANY = 0o222;
/** Open files and folders of one user. */
const MOST_OPEN = 1024;
const EPROTO = 71;

interface OpenFile {
  readonly path: string;
  readonly uid: number;
  content: Buffer | null;
  entries: DirectoryEntry[] | null;
}

/** What the tree never does, and how a sysfs says so. */
const REFUSED: Readonly<Record<number, ErrnoName>> = {
  [OP.CREATE]: 'EACCES',
  [OP.MKNOD]: 'EPERM',
  [OP.MKDIR]: 'EPERM',
  [OP.SYMLINK]: 'EPERM',
  [OP.LINK]: 'EPERM',
  [OP.UNLINK]: 'EPERM',
  [OP.RMDIR]: 'EPERM',
  [OP.RENAME]: 'EPERM',
  [OP.RENAME2]: 'EPERM',
};

/** The kernel wants no answer to these. Nothing here takes long enough for an interruption to matter. */
const SILENT: ReadonlySet<number> = new Set([OP.FORGET, OP.BATCH_FORGET, OP.INTERRUPT]);

const NOTHING = Buffer.alloc(0);

export class Session {
  readonly #options: SessionOptions;
  readonly #inodes = new Inodes();
  readonly #open = new Map<number, OpenFile>();
  /** Open files by user. */
  readonly #held = new Map<number, number>();
  #lastHandle = 0;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** Answers one request; never throws. */
  async handle(bytes: Buffer): Promise<void> {
    const request = parseRequest(bytes);
    if (request === undefined) {
      this.#options.log.error(`sysfs: the kernel sent ${bytes.length} bytes that are no request`);
      return;
    }
    const { reply } = this.#options;
    if (SILENT.has(request.opcode)) {
      this.#forget(request);
      return;
    }
    try {
      const body = await this.#answer(request);
      reply(typeof body === 'number' ? answer(request.unique, body) : answer(request.unique, 0, body));
    } catch (error) {
      const name = errnoOf(error);
      if (name === 'EIO') this.#options.log.error(`sysfs: ${reasonOf(error)}`);
      reply(answer(request.unique, ERRNO[name]));
    }
  }

  #forget({ opcode, node, body }: Request): void {
    if (opcode === OP.FORGET && body.length >= 8) this.#inodes.forget(node, u64(body, 0));
    if (opcode !== OP.BATCH_FORGET) return;
    for (let at = 8; at + 16 <= body.length; at += 16) this.#inodes.forget(u64(body, at), u64(body, at + 8));
  }

  /** @returns the body of the answer, or an error number */
  async #answer(request: Request): Promise<Uint8Array | number> {
    const { opcode, node, body } = request;
    const refused = REFUSED[opcode];
    if (refused !== undefined) return ERRNO[refused];
    switch (opcode) {
      case OP.INIT:
        return init(body);
      case OP.DESTROY:
        return NOTHING;
      case OP.LOOKUP:
        return this.#lookup(node, nameOf(body));
      case OP.GETATTR:
        return attrOut(await this.#attributes(this.#path(node)));
      case OP.SETATTR:
        if ((body.readUInt32LE(0) & SET_OWNER_OR_MODE) !== 0) return ERRNO.EPERM;
        return attrOut(await this.#attributes(this.#path(node)));
      case OP.READLINK:
        return this.#readLink(node);
      case OP.OPEN:
        return this.#openAttribute(request);
      case OP.OPENDIR:
        return this.#openFolder(request);
      case OP.READ:
        return this.#read(body);
      case OP.READDIR:
        return this.#list(body);
      case OP.WRITE:
        return this.#write(request);
      case OP.RELEASE:
      case OP.RELEASEDIR:
        this.#close(u64(body, 0));
        return NOTHING;
      case OP.STATFS:
        return statfsOut();
      default:
        // The kernel then does without: no flush, no fsync, no extended attributes, no locks of ours.
        return ERRNO.ENOSYS;
    }
  }

  #path(node: number): string {
    const path = this.#inodes.pathOf(node);
    if (path === undefined) throw new TreeRefusal('ENOENT', `Nothing is known as ${node}`);
    return path;
  }

  async #node(path: string): Promise<TreeNode> {
    const node = find(await this.#options.tree.look(), partsOf(path));
    if (node === undefined) throw new TreeRefusal('ENOENT', `There is no /${path}`);
    return node;
  }

  async #attributes(path: string): Promise<Attributes> {
    return this.#describe(path, await this.#node(path));
  }

  #describe(path: string, node: TreeNode): Attributes {
    const { uid, gid, nowMs } = this.#options;
    return {
      ino: inodeNumber(path),
      mode: modeOf(node),
      size: sizeOf(node),
      links: linksOf(node),
      uid,
      gid,
      timeMs: nowMs,
    };
  }

  async #lookup(parent: number, name: string): Promise<Uint8Array> {
    const path = join(this.#path(parent), name);
    const attributes = await this.#attributes(path);
    // Only now: what is not there must not be remembered.
    return entryOut(this.#inodes.lookUp(path), attributes);
  }

  async #readLink(id: number): Promise<Uint8Array> {
    const node = await this.#node(this.#path(id));
    if (node.kind !== 'link') throw new TreeRefusal('EINVAL', 'This is no link');
    return Buffer.from(node.target, 'utf8');
  }

  async #openAttribute({ node: id, uid, body }: Request): Promise<Uint8Array> {
    const path = this.#path(id);
    const node = await this.#node(path);
    if (node.kind !== 'attribute') throw new TreeRefusal('EISDIR', `/${path} is no attribute`);
    const access = body.readUInt32LE(0) & ACCESS;
    // The kernel has checked the caller's permissions, but not for root.
    const reads = access !== WRITE_ONLY && (node.mode & READ_ANY) === 0;
    const writes = access !== 0 && (node.mode & WRITE_ANY) === 0;
    if (reads || writes) throw new TreeRefusal('EACCES', `/${path} does not offer that`);
    return openOut(this.#hold({ path, uid, content: null, entries: null }), DIRECT_IO);
  }

  async #openFolder({ node: id, uid }: Request): Promise<Uint8Array> {
    const path = this.#path(id);
    const node = await this.#node(path);
    if (node.kind !== 'folder') throw new TreeRefusal('ENOTDIR', `/${path} is no folder`);
    const above = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '';
    const entries: DirectoryEntry[] = [
      { ino: inodeNumber(path), name: '.', mode: KIND.folder },
      { ino: inodeNumber(above), name: '..', mode: KIND.folder },
    ];
    for (const [name, child] of node.children) {
      entries.push({ ino: inodeNumber(join(path, name)), name, mode: modeOf(child) });
    }
    return openOut(this.#hold({ path, uid, content: null, entries }), 0);
  }

  #hold(file: OpenFile): number {
    const held = this.#held.get(file.uid) ?? 0;
    if (held >= MOST_OPEN) {
      throw new TreeRefusal('EMFILE', `User ${file.uid} has ${held} files open; ${MOST_OPEN} are allowed`);
    }
    this.#held.set(file.uid, held + 1);
    const handle = ++this.#lastHandle;
    this.#open.set(handle, file);
    return handle;
  }

  #close(handle: number): void {
    const file = this.#open.get(handle);
    if (file === undefined) return;
    this.#open.delete(handle);
    const left = (this.#held.get(file.uid) ?? 1) - 1;
    if (left === 0) this.#held.delete(file.uid);
    else this.#held.set(file.uid, left);
  }

  #file(handle: number): OpenFile {
    const file = this.#open.get(handle);
    if (file === undefined) throw new TreeRefusal('EIO', `The kernel used handle ${handle}, which is not open`);
    return file;
  }

  async #read(body: Buffer): Promise<Uint8Array> {
    const { handle, offset, size } = parseRead(body);
    const file = this.#file(handle);
    if (offset === 0 || file.content === null) {
      file.content = Buffer.from(await stillThere(() => this.#options.tree.read(file.path)));
    }
    return file.content.subarray(offset, offset + size);
  }

  #list(body: Buffer): Uint8Array {
    const { handle, offset, size } = parseRead(body);
    const { entries } = this.#file(handle);
    return directoryOut(entries ?? [], offset, size);
  }

  async #write({ uid, body }: Request): Promise<Uint8Array> {
    const { path } = this.#file(u64(body, 0));
    const input = writtenBytes(body);
    const offset = u64(body, 8);
    await stillThere(() => this.#options.tree.write([{ path, input, offset }], `user ${uid}`));
    return writeOut(input.length);
  }
}

/** An attribute that ceased while it was open is a device that is gone, not a name that is not there. */
async function stillThere<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    throw new TreeRefusal('ENODEV', reasonOf(error), { cause: error });
  }
}

function init(body: Buffer): Uint8Array | number {
  const asked = parseInit(body);
  if (asked === undefined || asked.major < MAJOR || (asked.major === MAJOR && asked.minor < LEAST_MINOR)) return EPROTO;
  return initOut(PAGE);
}

const join = (folder: string, name: string): string => (folder === '' ? name : `${folder}/${name}`);

function modeOf(node: TreeNode): number {
  switch (node.kind) {
    case 'folder':
      return KIND.folder | FOLDER_MODE;
    case 'link':
      return KIND.link | LINK_MODE;
    case 'attribute':
      return KIND.attribute | node.mode;
  }
}

function sizeOf(node: TreeNode): number {
  switch (node.kind) {
    case 'folder':
      return 0;
    case 'link':
      return Buffer.byteLength(node.target);
    case 'attribute':
      return attributeSize(node);
  }
}

function attributeSize({ bytes, content }: Attribute): number {
  return bytes && content !== null ? content.length : PAGE;
}

/** A folder has two, and one more for each folder in it: what `find` counts by. */
function linksOf(node: TreeNode): number {
  if (node.kind !== 'folder') return 1;
  let links = 2;
  for (const child of node.children.values()) if (child.kind === 'folder') links++;
  return links;
}
