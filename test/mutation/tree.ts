/** The syntax tree of a TypeScript file, as far as mutations need it: typed by hand, for a walk cares little for kinds. */
import { parseAst } from 'vitest/node';

export interface AstNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

export function parse(source: string, file: string): AstNode {
  return parseAst(source, { lang: 'ts' }, file) as unknown as AstNode;
}

export const isNode = (value: unknown): value is AstNode =>
  typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string' && 'start' in value;

export function child(node: AstNode, key: string): AstNode | undefined {
  const value = node[key];
  return isNode(value) ? value : undefined;
}

export function list(node: AstNode, key: string): AstNode[] {
  const value = node[key];
  return Array.isArray(value) ? value.filter(isNode) : [];
}

/** Types wrap expressions here and nowhere else; whatever else starts with TS is gone when the program runs. */
const TYPED_EXPRESSIONS = new Set(['TSAsExpression', 'TSNonNullExpression', 'TSSatisfiesExpression']);

/** What a node is made of, in the order of the source, without types, names and the paths of imports. */
export function parts(node: AstNode): AstNode[] {
  if (TYPED_EXPRESSIONS.has(node.type)) return [child(node, 'expression')].filter(isNode);
  if (node.type.startsWith('TS') || node.type === 'ImportDeclaration' || node.type === 'ExportAllDeclaration')
    return [];
  const found: AstNode[] = [];
  for (const [key, value] of Object.entries(node)) {
    const named = key === 'key' || key === 'property' || key === 'source' || key === 'label';
    if (named && node.computed !== true) continue;
    if (isNode(value)) found.push(value);
    else if (Array.isArray(value)) found.push(...value.filter(isNode));
  }
  return found.sort((a, b) => a.start - b.start);
}

/** An expression without its parentheses of types: `x!`, `x as T`. */
export function bare(node: AstNode): AstNode {
  return TYPED_EXPRESSIONS.has(node.type) ? bare(child(node, 'expression') ?? node) : node;
}

/** Name of the type that a function says it returns: 'boolean', 'number', or of a type of its own. */
export function returnTypeOf(fn: AstNode): string | undefined {
  const annotation = child(fn, 'returnType');
  const type = annotation && child(annotation, 'typeAnnotation');
  if (type?.type === 'TSBooleanKeyword' || type?.type === 'TSTypePredicate') return 'boolean';
  if (type?.type === 'TSNumberKeyword') return 'number';
  const name = type?.type === 'TSTypeReference' ? child(type, 'typeName') : undefined;
  return typeof name?.name === 'string' ? name.name : undefined;
}
