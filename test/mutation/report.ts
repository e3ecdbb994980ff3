/** The result of a run for a terminal and for the manual: score by file, then every survivor with place and change. */
import type { Fate } from './job.js';
import type { MutationRun, Tried } from './run.js';

/** A mutation: one way to make one place wrong. */
type Mutation = Pick<Tried, 'site' | 'variant'>;

/** A survivor that changes nothing that anyone can see, and why. */
export interface Equivalent {
  readonly file: string;
  /** Part of the source line; behind a ^ its beginning. */
  readonly at: string;
  /** As the report shows it. */
  readonly change: string;
  readonly why: string;
}

export const BEGIN = '<!-- mutation:begin -->';
export const END = '<!-- mutation:end -->';

export const isKilled = (fate: Fate): boolean => fate === 'killed' || fate === 'endless';
const changeOf = ({ site, variant }: Mutation): string => site.variants[variant]!.change;

function speaksOf({ file, at, change }: Equivalent, one: Mutation): boolean {
  const { lineText } = one.site;
  const there = at.startsWith('^') ? lineText.trimStart().startsWith(at.slice(1)) : lineText.includes(at);
  return there && file === one.site.file && change === changeOf(one);
}

/** @returns why the mutation changes nothing, where someone says so */
export function reasonFor(mutation: Mutation, equivalents: readonly Equivalent[]): string | undefined {
  return equivalents.find((known) => speaksOf(known, mutation))?.why;
}

/** Notes about survivors that there are no more. */
export function staleNotes(run: MutationRun, equivalents: readonly Equivalent[]): Equivalent[] {
  const survivors = survivorsOf(run);
  return equivalents.filter((known) => !survivors.some((survivor) => speaksOf(known, survivor)));
}

const percent = (part: number, whole: number): string => (whole === 0 ? '–' : `${((100 * part) / whole).toFixed(1)} %`);

interface Row {
  readonly file: string;
  readonly all: number;
  readonly killed: number;
  readonly endless: number;
  readonly survived: number;
  readonly missed: number;
}

function rowOf(file: string, tried: readonly Tried[]): Row {
  const count = (fate: Fate): number => tried.filter((one) => one.fate === fate).length;
  return {
    file,
    all: tried.length,
    killed: count('killed'),
    endless: count('endless'),
    survived: count('survived'),
    missed: count('not reached'),
  };
}

function rowsOf(tried: readonly Tried[]): Row[] {
  const files = [...new Set(tried.map(({ site }) => site.file))];
  return [
    ...files.map((file) =>
      rowOf(
        file,
        tried.filter(({ site }) => site.file === file),
      ),
    ),
    rowOf('all', tried),
  ];
}

export function survivorsOf({ tried }: MutationRun): Tried[] {
  return tried.filter(({ fate }) => !isKilled(fate));
}

export function forTerminal(run: MutationRun, equivalents: readonly Equivalent[]): string {
  const lines = survivorsOf(run).map((survivor) => {
    const { file, line } = survivor.site;
    const why = reasonFor(survivor, equivalents);
    const fate = survivor.fate === 'not reached' ? ' [not reached]' : '';
    return `${file}:${line}: ${changeOf(survivor)}${fate}${why === undefined ? '' : ` [equivalent: ${why}]`}`;
  });
  const table = rowsOf(run.tried).map(
    ({ file, all, killed, endless, survived, missed }) =>
      `${percent(killed + endless, all).padStart(7)}  ${String(killed + endless).padStart(5)} of ${String(all).padStart(5)}` +
      `  (${endless} endless, ${survived} survived, ${missed} not reached)  ${file}`,
  );
  return [...lines, '', ...table, `${run.seconds.toFixed(0)} s`].join('\n');
}

export function forManual(run: MutationRun, equivalents: readonly Equivalent[]): string {
  const survivors = survivorsOf(run);
  const argued = survivors.filter((survivor) => reasonFor(survivor, equivalents) !== undefined).length;
  const total = rowOf('all', run.tried);
  const killed = total.killed + total.endless;
  const cell = (text: string): string => `\`${text.replaceAll('`', "'").replaceAll('|', '\\|')}\``;
  const lines = [
    ...(run.sample > 1 ? [`Of a sample, every ${run.sample}th mutation of the files below:`, ''] : []),
    `${killed} of ${total.all} mutations are noticed by a test: **${percent(killed, total.all)}**. Of the ${survivors.length} survivors ` +
      `${argued} change nothing that can be seen from outside, for the reason given; without them the score is ${percent(killed, total.all - argued)}.`,
    '',
    '| file | mutations | failed a test | made a loop endless | survived | not reached | score |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rowsOf(run.tried).map(
      (row) =>
        `| ${row.file === 'all' ? '**all**' : `\`${row.file}\``} | ${row.all} | ${row.killed} | ${row.endless} | ${row.survived} | ` +
        `${row.missed} | ${percent(row.killed + row.endless, row.all)} |`,
    ),
  ];
  if (survivors.length > 0) {
    lines.push('', '| survivor | change | why it is let live |', '| --- | --- | --- |');
    for (const survivor of survivors) {
      const { file, line } = survivor.site;
      lines.push(
        `| \`${file}:${line}\` | ${cell(changeOf(survivor))} | ${reasonFor(survivor, equivalents) ?? 'no test notices'} |`,
      );
    }
  }
  return lines.join('\n');
}

/** The page with the section between its marks replaced, or with one added at its end. */
export function withSection(page: string, section: string): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  const marked = `${BEGIN}\n${section}\n${END}`;
  if (begin >= 0 && end > begin) return page.slice(0, begin) + marked + page.slice(end + END.length);
  return `${page.trimEnd()}\n\n## Mutations\n\n${marked}\n`;
}
