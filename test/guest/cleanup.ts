/**
 * What a run holds outside its own process (QEMUs, the mediator, socket folders) and how it is given back, whether the
 * run ends, throws, or is interrupted.
 */
type Undo = () => void;

const undos = new Set<Undo>();
let installed = false;

function undoAll(): void {
  const pending = [...undos].reverse();
  undos.clear();
  for (const undo of pending) {
    try {
      undo();
    } catch (error) {
      process.stderr.write(`cleanup: ${error instanceof Error ? error.message : String(error)}\n`);
    }
  }
}

function install(): void {
  if (installed) return;
  installed = true;
  process.on('exit', undoAll);
  for (const [signal, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
    ['SIGHUP', 1],
  ] as const) {
    process.on(signal, () => process.exit(128 + number));
  }
}

/** Registers a synchronous undo for the end of the process; the answer withdraws it. */
export function atExit(undo: Undo): () => void {
  install();
  undos.add(undo);
  return () => undos.delete(undo);
}
