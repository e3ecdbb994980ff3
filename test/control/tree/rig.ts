/** A tree over the fake mediator, written and read as a shell would. */
import { errnoOf, GROUPS, Tree } from '../../../src/control/tree/index.js';
import { deviceOf } from '../../../src/control/tree/state.js';
import type { TreeOptions } from '../../../src/control/tree/tree.js';
import { FakeMediator } from '../fake-mediator.js';

export const UUID = '12345678-9abc-4def-8123-456789abcdef';
export const OTHER = '22345678-9abc-4def-8123-456789abcdef';
export const PARENT = 'class/mdev_bus/0000:00:02.0';
export const TYPE = `${PARENT}/mdev_supported_types/i915-GVTg_V5_4`;

export interface TreeRig {
  readonly tree: Tree;
  readonly mediator: FakeMediator;
  cat(path: string): Promise<string>;
  /** @returns the error number's name, or empty when it was taken */
  echo(text: string, path: string, client?: string): Promise<string>;
  ls(path: string): Promise<string[]>;
}

export async function treeRig(change: Partial<TreeOptions> = {}, xen = false): Promise<TreeRig> {
  const mediator = new FakeMediator();
  const surroundings = { ...deviceOf('SKL'), sockets: '/run/guests', xen };
  const tree = new Tree({ mediator, surroundings, groups: GROUPS, ...change });
  return {
    tree,
    mediator,
    cat: async (path) => Buffer.from(await tree.read(path)).toString(),
    echo: async (text, path, client = 'uid 0') => {
      try {
        await tree.write([{ path, input: Buffer.from(`${text}\n`) }], client);
        return '';
      } catch (error) {
        return errnoOf(error);
      }
    },
    ls: async (path) => {
      const node = await tree.at(path);
      return node?.kind === 'folder' ? [...node.children.keys()] : [];
    },
  };
}
