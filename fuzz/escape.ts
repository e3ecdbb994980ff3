/** Something that must not have happened: which kind of thing, and what it was in one line. */
export interface Escape {
  readonly kind: string;
  readonly detail: string;
}
