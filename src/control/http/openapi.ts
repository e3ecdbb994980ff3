/** OpenAPI 3.1 from the declared operations. Schemas that have a name stand once, among the components. */
import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import { OPERATIONS, type Operation } from './operations.js';
import { engineShape, guestShape, problemShape, treeShape, typeShape, vgpuShape } from './shapes.js';

type Json = { readonly [key: string]: unknown };

const PROBLEM = 'application/problem+json';
const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

/** By the name that they have in the description. */
const NAMED: ReadonlyMap<unknown, string> = new Map<z.ZodType, string>([
  [vgpuShape, 'Vgpu'],
  [guestShape, 'Guest'],
  [typeShape, 'VgpuType'],
  [engineShape, 'Engine'],
  [treeShape, 'TreeNode'],
  [problemShape, 'Problem'],
]);

/** @param io whether the schema is of what clients send or of what they get */
function schemaOf(schema: z.ZodType, io: 'input' | 'output', expand = false): Json {
  const named = NAMED.get(schema);
  if (named !== undefined && !expand) return ref(named);
  const { $schema: _version, ...json } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const name = NAMED.get(zodSchema);
      if (name === undefined || (expand && name === named)) return;
      for (const key of Object.keys(jsonSchema)) delete jsonSchema[key as keyof typeof jsonSchema];
      jsonSchema.$ref = ref(name).$ref;
    },
  });
  return json;
}

export const openApiPath = (path: string) => path.replace(/:(\w+)/g, '{$1}').replace(/\*$/, '{path}');

function parametersOf({ path, query = {} }: Operation): Json[] {
  const asked = Object.entries(query).map(([name, description]) => ({
    name,
    in: 'query',
    schema: { type: 'string' },
    description,
  }));
  const inPath = [...openApiPath(path).matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
    ...(name === 'id' && { description: 'Id or name of the vGPU' }),
    ...(name === 'path' && { description: 'Path in the tree; it may have slashes' }),
  }));
  return [...inPath, ...asked];
}

function answerOf({ answer, status }: Operation): Json {
  const description = STATUS_CODES[status] ?? 'Answer';
  if (answer === undefined) return { description };
  const content =
    typeof answer === 'string' ? { [answer]: {} } : { 'application/json': { schema: schemaOf(answer, 'output') } };
  return { description, content };
}

function operationOf(operation: Operation): Json {
  const { method, path, tag, summary, body, status, refusals } = operation;
  const parameters = parametersOf(operation);
  return {
    tags: [tag],
    summary,
    operationId: `${method.toLowerCase()}${path.replace(/[^A-Za-z0-9]+(\w)?/g, (_, next?: string) => (next ?? '').toUpperCase())}`,
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && {
      requestBody: { required: true, content: { 'application/json': { schema: schemaOf(body, 'input') } } },
    }),
    responses: {
      [status]: answerOf(operation),
      ...Object.fromEntries(refusals.map((one) => [one, { $ref: '#/components/responses/Refusal' }])),
      default: { $ref: '#/components/responses/Refusal' },
    },
  };
}

export function openApi(version: string): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const operation of OPERATIONS) {
    const path = openApiPath(operation.path);
    paths[path] = { ...paths[path], [operation.method.toLowerCase()]: operationOf(operation) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'xengt',
      version,
      description:
        'Shares one Intel integrated GPU among virtual machines. Served whole over the UNIX socket; over TCP to those who have the token, or without one to be read only.',
    },
    servers: [{ url: '/' }],
    security: [{}, { token: [] }],
    paths,
    components: {
      schemas: Object.fromEntries(
        [...NAMED].map(([schema, name]) => [name, schemaOf(schema as z.ZodType, 'output', true)]),
      ),
      responses: {
        Refusal: { description: 'A refusal', content: { [PROBLEM]: { schema: ref('Problem') } } },
      },
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    },
  };
}
