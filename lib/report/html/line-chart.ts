/** Charts over steps. */

import * as Plot from '@observablehq/plot';
import { type ChartRequest, drawChart, type Look } from './chart.ts';
import { count, short, tickText } from './format.ts';
import { type Html, plainText } from './markup.ts';
import { type Point, type Segment, type Stretch, smoothed, thinned } from './series.ts';

export interface Line {
  readonly name: string;
  readonly look: Look;
  readonly segments: readonly Segment[];
  /** Also shows the single steps behind the smoothed line. */
  readonly raw?: boolean;
}

export interface LineChartRequest extends Pick<ChartRequest, 'description'> {
  lines: readonly Line[];
  /** Runs of a chain, whose borders are shown. */
  stretches: readonly Stretch[];
  size: 'wide' | 'small';
  /** Decades instead of equal steps; only for numbers above 0. */
  log?: boolean;
  /** Begins at 0. */
  zero?: boolean;
  /** Share of a segment that its line is smoothed over. */
  smooth?: number;
  format?: (value: number) => string;
}

const SIZES = { wide: { width: 460, height: 270 }, small: { width: 340, height: 200 } } as const;
/** Points of one segment: more than a chart this wide can show apart. */
const MOST_POINTS = 240;
/** Places of a segment that tell their value when pointed at. */
const TOLD_POINTS = 24;
/** More decades than this leave no room for labels between them. */
const MANY_DECADES = 2.5;
/** Share of a segment within one window: wide enough to see a trend, narrow enough to see a jump. */
const SMOOTH = 0.05;

interface Placed extends Point {
  readonly segment: number;
}

/** Lines over the steps of one or several runs. */
export function lineChart(request: LineChartRequest): Html {
  const { lines, stretches, size, log = false, zero = false, smooth = SMOOTH, format = tickText } = request;
  const drawn = lines.map((line) => drawnOf(line, smooth));
  const marks = drawn.flatMap((line) => lineMarks(line, format));
  const ticks = log ? decadeTicks(drawn.flatMap(({ single, even }) => [...single, ...even])) : [];
  return drawChart({
    description: request.description,
    ...SIZES[size],
    options: {
      marginTop: stretches.length > 1 ? 28 : 14,
      marginRight: 14,
      marginBottom: 32,
      marginLeft: 48,
      x: {
        label: null,
        ticks: size === 'wide' ? 6 : 4,
        tickFormat: (value: number) => tickText(value),
        domain: [0, lastStep(lines, stretches)],
      },
      y: {
        label: null,
        grid: true,
        tickSize: 0,
        ...(log
          ? {
              transform: Math.log10,
              ticks: ticks.map(Math.log10),
              tickFormat: (at: number) => format(10 ** at),
            }
          : { nice: true, zero, ticks: 5, tickFormat: format }),
      },
      marks: [...borders(stretches, size), ...marks],
    },
  });
}

/** The library's own axis of decades leaves out labels as it likes, so the decades are taken here: 1, 2 and 5 of each that the lines reach, or the decades alone where those are many. */
function decadeTicks(points: readonly Point[]): number[] {
  const all = points.map(({ y }) => Math.log10(y));
  const low = all.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const high = all.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const leads = high - low > MANY_DECADES ? [1] : [1, 2, 5];
  const decades = Array.from(
    { length: Math.max(0, Math.ceil(high) - Math.floor(low) + 1) },
    (_, place) => Math.floor(low) + place,
  );
  const ticks = decades.flatMap((decade) => leads.map((lead) => Number(`${lead}e${decade}`)));
  return ticks.filter((tick) => Math.log10(tick) >= low && Math.log10(tick) <= high);
}

/** Where one run ends and the next begins, each with its name above. */
function borders(stretches: readonly Stretch[], size: 'wide' | 'small'): Plot.Markish[] {
  if (stretches.length < 2) return [];
  const all = stretches.reduce((sum, { steps }) => sum + steps, 0);
  const shown = size === 'wide' ? stretches : stretches.filter(({ steps }) => steps > 0.08 * all);
  return [
    Plot.ruleX(
      stretches.slice(1).map(({ offset }) => offset),
      { stroke: 'currentColor', strokeOpacity: 0.45, strokeDasharray: '3 3' },
    ),
    Plot.text(shown, {
      x: ({ offset, steps }: Stretch) => offset + steps / 2,
      text: ({ name }: Stretch) => plainText(name),
      frameAnchor: 'top',
      dy: -20,
      fill: 'var(--muted)',
      lineWidth: 12,
      textOverflow: 'ellipsis',
    }),
  ];
}

/** The end of the axis of steps. */
function lastStep(lines: readonly Line[], stretches: readonly Stretch[]): number {
  const ends = lines.flatMap(({ segments }) => segments.map((segment) => segment.at(-1)?.x ?? 0));
  return Math.max(1, ...ends, ...stretches.map(({ offset, steps }) => offset + steps));
}

/** What is drawn of a line. */
interface Drawn {
  readonly line: Line;
  /** Means of few steps, where these are shown. */
  readonly single: readonly Placed[];
  readonly even: readonly Placed[];
  /** Points that tell their value. */
  readonly told: readonly Placed[];
}

function drawnOf(line: Line, smooth: number): Drawn {
  const { segments, raw = false } = line;
  const even = segments.map((segment) => thinned(smoothed(segment, smooth), MOST_POINTS));
  return {
    line,
    single: raw ? placed(segments.map((segment) => thinned(segment, MOST_POINTS))) : [],
    even: placed(even),
    told: placed(even.map((segment) => spread(segment, TOLD_POINTS))),
  };
}

function lineMarks({ line, single, even, told }: Drawn, format: (value: number) => string): Plot.Markish[] {
  const { name, look } = line;
  const channels = { x: 'x', y: 'y', z: 'segment' } as const;
  const exact = format === tickText ? short : format;
  const title = ({ x, y }: Placed) => plainText(`${name}, step ${count(x)}: ${exact(y)}`);
  return [
    Plot.line(single, { ...channels, stroke: look.colour, strokeOpacity: 0.3, strokeWidth: 1 }),
    Plot.line(even, { ...channels, stroke: look.colour, strokeWidth: 2, strokeDasharray: look.dash }),
    // Invisible until pointed at; the only way to read a value off a page without scripts.
    Plot.dot(told, { x: 'x', y: 'y', r: 5, fill: look.colour, fillOpacity: 0, className: 'told', title }),
  ];
}

function placed(segments: readonly Segment[]): Placed[] {
  return segments.flatMap((points, segment) => points.map((point) => ({ ...point, segment })));
}

/** Some of the points, first and last among them. */
function spread(segment: Segment, most: number): Point[] {
  if (segment.length <= most) return [...segment];
  const step = (segment.length - 1) / (most - 1);
  return Array.from({ length: most }, (_, place) => segment[Math.round(place * step)] as Point);
}
