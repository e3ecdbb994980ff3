/** Progress of long steps, one line each, so that a first run of some minutes never looks dead. */
export type Progress = (text: string) => void;

const started = Date.now();

export function showProgress(text: string): void {
  const seconds = ((Date.now() - started) / 1000).toFixed(1).padStart(6);
  process.stdout.write(`[${seconds}s] ${text}\n`);
}

/** A line listener that passes at most one line every `everyMs`, for programs that print thousands. */
export function throttled(progress: Progress, prefix: string, everyMs = 2000): (line: string) => void {
  let last = Date.now();
  return (line) => {
    const now = Date.now();
    if (now - last < everyMs) return;
    last = now;
    progress(`${prefix}${line.slice(0, 100)}`);
  };
}
