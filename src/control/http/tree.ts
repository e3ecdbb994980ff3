/** The tree as JSON: what a path holds, and transactions of writes. The same attributes, refusals and reasons as below a mount. */
import type { FastifyInstance, FastifyReply } from 'fastify';
import { XengtError } from '../../base/index.js';
import { check } from '../checked.js';
import type { Pictures } from '../pictures.js';
import { type Content, partsOf, type Tree, type TreeNode, TreeRefusal } from '../tree/index.js';
import { valueBody, writesBody } from './tree-bodies.js';

type AtPath = { Params: { '*': string } };

const CLIENT = 'the API socket';

function shown(content: Content): string {
  return typeof content === 'string' ? content.replace(/\n$/, '') : Buffer.from(content).toString('base64');
}

/** @param content of an attribute that can be read */
function asJson(node: TreeNode, content: Content | null) {
  switch (node.kind) {
    case 'folder':
      return {
        kind: node.kind,
        children: Object.fromEntries([...node.children].map(([name, { kind }]) => [name, kind])),
      };
    case 'link':
      return { kind: node.kind, target: node.target };
    case 'attribute': {
      const mode = node.mode.toString(8).padStart(4, '0');
      return { kind: node.kind, mode, ...(content === null ? {} : { value: shown(content) }) };
    }
  }
}

export function readTree(app: FastifyInstance, tree: Tree, pictures: Pictures): void {
  app.get<AtPath>('/v1/tree/*', async ({ params }) => {
    const path = partsOf(params['*']).join('/');
    const node = await tree.at(path);
    if (node === undefined) throw new TreeRefusal('ENOENT', `There is no /${path} in the tree`);
    const readable = node.kind === 'attribute' && (node.content !== null || node.live !== null);
    return asJson(node, readable ? await tree.read(path) : null);
  });

  app.get('/v1/foreground/screen.png', async (_request, reply): Promise<FastifyReply> => {
    const vgpu = await tree.foregroundVgpu();
    const picture = vgpu === undefined ? null : await pictures.of(vgpu.id);
    if (picture === null) throw new XengtError('XENGT_E_NOT_FOUND', 'There is no foreground now, or it shows nothing');
    return reply.header('cache-control', 'no-cache').type('image/png').send(picture.png);
  });
}

export function changeTree(app: FastifyInstance, tree: Tree): void {
  /** What is read in base64 is written in base64. */
  const bytes = async (path: string, given: string): Promise<Uint8Array> => {
    const node = await tree.at(path);
    return node?.kind === 'attribute' && node.bytes ? Buffer.from(given, 'base64') : new TextEncoder().encode(given);
  };

  app.put<AtPath>('/v1/tree/*', async ({ params, body }, reply) => {
    const path = partsOf(params['*']).join('/');
    await tree.write([{ path, input: await bytes(path, check(valueBody, body).value) }], CLIENT);
    return reply.code(204).send();
  });

  app.post('/v1/tree', async ({ body }, reply) => {
    const { writes } = check(writesBody, body);
    const planned = writes.map(async ({ path: given, value: text }) => {
      const path = partsOf(given).join('/');
      return { path, input: await bytes(path, text) };
    });
    await tree.write(await Promise.all(planned), CLIENT);
    return reply.code(204).send();
  });
}
