/** The miniatures of weak, instruction and own data, each prepared as a run prepares it: indexed, checked, decoded. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { SOURCES } from '../../../datasets/index.ts';
import { decodeImage } from '../../../lib/data/image.ts';
import { openIndexed } from '../../../lib/data/index/ensure.ts';
import { isRowSource } from '../../../lib/data/row-source.ts';
import { checkSample } from '../../../lib/data/sample.ts';
import { makeCc3m } from '../../data/make/cc3m.ts';
import { makeCocoInstances } from '../../data/make/coco-instances.ts';
import { makeFlickr30k, makeFlickr30kFinished } from '../../data/make/flickr30k.ts';
import { makeGrit, makeGritApart } from '../../data/make/grit.ts';
import { makeJsonl } from '../../data/make/jsonl.ts';
import { makeLaion } from '../../data/make/laion.ts';
import { makeLlava } from '../../data/make/llava.ts';
import { makeMultitaskConversation } from '../../data/make/multitask-conversation.ts';
import { makeSbu } from '../../data/make/sbu.ts';
import { makeUnnaturalInstructions } from '../../data/make/unnatural-instructions.ts';
import { makeWebdataset } from '../../data/make/webdataset.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

type Options = Readonly<Record<string, unknown>>;
const tasks = (...names: string[]): Options[] => names.map((task) => ({ task }));

const MINIATURES: readonly [
  source: string,
  make: (dir: string) => Promise<void>,
  options: (dir: string) => Options[],
][] = [
  ['cc3m', makeCc3m, () => [{}]],
  ['sbu', makeSbu, () => [{}]],
  ['laion', makeLaion, () => [{}]],
  ['grit', makeGrit, () => tasks('refer', 'identify', 'grounding', 'caption')],
  ['grit', (dir) => makeGritApart(dir, 'id'), (dir) => [{ annotations: join(dir, 'annotations') }]],
  ['llava', makeLlava, () => ['conversation', 'detail', 'reasoning'].map((part) => ({ part }))],
  ['flickr30k', makeFlickr30k, () => [...tasks('grounding', 'detection'), { task: 'detection', from: 'phrase' }]],
  [
    'flickr30k',
    makeFlickr30kFinished,
    () => [...tasks('grounding', 'detection'), { task: 'detection', from: 'phrase' }],
  ],
  ['multitask-conversation', makeMultitaskConversation, () => [{}]],
  ['unnatural-instructions', makeUnnaturalInstructions, () => [{}, { reformulations: true }]],
  ['jsonl', makeJsonl, () => [{}]],
  ['coco-instances', makeCocoInstances, () => tasks('detection', 'refer', 'identify', 'conversation')],
  ['webdataset', makeWebdataset, () => [{}]],
];

for (const [name, make, variants] of MINIATURES) {
  test(`${make.name || `${name} apart`}: ${name} is indexed, and every sample is sound and its picture decodes`, async () => {
    const root = temporaryFolder('tristage-miniature-');
    await make(root);
    const source = SOURCES.find((known) => known.name === name);
    assert.ok(source !== undefined && isRowSource(source));
    for (const options of variants(root)) {
      const request = {
        place: { cache: join(root, '.index') },
        verify: 'headers',
        tool: 'test',
        info: () => {},
      } as const;
      const { source: opened } = await openIndexed(source.plan({ root, ...options }), request);
      assert.ok(opened.length > 0);
      for (let index = 0; index < opened.length; index++) {
        const sample = await opened.get(index, () => 0);
        checkSample(sample);
        if (sample.image !== undefined) assert.ok((await decodeImage(sample.image)).width > 0);
      }
    }
  });
}
