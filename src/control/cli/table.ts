/** Tables for people: columns as wide as their widest cell, numbers to the right. */
export interface Column<T> {
  readonly head: string;
  readonly cell: (row: T) => string | number;
}

export function table<T>(columns: readonly Column<T>[], rows: readonly T[]): string {
  const cells = rows.map((row) => columns.map((column) => column.cell(row)));
  const widths = columns.map((column, at) =>
    Math.max(column.head.length, ...cells.map((line) => String(line[at]).length)),
  );
  const numeric = columns.map((_, at) => cells.length > 0 && cells.every((line) => typeof line[at] === 'number'));
  const line = (texts: readonly (string | number)[]) =>
    texts
      .map((text, at) => (numeric[at] ? String(text).padStart(widths[at] ?? 0) : String(text).padEnd(widths[at] ?? 0)))
      .join('  ')
      .trimEnd();
  return `${[line(columns.map((column) => column.head)), ...cells.map(line)].join('\n')}\n`;
}

export function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
