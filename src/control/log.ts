/** Where the daemon says what it does: lines for a person or a journal, results apart from complaints. */
export interface Log {
  info(line: string): void;
  error(line: string): void;
}
