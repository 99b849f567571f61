/** Wall clock in UTC, as all texts of ours have it. */
export function time(ms: number): string {
  return new Date(ms).toISOString().replace("T", " ").slice(0, 23);
}
