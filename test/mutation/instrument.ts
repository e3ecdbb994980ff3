/** Writes all mutations of a file into its text at once, behind switches: one translation serves the whole run. */
import type { Site, SourceFile } from './sites.js';
import { BOARD } from './switchboard.js';

interface Wrapped {
  readonly start: number;
  readonly end: number;
  readonly wrap: (own: string) => string;
}

export function instrument({ source, sites, loops }: SourceFile): string {
  const turns = loops.map(({ start, end }): Wrapped => ({ start, end, wrap: counted }));
  const switches = sites.map(
    (site): Wrapped => ({ start: site.start, end: site.end, wrap: (own) => switched(site, own) }),
  );
  // outer before inner, and of the same text first the loop, then the sites in the order in which they were found
  const ordered = [...turns, ...switches].sort((a, b) => a.start - b.start || b.end - a.end);
  let next = 0;
  function emit(from: number, to: number): string {
    let text = '';
    while (next < ordered.length && ordered[next]!.start < to) {
      const { start, end, wrap } = ordered[next++]!;
      text += source.slice(from, start) + wrap(emit(start, end));
      from = end;
    }
    return text + source.slice(from, to);
  }
  return `const __m=globalThis.${BOARD},__p=__m.passed;${emit(0, source.length)}`;
}

function counted(own: string): string {
  return `{if(--__m.turns<0)__m.endless();${own}}`;
}

function switched({ id, kind, variants }: Site, own: string): string {
  const off = `__p[${id}]=1,__m.site!==${id}`;
  if (kind === 'statement') return `{if(${off}){${own}}}`;
  if (kind === 'element') return `...((${off})?[${own}]:[])`;
  if (kind === 'property') return `...((${off})?{${own}}:{})`;
  const last = variants.length - 1;
  const choice = variants.map(({ text }, i) => (i === last ? `(${text})` : `__m.variant===${i}?(${text}):`)).join('');
  return `((${off})?(${own}):${choice})`;
}
