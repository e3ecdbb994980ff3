/** Which process says that it serves: its number and when it was started, for numbers are given again. */
import { readFileSync } from 'node:fs';

/** Field 22 of /proc/PID/stat, in clock ticks since boot; the second field, in parentheses, may hold spaces (proc(5)). */
function startedAt(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')) return null;
    throw error;
  }
}

export function processMark(pid = process.pid): string {
  return `${pid} ${startedAt(pid) ?? 0}`;
}

/** @returns the number of the process that made the mark, null when it runs no more */
export function runningProcess(mark: string): number | null {
  const [, pid = '', start = ''] = /^(\d{1,9}) (\d+)$/.exec(mark) ?? [];
  return pid !== '' && startedAt(Number(pid)) === start ? Number(pid) : null;
}
