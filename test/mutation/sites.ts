/**
 * Where a file can be made wrong, and how: each check taken away or made to fail, each bound moved by one, each mask,
 * shift, constant and verdict code changed, each row of a table dropped. Texts for people are left alone.
 */
import { type AstNode, bare, child, list, parse, parts, returnTypeOf } from './tree.js';

export interface Variant {
  /** Stands in for the site's own text; unused where the site is dropped. */
  readonly text: string;
  /** What a reader of the report sees. */
  readonly change: string;
}

/** How the instrumented text switches: an expression for another, a statement or an element of a list for nothing. */
export type SiteKind = 'expression' | 'statement' | 'element' | 'property';

export interface Site {
  /** Position in the list of all sites of the run. */
  readonly id: number;
  readonly file: string;
  readonly line: number;
  /** The line's own text, by which a note about the site finds it when others move. */
  readonly lineText: string;
  readonly kind: SiteKind;
  readonly start: number;
  readonly end: number;
  readonly variants: readonly Variant[];
}

export interface SourceFile {
  readonly file: string;
  readonly source: string;
  readonly sites: readonly Site[];
  /** Bodies of loops, which must count their turns: one that a mutation makes endless is cut off. */
  readonly loops: readonly AstNode[];
}

const OTHER_OPERATOR: Readonly<Record<string, string>> = {
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '+': '-',
  '-': '+',
  '*': '/',
  '/': '*',
  '%': '*',
  '**': '*',
  '&': '|',
  '|': '&',
  '^': '&',
  '<<': '>>>',
  '>>': '<<',
  '>>>': '<<',
  '&&': '||',
  '||': '&&',
  '+=': '-=',
  '-=': '+=',
  '*=': '/=',
  '&=': '|=',
  '|=': '&=',
  '^=': '&=',
  '<<=': '>>>=',
  '>>>=': '<<=',
  '>>=': '<<=',
};

const COMPARISONS = new Set(['<', '<=', '>', '>=', '===', '!==', '==', '!=', 'in', 'instanceof']);
const LOOPS = new Set(['WhileStatement', 'DoWhileStatement', 'ForStatement', 'ForOfStatement', 'ForInStatement']);
const FUNCTIONS = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']);
/** How a number is printed is text for people. */
const FORMATTING = new Set(['toString', 'padStart', 'padEnd', 'repeat', 'toFixed']);
const TYPED_ARRAY = /^(Uint|Int|Float|BigUint|BigInt)\d+(Clamped)?Array$/;
/** Fields whose strings are shown to people and decide nothing. */
const SHOWN_FIELDS = new Set(['name', 'title', 'label']);
/** Codes and names of handlers look so; sentences have spaces. */
const CODE = /^[A-Za-z][\w.-]*$/;

interface Scope {
  readonly parent: AstNode;
  /** Outside every function: tables live here. */
  readonly top: boolean;
  readonly returns: string | undefined;
}

