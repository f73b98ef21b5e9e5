/** Numbers as people read them. */

const COUNT = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** `12,345` */
export function count(value: number): string {
  return COUNT.format(value);
}

/** Three significant digits, large numbers whole: `0.485`, `12.3`, `1,240`, `2.00e-5`. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return '-';
  const size = Math.abs(value);
  if (size >= 1000) return count(value);
  if (size !== 0 && size < 1e-3) return value.toExponential(2);
  return String(Number(value.toPrecision(3)));
}

/** As few signs as an axis needs: `0.5`, `12`, `1,240`, `2e-5`. */
export function tickText(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && size < 0.01) return String(Number(value.toPrecision(3)).toExponential());
  return size >= 1000 ? count(value) : String(Number(value.toPrecision(3)));
}

/** `0.537` */
export function fixed(value: number | null | undefined): string {
  return value === null || value === undefined || !Number.isFinite(value) ? '-' : value.toFixed(3);
}

/** `12.4 %` of a share 0..1. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** `3 min 55 s` */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return whole < 10 ? `${seconds.toFixed(1)} s` : `${whole} s`;
  const [days, hours, minutes] = [
    Math.floor(whole / 86_400),
    Math.floor(whole / 3600) % 24,
    Math.floor(whole / 60) % 60,
  ];
  if (days > 0) return `${days} d ${hours} h`;
  return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min ${whole % 60} s`;
}
