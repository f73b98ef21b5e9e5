/** Values of a benchmark's JSON as cells of a table. */

/** How a number is written; found from the names that lead to it, unless a table says it. */
export type Unit = 'seconds' | 'ms' | 'bytes' | 'share' | 'ratio' | 'flops' | 'plain';

const BY_NAME: readonly (readonly [RegExp, Unit])[] = [
  [/seconds/i, 'seconds'],
  [/bytes/i, 'bytes'],
  [/share|residual/i, 'share'],
  [/ratio|speed|memory|cpu/i, 'ratio'],
  [/flops/i, 'flops'],
];

/** @returns the unit that a path such as `ours.cpuSeconds.median` speaks of; the last name that speaks of any decides */
export function unitOf(path: readonly string[]): Unit {
  for (const name of [...path].reverse()) {
    const found = BY_NAME.find(([pattern]) => pattern.test(name));
    if (found !== undefined) return found[1];
  }
  return 'plain';
}

/** @returns three digits that count, never as a power of ten */
function digits(value: number): string {
  if (value !== 0 && Math.abs(value) < 1e-3) return value.toExponential(1);
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(3)));
}

function time(seconds: number): string {
  if (Math.abs(seconds) >= 1) return `${digits(seconds)} s`;
  if (Math.abs(seconds) >= 1e-3) return `${digits(seconds * 1e3)} ms`;
  return `${digits(seconds * 1e6)} us`;
}

/** A number as people write it. */
export function numberText(value: number, unit: Unit): string {
  switch (unit) {
    case 'seconds':
      return time(value);
    case 'ms':
      return time(value / 1e3);
    case 'bytes':
      return value >= 2 ** 30 ? `${(value / 2 ** 30).toFixed(2)} GiB` : `${digits(value / 2 ** 20)} MiB`;
    case 'share':
      return `${digits(100 * value)} %`;
    case 'ratio':
      return value.toFixed(2);
    case 'flops':
      return `${digits(value / 1e9)} GFLOP`;
    case 'plain':
      return Number.isInteger(value) ? value.toLocaleString('en-US') : digits(value);
  }
}

type Plain = Readonly<Record<string, unknown>>;

/** Whether a value has parts to look into. */
export function isRecord(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Middle and range of a spread, under either of its spellings, and of a ratio with its spread. */
function spreadOf(value: Plain): [number, number, number] | undefined {
  const spread = isRecord(value['spread']) ? value['spread'] : value;
  const found = [spread['median'], spread['min'] ?? spread['least'], spread['max'] ?? spread['most']];
  return found.every((one) => typeof one === 'number') ? (found as [number, number, number]) : undefined;
}

/** Whether a value is one cell: a number, a text, or a spread. */
export function isCell(value: unknown): boolean {
  return ['number', 'string', 'boolean'].includes(typeof value) || (isRecord(value) && spreadOf(value) !== undefined);
}

/** @returns the text of a cell; nothing where there is no value of that kind */
export function cellText(value: unknown, unit: Unit): string | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? numberText(value, unit) : undefined;
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (!isRecord(value)) return undefined;
  const spread = spreadOf(value);
  if (spread === undefined) return undefined;
  const [median, least, most] = spread.map((one) => numberText(one, unit));
  return `${median} (${least} to ${most})`;
}

/** @returns what lies at `a.b.c` */
export function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((inner, name) => (isRecord(inner) ? inner[name] : undefined), value);
}
