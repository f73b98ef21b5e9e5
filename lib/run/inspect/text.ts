/** An inspection as data and as lines for a terminal. */

import type { InspectedSample, Inspection } from '../../report/inspect/inspection.ts';

/** The inspection without the pixels of its pictures, for programs. */
export function inspectionData({ pictures, ...inspection }: Inspection) {
  return { ...inspection, pictures: pictures.map(({ uri: _, ...picture }) => picture) };
}

/** The mixture, then each sample with its texts. */
export function inspectionText({ lines, rows, replaced, leftOut, notes }: Inspection): string {
  const mixture = lines.map(
    ({ place, source, task, share, drawn }) =>
      `${place}. ${source}${task === '' ? '' : ` (${task})`}: ${(100 * share).toFixed(1)} % of the run, ${drawn.samples} samples here`,
  );
  const samples = rows.flatMap((row) => [
    ...(row.packed === undefined
      ? []
      : [`row ${row.row + 1} of step ${row.step}: ${row.length} of ${row.packed.room} tokens`]),
    ...row.samples.flatMap(sampleLines),
  ]);
  const unused = [
    ...leftOut.map(({ source, leftOut: count, cause }) => `${source}: ${count} rows left out, ${cause}`),
    ...replaced.map(({ source, where, cause }) => `${source}: ${where} replaced, ${cause}`),
  ];
  return [...notes, ...mixture, '', ...samples, ...unused].join('\n');
}

function sampleLines({ number, source, task, id, length, supervised, turns, cut }: InspectedSample): string[] {
  const lost = cut > 0 ? `, ${cut} cut off` : '';
  return [
    `#${number} ${source} ${task} ${id}: ${length} tokens, ${supervised} trained${lost}`,
    ...turns.flatMap(({ prompt, answer }) => [`  ${prompt}`, `  -> ${answer}`]),
    '',
  ];
}
