import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SOURCES } from '../../../datasets/index.ts';

/** The sources of MiniGPT-v2's released configs, by its names, and what each is here. */
const RELEASED: Readonly<Record<string, readonly [source: string, options: Readonly<Record<string, string>>]>> = {
  multitask_conversation: ['multitask-conversation', {}],
  llava_conversation: ['llava', { part: 'conversation' }],
  unnatural_instruction: ['unnatural-instructions', {}],
  refvg: ['visual-genome', {}],
  llava_detail: ['llava', { part: 'detail' }],
  llava_reason: ['llava', { part: 'reasoning' }],
  flickr_grounded_caption: ['flickr30k', { task: 'grounding' }],
  flickr_CaptionToPhrase: ['flickr30k', { task: 'detection', from: 'caption' }],
  flickr_ObjectToPhrase: ['flickr30k', { task: 'detection', from: 'phrase' }],
  coco_caption: ['coco-caption', {}],
  textcaps_caption: ['textcaps', {}],
  refcoco: ['refcoco', {}],
  refcocop: ['refcoco+', {}],
  refcocog: ['refcocog', {}],
  invrefcoco: ['refcoco', { task: 'identify' }],
  invrefcocop: ['refcoco+', { task: 'identify' }],
  invrefcocog: ['refcocog', { task: 'identify' }],
  coco_vqa: ['vqav2', {}],
  ok_vqa: ['okvqa', {}],
  aok_vqa: ['aokvqa', {}],
  gqa: ['gqa', {}],
  ocrvqa: ['ocrvqa', {}],
  cc_sbu: ['cc3m', {}],
  laion: ['laion', {}],
};

for (const [name, [source, options]] of Object.entries(RELEASED)) {
  test(`${name} is ${source} ${JSON.stringify(options)}`, () => {
    const found = SOURCES.filter((known) => known.name === name || Object.hasOwn(known.aliases ?? {}, name));
    assert.deepEqual(
      found.map((known) => known.name),
      [source],
    );
    const given: Readonly<Record<string, unknown>> = found[0]?.aliases?.[name] ?? {};
    for (const [key, value] of Object.entries(options)) assert.equal(given[key], value);
    const known = ['task', ...Object.keys(found[0]?.options.shape ?? {})];
    assert.ok(Object.keys(given).every((key) => known.includes(key)));
  });
}

test('no two sources share a name', () => {
  const names = SOURCES.flatMap((source) => [source.name, ...Object.keys(source.aliases ?? {})]);
  assert.deepEqual(
    names.filter((name, place) => names.indexOf(name) !== place),
    [],
  );
});