export function sitesOf(source: string, file: string, firstId = 0): SourceFile {
  const sites: Site[] = [];
  const loops: AstNode[] = [];
  const lines = lineStarts(source);
  const textOf = (node: AstNode): string => source.slice(node.start, node.end);

  function add(kind: SiteKind, node: AstNode, variants: readonly Variant[]): void {
    const own = textOf(node);
    const distinct = new Map(variants.filter(({ text }) => text !== own).map((variant) => [variant.text, variant]));
    if (distinct.size === 0) return;
    const line = lines.findLastIndex((start) => start <= node.start) + 1;
    const lineText = source.slice(lines[line - 1], lines[line] ?? source.length).trim();
    const { start, end } = node;
    sites.push({
      id: firstId + sites.length,
      file,
      line,
      lineText,
      kind,
      start,
      end,
      variants: [...distinct.values()],
    });
  }

  function visit(node: AstNode, scope: Scope): void {
    if (node.type === 'TemplateLiteral' || node.type === 'TaggedTemplateExpression') return;
    if (removable(node, scope.parent))
      add('statement', node, [{ text: '', change: `${brief(textOf(node))} → removed` }]);
    const texts = variantsOf(node, scope, textOf);
    add(
      'expression',
      node,
      texts.map((text) => ({ text, change: `${brief(textOf(node))} → ${brief(text)}` })),
    );
    const body = LOOPS.has(node.type) ? child(node, 'body') : undefined;
    if (body !== undefined) loops.push(body);
    if (isWholeNumber(node) || (scope.parent.type === 'SwitchCase' && child(scope.parent, 'test') === node)) return;
    const inner: Scope = FUNCTIONS.has(node.type)
      ? { parent: node, top: false, returns: returnTypeOf(node) }
      : { ...scope, parent: node };
    const droppable = new Set(scope.top ? rowsOf(node) : []);
    for (const part of parts(node)) {
      if (droppable.has(part)) {
        const kind = node.type === 'ArrayExpression' ? 'element' : 'property';
        add(kind, part, [{ text: '', change: `row ${brief(textOf(part))} → dropped` }]);
      }
      if (isFormat(node) && part.type === 'Literal') continue;
      visit(part, inner);
    }
  }

  const program = parse(source, file);
  visit(program, { parent: program, top: true, returns: undefined });
  return { file, source, sites, loops };
}

/** Statements that do something, and jumps that are not the whole of an `if` (which has its own mutation). */
function removable(node: AstNode, parent: AstNode): boolean {
  if (node.type === 'ExpressionStatement') {
    const expression = child(node, 'expression');
    const kind = expression?.type ?? '';
    if (expression !== undefined && child(expression, 'callee')?.type === 'Super') return false;
    return ['CallExpression', 'AssignmentExpression', 'UpdateExpression', 'AwaitExpression'].includes(kind);
  }
  const alone =
    parent.type === 'IfStatement' || (parent.type === 'BlockStatement' && list(parent, 'body').length === 1);
  return (node.type === 'BreakStatement' || node.type === 'ContinueStatement') && !alone;
}

/** Elements of a list, or fields of an object, that are the rows of a table; a field that is a literal is changed itself. */
function rowsOf(node: AstNode): AstNode[] {
  if (node.type === 'ArrayExpression') return list(node, 'elements');
  if (node.type !== 'ObjectExpression') return [];
  return list(node, 'properties').filter((field) => child(field, 'value')?.type !== 'Literal');
}

function variantsOf(node: AstNode, scope: Scope, textOf: (node: AstNode) => string): string[] {
  const { parent } = scope;
  if (parent.type === 'SwitchCase' && child(parent, 'test') === node) return ['Number.NaN'];
  const found = [...truths(node, parent), ...returned(node, scope)];
  const left = child(node, 'left');
  const right = child(node, 'right');
  const swapped = (): string[] => {
    const operator = String(node.operator);
    const other = OTHER_OPERATOR[operator];
    if (left === undefined || right === undefined || other === undefined) return [];
    // parentheses belong to neither side, and stay
    const own = textOf(node);
    const before = left.end - node.start;
    return [own.slice(0, before) + own.slice(before).replace(operator, other)];
  };
  switch (node.type) {
    case 'LogicalExpression':
      if (node.operator === '??') return [...found, textOf(left!), textOf(right!)];
      return [...found, ...swapped()];
    case 'BinaryExpression':
      if (node.operator === '+' && (isText(left!) || isText(right!))) return found;
      if (isZero(right!) && (node.operator === '>>>' || node.operator === '|')) return [...found, textOf(left!)];
      if (node.operator === '&') found.push(textOf(left!));
      return [...found, ...swapped()];
    case 'AssignmentExpression':
      return [...found, ...swapped()];
    case 'UpdateExpression': {
      if (parent.type === 'ExpressionStatement') return found;
      const other = node.operator === '++' ? '--' : '++';
      const argument = textOf(child(node, 'argument')!);
      return [...found, node.prefix === true ? other + argument : argument + other];
    }
    case 'UnaryExpression':
      if (isWholeNumber(node)) return [...found, '0'];
      return node.operator === '~' || node.operator === '-' ? [...found, textOf(child(node, 'argument')!)] : found;
    case 'MemberExpression':
      if (textOf(node) === 'Math.min') return [...found, 'Math.max'];
      return textOf(node) === 'Math.max' ? [...found, 'Math.min'] : found;
    case 'Literal':
      return [...found, ...otherLiterals(node, scope, textOf)];
    default:
      return found;
  }
}

