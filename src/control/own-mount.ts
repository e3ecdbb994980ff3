/**
 * What this process must not touch: files below a tree that it has mounted itself. The kernel would ask this process, which waits
 * for the kernel, for ever. So every path that an operator names is looked at before it is used.
 */
import { readlinkSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { XengtError } from '../base/index.js';
import type { MediatorApi, VgpuSpec } from '../mediator/api.js';

/** As the kernel does (path_resolution(7)). */
const MOST_LINKS = 40;

const mounts = new Set<string>();

/** @param real without links, from when the tree stands there. @returns takes that back */
export function noteMount(real: string): () => void {
  mounts.add(real);
  return () => void mounts.delete(real);
}

/** Where a link leads; null for what is none, or is not there. */
function target(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    // EINVAL: no link; ENOENT and the like: whoever opens it will be told.
    return null;
  }
}

/** The mount of ours that `path` leads into, followed name by name so that nothing below a mount is looked at. */
function mountOf(path: string): string | null {
  let left = resolve(path).split(sep).filter(Boolean);
  let at: string = sep;
  for (let links = 0; left.length > 0; ) {
    const [name = '', ...rest] = left;
    const next = join(at, name);
    if (mounts.has(next)) return next;
    const leads = links < MOST_LINKS ? target(next) : null;
    if (leads === null) {
      at = next;
      left = rest;
    } else {
      links++;
      left = [...resolve(at, leads).split(sep).filter(Boolean), ...rest];
      at = sep;
    }
  }
  return null;
}

/**
 * @param key that named the path
 * @throws XengtError XENGT_E_CONFIG for a path in a tree of ours
 */
export function checkOutside(key: string, path: string): void {
  if (mounts.size === 0) return;
  const mount = mountOf(path);
  if (mount === null) return;
  throw new XengtError(
    'XENGT_E_CONFIG',
    `${key}: ${path} is in ${mount}, where the tree is mounted; choose another folder`,
  );
}

function checkPaths({ transport, record }: VgpuSpec): void {
  if (record !== undefined) checkOutside('record', record);
  if (transport.kind === 'vfio-user') checkOutside('socket', transport.socket);
  else if (transport.kind === 'replay') checkOutside('file', transport.file);
}

/** A mediator that makes no vGPU whose socket or journal is in a tree of ours. */
export function outsideMounts(mediator: MediatorApi): MediatorApi {
  const createVgpu = async (spec: VgpuSpec) => {
    checkPaths(spec);
    return mediator.createVgpu(spec);
  };
  return new Proxy(mediator, {
    get: (original, name) => {
      if (name === 'createVgpu') return createVgpu;
      const own: unknown = Reflect.get(original, name);
      return typeof own === 'function' ? own.bind(original) : own;
    },
  });
}
