/**
 * Which modules a TypeScript text imports. A scanner of tokens, not a parser: it knows comments, texts, templates and
 * regular expressions well enough not to be fooled by them, and looks at the two tokens before each text.
 */
type Kind = 'word' | 'text' | 'sign';

interface Token {
  readonly kind: Kind;
  readonly value: string;
}

/** After these a slash begins a regular expression; after anything else that ends a value it divides. */
const BEFORE_REGEX = /^(?:[([{,;=:!&|?+\-*%<>~^]|=>|return|typeof|case|of|in|yield|await|void)$/;

export function importsOf(text: string): string[] {
  const tokens = tokensOf(text);
  const found: string[] = [];
  tokens.forEach((token, at) => {
    if (token.kind !== 'text') return;
    const before = tokens[at - 1];
    const beforeThat = tokens[at - 2];
    const word = (candidate: Token | undefined, value: string) =>
      candidate?.kind === 'word' && candidate.value === value;
    const open = before?.kind === 'sign' && before.value === '(';
    const byUrl =
      open && /\.[jt]s$/.test(token.value) && word(beforeThat, 'URL') && isImportMeta(tokens.slice(at + 1, at + 7));
    const called = open && word(beforeThat, 'import');
    if (word(before, 'from') || word(before, 'import') || called || byUrl) found.push(token.value);
  });
  return found;
}

/** `, import.meta.url)`: the text before it names a module by its place, as workers are started. */
function isImportMeta(tokens: readonly Token[]): boolean {
  return tokens.map(({ value }) => value).join('') === ',import.meta.url';
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  /** Depth of braces at which each open `${` of a template ends. */
  const templates: number[] = [];
  let braces = 0;
  let at = 0;

  const push = (kind: Kind, value: string) => void tokens.push({ kind, value });
  const until = (end: string, from: number) => {
    const found = text.indexOf(end, from);
    return found < 0 ? text.length : found + end.length;
  };
  /** Reads a template from just after its backtick or after the `}` of a substitution. */
  const template = (from: number, first: boolean) => {
    let here = from;
    while (here < text.length && text[here] !== '`' && !text.startsWith('${', here))
      here += text[here] === '\\' ? 2 : 1;
    const opens = text.startsWith('${', here);
    if (first && !opens) push('text', text.slice(from, here));
    else if (first) push('sign', '`');
    if (opens) templates.push(braces++);
    return here + (opens ? 2 : 1);
  };

  while (at < text.length) {
    const char = text[at] ?? '';
    const last = tokens.at(-1);
    if (/\s/.test(char)) at++;
    else if (text.startsWith('//', at)) at = until('\n', at);
    else if (text.startsWith('/*', at)) at = until('*/', at + 2);
    else if (char === "'" || char === '"') {
      let end = at + 1;
      while (end < text.length && text[end] !== char && text[end] !== '\n') end += text[end] === '\\' ? 2 : 1;
      push('text', text.slice(at + 1, end));
      at = end + 1;
    } else if (char === '`') at = template(at + 1, true);
    else if (char === '}' && templates.at(-1) === braces - 1) {
      templates.pop();
      braces--;
      at = template(at + 1, false);
    } else if (char === '/' && (last === undefined || (last.kind !== 'text' && BEFORE_REGEX.test(last.value)))) {
      at = regexEnd(text, at + 1);
      push('sign', '/');
    } else {
      const word = /^[\p{ID_Start}_$#][\p{ID_Continue}$]*|^[0-9][\w.]*/u.exec(text.slice(at, at + 200))?.[0];
      if (char === '{') braces++;
      if (char === '}') braces--;
      push(word === undefined ? 'sign' : 'word', word ?? char);
      at += (word ?? char).length;
    }
  }
  return tokens;
}

/** @returns index after the closing slash and the flags */
function regexEnd(text: string, from: number): number {
  let at = from;
  let inClass = false;
  while (at < text.length && text[at] !== '\n' && (inClass || text[at] !== '/')) {
    if (text[at] === '[') inClass = true;
    if (text[at] === ']') inClass = false;
    at += text[at] === '\\' ? 2 : 1;
  }
  at++;
  while (/[a-z]/.test(text[at] ?? '')) at++;
  return at;
}