/**
 * A condition, held true and held false. An operand of && is only held true and one of || only false: the check that it
 * makes is taken away. A loop is not held true, for then it has no end.
 */
function truths(node: AstNode, parent: AstNode): string[] {
  if (parent.type === 'LogicalExpression' && parent.operator !== '??') {
    return [parent.operator === '&&' ? 'true' : 'false'];
  }
  const tested = child(parent, 'test') === node;
  if (tested && LOOPS.has(parent.type)) return ['false'];
  const compares = node.type === 'BinaryExpression' && COMPARISONS.has(String(node.operator));
  const logical = node.type === 'LogicalExpression' && node.operator !== '??';
  const negates = node.type === 'UnaryExpression' && node.operator === '!';
  return tested || compares || logical || negates ? ['true', 'false'] : [];
}

/** What a function returns, replaced by what "nothing wrong" looks like, and by its opposite where that is a word. */
function returned(node: AstNode, { parent, returns }: Scope): string[] {
  const returning =
    parent.type === 'ReturnStatement' || (parent.type === 'ArrowFunctionExpression' && child(parent, 'body') === node);
  if (!returning || node.type === 'Literal' || node.type === 'BlockStatement') return [];
  if (returns === 'boolean') return ['true', 'false'];
  const calls = bare(node).type === 'CallExpression';
  return calls && (returns === 'number' || returns === 'Next') ? ['0'] : [];
}

function otherLiterals(node: AstNode, { parent, top }: Scope, textOf: (node: AstNode) => string): string[] {
  const { value } = node;
  if (typeof value === 'boolean') return [String(!value)];
  if (typeof value === 'string') {
    const shown = parent.type === 'Property' && SHOWN_FIELDS.has(String(child(parent, 'key')?.name));
    return CODE.test(value) && !shown ? ["'mutated'"] : [];
  }
  if (typeof value !== 'number' || !Number.isInteger(value)) return [];
  if (isZero(node) && (parent.operator === '>>>' || parent.operator === '|')) return [];
  const hex = textOf(node).startsWith('0x');
  const shown = (other: number): string => (hex ? `0x${other.toString(16)}` : String(other));
  const more = shown(value + 1);
  const less = shown(value - 1);
  const callee = parent.type === 'NewExpression' ? child(parent, 'callee') : undefined;
  // more room than is needed is not wrong
  if (callee !== undefined && TYPED_ARRAY.test(textOf(callee))) return value > 0 ? [String(less)] : [];
  if (top && parent.type === 'ArrayExpression') return [more];
  return value > 0 ? [more, less] : [more];
}

const isZero = (node: AstNode): boolean => node.type === 'Literal' && node.value === 0;

/** -1 and the like: one constant, not an operation on one. */
function isWholeNumber(node: AstNode): boolean {
  return node.type === 'UnaryExpression' && node.operator === '-' && child(node, 'argument')?.type === 'Literal';
}

function isText(node: AstNode): boolean {
  if (node.type === 'TemplateLiteral') return true;
  if (node.type === 'Literal') return typeof node.value === 'string';
  return node.type === 'BinaryExpression' && [child(node, 'left'), child(node, 'right')].some((side) => isText(side!));
}

function isFormat(node: AstNode): boolean {
  const callee = node.type === 'CallExpression' ? child(node, 'callee') : undefined;
  const property = callee && child(callee, 'property');
  return typeof property?.name === 'string' && FORMATTING.has(property.name);
}

function lineStarts(source: string): number[] {
  const starts = [0];
  for (let at = source.indexOf('\n'); at >= 0; at = source.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

/** One line, not too long. */
function brief(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > 60 ? `${line.slice(0, 57)}...` : line;
}
