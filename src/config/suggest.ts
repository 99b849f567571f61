/** The nearest of `candidates` to a misspelt word; undefined when none is near enough to be meant. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const written = word.toLowerCase().replaceAll("-", "_");
  // A longer word may have more slips in it; a third of its letters is where suggestions become guesses.
  // A word of which no letter is left is no misspelling.
  let bestDistance = Math.min(4, Math.floor(written.length / 3) + 1, Math.max(0, written.length - 1));
  let best: string | undefined;
  for (const candidate of candidates) {
    const distance = editDistance(written, candidate.toLowerCase().replaceAll("-", "_"));
    if (distance < bestDistance || (distance === bestDistance && best === undefined)) {
      bestDistance = distance;
      best = candidate;
    }
  }
  return best;
}

/** Optimal string alignment: insertions, deletions, replacements and swaps of neighbours. */
export function editDistance(left: string, right: string): number {
  // A keyword has at most a few dozen letters; without this a line of a megabyte would cost minutes.
  if (Math.abs(left.length - right.length) > 8) return Math.abs(left.length - right.length);
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i++) {
    const current = [i];
    for (let j = 1; j <= right.length; j++) {
      const same = left[i - 1] === right[j - 1];
      let cost = Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, (previous[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1]) {
        cost = Math.min(cost, (beforePrevious[j - 2] ?? 0) + 1);
      }
      current.push(cost);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[right.length] ?? 0;
}
