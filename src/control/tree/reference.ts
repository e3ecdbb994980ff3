/** The reference page of the tree, made from its declaration. */
import type { Declared } from './declare.js';

const HEAD = `<!-- Made from src/control/tree by \`npx vitest run test/control/tree/reference.test.ts -u\`; change it there. -->
# Reference: the tree

Everything that \`xengt serve --sysfs PATH\` shows below PATH; [the operator's guide](operator-guide.md#the-tree-as-files) says how it is used.
Permission bits are as \`ls -l\` shows them, owner and group are those of the daemon. A write of what is not allowed ends with EINVAL, of what
is not there any more with ENODEV or ENOENT, and \`xengt/last_refusal\` has the reason in a sentence.
`;

/** @param groups groups at the same place are put together */
export function referencePage(groups: readonly Declared[]): string {
  const places = new Map<string, Declared[]>();
  for (const group of groups) places.set(group.at, [...(places.get(group.at) ?? []), group]);
  return `${HEAD}${[...places].map(([at, here]) => section(at, here)).join('')}`;
}

function section(at: string, groups: readonly Declared[]): string {
  const docs = [...new Set(groups.map(({ doc }) => doc))].join(' ');
  const rows = groups.flatMap(({ rows, links }) => [
    ...rows.map(({ name, mode, type, doc }) => [`\`${name}\``, bits(mode), type, doc]),
    ...links.map(({ name, doc }) => [`\`${name}\``, 'link', '', doc]),
  ]);
  const table = rows.map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`).join('');
  const head = '| name | permissions | what is read or written | meaning |\n| --- | --- | --- | --- |\n';
  return `\n## \`${at}/\`\n\n${docs}\n${rows.length === 0 ? '' : `\n${head}${table}`}`;
}

/** As `ls -l` has them, without the kind. */
function bits(mode: number): string {
  const text = [...'rwxrwxrwx'].map((letter, i) => ((mode >> (8 - i)) & 1 ? letter : '-')).join('');
  return `\`${text}\``;
}
