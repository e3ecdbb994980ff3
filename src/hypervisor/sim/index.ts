/** sim: in-process guests. A replayed journal is a guest like any other: it traps, it has memory, it gets interrupts. */
export { encodeDelta, type JournalHeader, JournalReader, JournalWriter, REC } from './journal.js';
export { ReplayGuest, type ReplayReport } from './replay-guest.js';
export { SparseMemory } from './sparse-memory.js';
