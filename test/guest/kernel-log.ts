/** What a guest's kernel log must and must not say. */

export const GVT_DETECTED = 'Virtual GPU for Intel GVT-g detected';
export const BALLOONED = 'VGT balloon successfully';
export const INITIALIZED = 'Initialized i915';

/** Upper-case BUG and WARN are the kernel's own complaints; its prose ("report a bug") is not meant. */
const COMPLAINT = /\bWARN(ING)?\b|\bBUG\b|\*ERROR\*|\bOops\b|Call Trace|GPU HANG|general protection|Kernel panic/;

/** The lines of a kernel log that a healthy run does not have. */
export function complaints(log: readonly string[]): string[] {
  // The command line is ours and names nothing that went wrong.
  return log.filter((line) => COMPLAINT.test(line) && !/ommand line:/.test(line));
}

export function says(log: readonly string[], text: string): boolean {
  return log.some((line) => line.includes(text));
}
