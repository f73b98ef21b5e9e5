/** Indexes the captions of the folder that is its argument, reads 1000 of them at random, and says what that took. */

import { join } from 'node:path';
import { cocoCaption } from '../../datasets/coco-caption.ts';
import { randomStream } from '../../lib/core/rng.ts';
import { openIndexed } from '../../lib/data/index/ensure.ts';
import type { IndexingCost } from './annotations.ts';

const READS = 1000;
const root = process.argv[2] as string;
const plan = cocoCaption.plan({ root });
const { source } = await openIndexed(plan, {
  place: { index: join(root, 'index') },
  verify: 'headers',
  tool: 'test',
  info: () => {},
});
const random = randomStream(1);
let read = 0;
for (let draw = 0; draw < READS; draw++) {
  const index = random.integer(draw, source.length);
  const { id, turns } = await source.get(index, () => 0);
  if (id === String(index) && turns[0]?.answer.startsWith(`sentence ${index} of a photo`)) read++;
}
// Kilobytes on every system.
const resident = process.resourceUsage().maxRSS * 1024;
process.stdout.write(JSON.stringify({ rows: source.length, resident, read } satisfies IndexingCost));
