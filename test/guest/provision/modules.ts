/**
 * Which module files a guest needs, in loading order. Debian's packages carry no modules.dep (it is made at install
 * time), so the closure is read from the modules' own `.modinfo` section (`depends=`).
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { XengtError } from '../../../src/base/index.js';
import { type Kernel, unpackModule } from './kernels.js';

export interface GuestModule {
  /** As the kernel writes it, with underscores. */
  readonly name: string;
  readonly content: Buffer;
}

/** The kernel treats - and _ in a module's name as the same. */
const canonical = (name: string): string => name.replaceAll('-', '_');

/** All key=value strings of an ELF64 little-endian object's `.modinfo` section (ELF-64 object file format). */
export function modinfo(object: Buffer): Map<string, string[]> {
  if (object.length < 64 || object.readUInt32BE(0) !== 0x7f454c46 || object[4] !== 2) {
    throw new XengtError('XENGT_E_IO', 'A kernel module is not a 64-bit ELF object');
  }
  const table = Number(object.readBigUInt64LE(0x28));
  const entrySize = object.readUInt16LE(0x3a);
  const count = object.readUInt16LE(0x3c);
  const header = (index: number) => {
    const at = table + index * entrySize;
    return {
      name: object.readUInt32LE(at),
      offset: Number(object.readBigUInt64LE(at + 0x18)),
      size: Number(object.readBigUInt64LE(at + 0x20)),
    };
  };
  const names = header(object.readUInt16LE(0x3e));
  const found = new Map<string, string[]>();
  for (let index = 0; index < count; index++) {
    const section = header(index);
    const nameAt = names.offset + section.name;
    if (object.toString('latin1', nameAt, object.indexOf(0, nameAt)) !== '.modinfo') continue;
    for (const entry of object.toString('utf8', section.offset, section.offset + section.size).split('\0')) {
      const equals = entry.indexOf('=');
      if (equals < 0) continue;
      const key = entry.slice(0, equals);
      found.set(key, [...(found.get(key) ?? []), entry.slice(equals + 1)]);
    }
  }
  return found;
}

function indexModules(folder: string, into: Map<string, string>): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) indexModules(path, into);
    else {
      const match = /^(.+)\.ko(\.\w+)?$/.exec(entry.name);
      if (match?.[1] !== undefined) into.set(canonical(match[1]), path);
    }
  }
}

/** Modules that a kernel has built in can't be loaded and need not be. A bare module tree may not list them. */
function builtinModules(kernel: Kernel): Set<string> {
  if (!existsSync(join(kernel.modules, 'modules.builtin'))) return new Set();
  const lines = readFileSync(join(kernel.modules, 'modules.builtin'), 'utf8').split('\n');
  return new Set(lines.map((line) => canonical(basename(line, '.ko'))));
}

/**
 * `wanted` and everything they depend on, each after what it depends on. Those of `whereThere` come first, in kernels that
 * have them: what a module asks for by another name than the file's (a cipher, say) is not among its dependencies.
 */
export async function moduleClosure(
  root: string,
  kernel: Kernel,
  wanted: readonly string[],
  whereThere: readonly string[] = [],
): Promise<GuestModule[]> {
  const files = new Map<string, string>();
  indexModules(join(kernel.modules, 'kernel'), files);
  const builtin = builtinModules(kernel);
  const ordered: GuestModule[] = [];
  const seen = new Set<string>();
  const scratch = mkdtempSync(join(tmpdir(), 'xengt-modules-'));
  const visit = async (name: string, neededBy: string): Promise<void> => {
    if (seen.has(name) || builtin.has(name)) return;
    seen.add(name);
    const file = files.get(name);
    if (file === undefined) {
      throw new XengtError('XENGT_E_CONFIG', `Kernel ${kernel.release} has no module ${name}, needed by ${neededBy}`);
    }
    const plain = join(scratch, `${name}.ko`);
    await unpackModule(root, file, plain);
    const content = readFileSync(plain);
    for (const list of modinfo(content).get('depends') ?? []) {
      for (const dependency of list.split(',')) if (dependency !== '') await visit(canonical(dependency), name);
    }
    ordered.push({ name, content });
  };
  try {
    for (const name of whereThere) if (files.has(canonical(name))) await visit(canonical(name), 'the rig');
    for (const name of wanted) await visit(canonical(name), 'the rig');
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return ordered;
}
