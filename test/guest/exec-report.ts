/** What the guest's exec program printed (see program/exec/main.c). */

export interface EngineResult {
  readonly engine: string;
  readonly submits: number;
  readonly ok: number;
  readonly bad: number;
}

export interface ExecReport {
  readonly engines: readonly EngineResult[];
  readonly submits: number;
  readonly ok: number;
  readonly bad: number;
  readonly milliseconds: number;
  readonly errors: readonly string[];
}

export function parseExec(lines: readonly string[]): ExecReport {
  const engines: EngineResult[] = [];
  const errors: string[] = [];
  let submits = 0;
  let ok = 0;
  let bad = 0;
  let milliseconds = 0;
  for (const line of lines) {
    const engine = /XENGT-EXEC engine=(\w+) submits=(\d+) ok=(\d+) bad=(\d+)/.exec(line);
    if (engine?.[1] !== undefined) {
      engines.push({ engine: engine[1], submits: Number(engine[2]), ok: Number(engine[3]), bad: Number(engine[4]) });
    }
    const total = /XENGT-EXEC-TOTAL engines=\d+ submits=(\d+) ok=(\d+) bad=(\d+) ms=(\d+)/.exec(line);
    if (total !== null) {
      submits = Number(total[1]);
      ok = Number(total[2]);
      bad = Number(total[3]);
      milliseconds = Number(total[4]);
    }
    if (line.includes('XENGT-EXEC-ERROR')) errors.push(line);
  }
  return { engines, submits, ok, bad, milliseconds, errors };
}
