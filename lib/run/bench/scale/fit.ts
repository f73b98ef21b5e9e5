/** Straight lines through measured times. */

export interface Line {
  /** Value at 0. */
  constant: number;
  slope: number;
  /** (measured - line) / measured of each point. */
  residuals: number[];
}

/**
 * The line a + b x whose relative residuals have the least sum of squares.
 * @param points at least two with different x, each y above 0
 */
export function fitLine(points: readonly { x: number; y: number }[]): Line {
  // With weights 1 / y^2 a large time does not drown a small one.
  let [s, sx, sxx, sy, sxy] = [0, 0, 0, 0, 0];
  for (const { x, y } of points) {
    const weight = 1 / (y * y);
    s += weight;
    sx += weight * x;
    sxx += weight * x * x;
    sy += weight * y;
    sxy += weight * x * y;
  }
  const determinant = s * sxx - sx * sx;
  const slope = (s * sxy - sx * sy) / determinant;
  const constant = (sxx * sy - sx * sxy) / determinant;
  return { constant, slope, residuals: points.map(({ x, y }) => (y - constant - slope * x) / y) };
}
