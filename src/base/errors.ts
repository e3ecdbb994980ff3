/**
 * The catalogue of everything that can be refused. A code is stable: operators and tests match on it, texts may improve.
 * `status` is the HTTP status and `exit` the exit code that the control faces answer with.
 */
const CATALOGUE = {
  // configuration and operator
  XENGT_E_CONFIG: { status: 400, exit: 2, remedy: 'Correct the named key; the message lists what is allowed.' },
  XENGT_E_USAGE: { status: 400, exit: 2, remedy: 'See `xengt --help`.' },
  XENGT_E_DENIED: {
    status: 401,
    exit: 77,
    remedy: 'Send the token of `tokenFile` as `Authorization: Bearer …`, or open `/?token=…` in a browser.',
  },
  XENGT_E_NOT_FOUND: { status: 404, exit: 4, remedy: 'List what exists with `xengt vgpu list`.' },
  XENGT_E_EXISTS: { status: 409, exit: 5, remedy: 'Choose another name, or remove what has it.' },
  XENGT_E_NO_SPACE: { status: 507, exit: 6, remedy: 'Remove a vGPU or choose a smaller type.' },
  XENGT_E_BUSY: { status: 409, exit: 5, remedy: 'Detach the guest first.' },
  XENGT_E_NO_FAILSAFE: {
    status: 409,
    exit: 5,
    remedy: 'There is nothing to revive: `xengt vgpu list` shows which vGPUs are in failsafe.',
  },
  XENGT_E_UNAVAILABLE: { status: 503, exit: 7, remedy: 'Start the daemon with `xengt serve`.' },
  XENGT_E_NO_ADDON: {
    status: 501,
    exit: 7,
    remedy: 'Install a C++ compiler, make and python3, then run `npm rebuild`.',
  },
  // declared hardware
  XENGT_E_TABLE: { status: 500, exit: 70, remedy: 'A hardware table contradicts itself; this is a bug.' },
  // guest behaviour
  XENGT_E_ACCESS: { status: 422, exit: 65, remedy: 'The guest made an access that the device does not decode.' },
  XENGT_E_GGTT: { status: 422, exit: 65, remedy: 'The guest wrote a global page-table entry that is not its own.' },
  XENGT_E_PPGTT: { status: 422, exit: 65, remedy: 'The guest built page tables that cannot be shadowed.' },
  XENGT_E_CONTEXT: { status: 422, exit: 65, remedy: 'The guest submitted a context that cannot be run.' },
  XENGT_E_SCAN: { status: 422, exit: 65, remedy: 'The guest submitted commands that its vGPU may not run.' },
  XENGT_E_PVINFO: { status: 422, exit: 65, remedy: 'The guest broke the paravirtual contract.' },
  // transport and files
  XENGT_E_PROTOCOL: { status: 400, exit: 65, remedy: 'The VMM sent a message that breaks the vfio-user protocol.' },
  XENGT_E_XEN: {
    status: 502,
    exit: 69,
    remedy: 'Xen refused; the message says which step and why. See docs/xen-setup.md.',
  },
  XENGT_E_JOURNAL: { status: 400, exit: 65, remedy: 'The file is not a journal of this version, or it is damaged.' },
  XENGT_E_STREAM: {
    status: 400,
    exit: 65,
    remedy: 'The file is no recorded command stream, or it is damaged; the message names the rule that it breaks.',
  },
  XENGT_E_IO: { status: 500, exit: 74, remedy: 'The operating system refused; the message says what.' },
} as const;

export type ErrorCode = keyof typeof CATALOGUE;

/** A refusal: which rule, what broke it. `message` is one sentence that an operator can act on. */
export class XengtError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'XengtError';
    this.code = code;
  }
  get status(): number {
    return CATALOGUE[this.code].status;
  }
  get exitCode(): number {
    return CATALOGUE[this.code].exit;
  }
  get remedy(): string {
    return CATALOGUE[this.code].remedy;
  }
}

/** One sentence for a log line or an answer, whatever was thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
