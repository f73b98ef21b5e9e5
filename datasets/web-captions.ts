/** What web captions in tars have in common: one row for each image, its caption in `.json` or `.txt`. */

import { z } from 'zod';
import { defineRowSource, type RowSource } from '../lib/data/row-source.ts';
import { badSample } from '../lib/data/sample.ts';
import type { Source } from '../lib/data/source.ts';
import { drawInstruction } from '../lib/data/task.ts';
import { ruledText, textRuleOption } from '../lib/data/text-rule.ts';
import { webRows, webShards } from './web-shards.ts';

const options = z.object({ text: textRuleOption('captions', 'reference') });

/** A source over tars as img2dataset writes them. The original gave such captions no instruction; here they get that of [caption]. */
export function webCaptionSource(
  naming: Pick<Source, 'name' | 'summary'> & { aliases?: NonNullable<Source['aliases']> },
): RowSource {
  return defineRowSource({
    ...naming,
    kind: 'weak',
    tasks: ['caption'],
    options,
    indexOptions: [],
    inputs: ({ root }) => webShards(root),
    rows: ({ root }, scan) => webRows({ root, needs: ['json', 'txt'], record: ({ caption = '' }) => caption }, scan),
    sample: ({ id, record }, { options: { text }, pick }) => {
      const answer = ruledText(record, text);
      if (answer === '') throw badSample({ id, source: naming.name }, 'no caption', 'a caption in .json or .txt');
      return { turns: [{ question: drawInstruction('caption', '', pick), answer }] };
    },
  });
}
