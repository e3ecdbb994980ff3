/** A refusal as it travels: application/problem+json (RFC 9457). The client gets it back as a RemoteRefusal. */
import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import { reasonOf, XengtError } from '../base/index.js';

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** What is no refusal but a fault of ours. Not in the catalogue: nobody throws it, it is what remains. */
const INTERNAL = { code: 'XENGT_E_INTERNAL', exitCode: 70, remedy: 'This is a bug in xengt; its log says more.' };

const problemShape = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number(),
  detail: z.string(),
  code: z.string(),
  remedy: z.string(),
  /** What a command line that met this refusal ends with. */
  exitCode: z.number(),
});

export type Problem = z.output<typeof problemShape>;

/** @param status where HTTP has a more exact one than the catalogue (405, 413, 415) */
export function problemOf(error: unknown, status?: number): Problem {
  const detail = reasonOf(error);
  if (error instanceof RemoteRefusal) return error.problem;
  if (!(error instanceof XengtError)) return problem(INTERNAL.code, 500, detail, INTERNAL.remedy, INTERNAL.exitCode);
  return problem(error.code, status ?? error.status, detail, error.remedy, error.exitCode);
}

function problem(code: string, status: number, detail: string, remedy: string, exitCode: number): Problem {
  const type = `urn:xengt:error:${code.replace('XENGT_E_', '').toLowerCase().replaceAll('_', '-')}`;
  return { type, title: STATUS_CODES[status] ?? 'Error', status, detail, code, remedy, exitCode };
}

/** A refusal that the daemon answered with: code, remedy and exit code are the daemon's. */
export class RemoteRefusal extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.detail);
    this.name = 'RemoteRefusal';
    this.problem = problem;
  }
}

export function parseProblem(body: unknown): Problem | undefined {
  const parsed = problemShape.safeParse(body);
  return parsed.success ? parsed.data : undefined;
}
