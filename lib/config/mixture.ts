/** What follows from a mixture that is drawn batch by batch. */

/** What matters of a line; what is no number above 0 counts as the default, 1, and is refused elsewhere. */
interface Line {
  rate?: unknown;
  batch?: unknown;
}

/** Samples of a step on average, rounded: lines are drawn at their rates, each with its own batch. */
export function meanBatch(lines: readonly Line[]): number {
  const rates = lines.reduce((sum, { rate }) => sum + positive(rate), 0);
  const samples = lines.reduce((sum, { rate, batch }) => sum + positive(rate) * positive(batch), 0);
  return rates === 0 ? 1 : Math.max(1, Math.round(samples / rates));
}

function positive(value: unknown): number {
  return typeof value === 'number' && value > 0 && Number.isFinite(value) ? value : 1;
}
