/** A small judge with a small test, on which the test of the mutation run shows what it reports. */
export function judge(length: number, secret: boolean): string {
  if (length > 4) return 'too-long';
  if (secret) return 'refused';
  let left = length;
  while (left > 0) left--;
  return 'ok';
}

export function unused(): number {
  return 7;
}
