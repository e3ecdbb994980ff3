/** The description of the API is what the API does. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { Definitions } from '../../src/control/definitions/index.js';
import { buildApp } from '../../src/control/http/index.js';
import { openApi, openApiPath } from '../../src/control/http/openapi.js';
import { OPERATIONS } from '../../src/control/http/operations.js';
import { problemShape } from '../../src/control/http/shapes.js';
import { Metrics } from '../../src/control/metrics/index.js';
import { packageInfo } from '../../src/control/package-info.js';
import { Pictures } from '../../src/control/pictures.js';
import { Screens } from '../../src/control/screens/index.js';
import { deviceOf, GROUPS, Tree } from '../../src/control/tree/index.js';
import { XenDomains } from '../../src/control/xen/index.js';
import { FakeMediator } from './fake-mediator.js';
import { ask, type Rig, scratch, startRig } from './rig.js';

let rig: Rig;
beforeAll(async () => {
  const transport = { kind: 'replay', file: '/a.xj', loop: true } as const;
  rig = await startRig({ vgpus: [{ name: 'a', vm: 'desk', transport }] });
});
afterAll(() => rig.stop());

const { root, version } = packageInfo();

/** Methods and paths of the tree that fastify prints: four columns a level, below each route what its path begins. */
function routesIn(printed: string): string[] {
  const above: string[] = [];
  return printed.split('\n').flatMap((line) => {
    const [, indent = '', name = '', methods = ''] = /^([│ ]*)[├└]── (\S+) \(([^)]+)\)$/.exec(line) ?? [];
    if (name === '') return [];
    const level = indent.length / 4;
    above[level] = name;
    const path = above
      .slice(0, level + 1)
      .join('')
      .replace(/([^/])\*$/, '$1/*');
    return methods.split(', ').map((method) => `${method} ${path}`);
  });
}

/** What the router has of the API; HEAD comes with every GET, and pages are not described. */
async function routesOf(): Promise<string[]> {
  const files = scratch();
  const mediator = new FakeMediator();
  const log = { info: () => undefined, error: () => undefined };
  const domains = new XenDomains({ mode: 'off', mediator, log, socket: undefined });
  const surroundings = { ...deviceOf('SKL'), sockets: '/run/xengt', links: [], xen: false };
  const tree = new Tree({ mediator, surroundings, groups: GROUPS });
  const app = buildApp(
    {
      mediator,
      domains,
      definitions: new Definitions(files.path('definitions')),
      tree,
      metrics: new Metrics(mediator, version),
      pictures: new Pictures(mediator),
      screens: new Screens(mediator, log),
      package: { root, version },
      log,
    },
    { readOnly: false, localHostOnly: false },
  );
  await app.ready();
  const printed = app.printRoutes({ commonPrefix: false });
  await app.close();
  tree.close();
  files.drop();
  return routesIn(printed).filter((route) => / \/(v1\/|metrics$)/.test(route) && !route.startsWith('HEAD '));
}

test('the description in the manual is that of the declaration', async () => {
  const text = `${JSON.stringify(openApi(version), null, 2)}\n`;
  await expect(text).toMatchFileSnapshot(join(root, 'docs', 'openapi.json'));
});

test('is served as it stands', async () => {
  const answer = await ask(rig.port, '/v1/openapi.json');
  expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
  expect(answer.json()).toEqual(JSON.parse(JSON.stringify(openApi(version))));
});

test('every route is declared, and every declared operation is a route', async () => {
  const routes = (await routesOf()).sort();
  const declared = OPERATIONS.map(({ method, path }) => `${method} ${path}`).sort();
  expect(declared).toEqual(routes);
  expect(new Set(declared.map((one) => openApiPath(one))).size).toBe(declared.length);
});

test('every reference leads somewhere, and operations have names of their own', () => {
  const description = openApi(version);
  const text = JSON.stringify(description);
  const { components } = z
    .object({ components: z.record(z.string(), z.record(z.string(), z.unknown())) })
    .parse(description);
  const references = [...text.matchAll(/"\$ref":"#\/components\/(\w+)\/(\w+)"/g)];
  expect(references.length).toBeGreaterThan(30);
  for (const [, kind = '', name = ''] of references) expect(components[kind]?.[name], `${kind}/${name}`).toBeDefined();
  const ids = [...text.matchAll(/"operationId":"(\w+)"/g)].map(([, id]) => id);
  expect(new Set(ids).size).toBe(OPERATIONS.length);
});

describe('what is answered is what is described', () => {
  const filled = (path: string) =>
    path
      .replace(':id', 'a')
      .replace(':vm', 'desk')
      .replace('/definitions/:name', '/definitions/a')
      .replace('/types/:name', '/types/V5_4')
      .replace('/engines/:name', '/engines/RCS')
      .replace('*', 'vgpus/a/weight');
  const readable = OPERATIONS.filter(({ method, path }) => method === 'GET' && path !== '/v1/events');

  test.each(readable.map((one) => [filled(one.path), one] as const))('GET %s', async (path, operation) => {
    if (path === '/v1/definitions/a') await ask(rig.socket, path, { method: 'PUT', body: {} });
    if (path === '/v1/foreground/screen.png') {
      await ask(rig.socket, '/v1/tree/control/foreground_vm', { method: 'PUT', body: { value: '1' } });
    }
    const answer = await ask(rig.socket, path);
    if (path === '/v1/foreground/screen.png' && answer.status === 404) {
      expect(operation.refusals).toContain(404);
      return;
    }
    expect(answer.status).toBe(operation.status);
    if (typeof operation.answer === 'string') expect(answer.headers['content-type']).toContain(operation.answer);
    else expect(operation.answer?.safeParse(answer.json()).error).toBeUndefined();
  });

  test('a refusal is a problem', async () => {
    for (const path of ['/v1/vgpus/none', '/v1/guests/none', '/v1/types/none', '/v1/engines/none']) {
      const answer = await ask(rig.socket, path);
      expect(answer.status, path).toBe(404);
      expect(problemShape.parse(answer.json()).detail).toMatch(/there is: /);
    }
  });
});
