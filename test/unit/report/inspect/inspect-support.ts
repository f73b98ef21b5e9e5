/** A small inspection, every part of it present. */

import type { InspectedSample, Inspection } from '../../../../lib/report/inspect/inspection.ts';

/** @param changes to what is a shown sample of a refer task */
export function inspectedSample(changes: Partial<InspectedSample> = {}): InspectedSample {
  return {
    number: 1,
    id: 'dog-1',
    line: 1,
    source: 'refcoco',
    index: 12,
    epoch: 0,
    task: 'refer',
    picture: 0,
    turns: [{ prompt: '[INST] <Img><ImageHere></Img> [refer] the dog [/INST]', answer: '{<10><20><30><40>}' }],
    boxes: [
      { phrase: 'the dog', box: [0.1, 0.2, 0.3, 0.4], in: 'answer' },
      { phrase: '', box: [0.5, 0.5, 0.9, 0.9], in: 'question' },
    ],
    tokens: [
      { kind: 'special', id: 1, piece: '<s>', supervised: false },
      { kind: 'image', slots: 4 },
      { kind: 'text', id: 278, piece: '▁the', supervised: false },
      { kind: 'byte', id: 197, piece: '<0xC2>', bytes: 'C2', supervised: false },
      { kind: 'byte', id: 180, piece: '<0xB1>', bytes: 'B1', ends: '±', supervised: false },
      { kind: 'text', id: 426, piece: '▁{', supervised: true, weight: 0.25 },
      { kind: 'special', id: 2, piece: '</s>', supervised: true, weight: 0.25 },
    ],
    length: 10,
    supervised: 2,
    cut: 3,
    notes: ['1 of the 2 boxes of its text is strange'],
    ...changes,
  };
}

/** @param changes to an inspection of one packed row and one step */
export function inspection(changes: Partial<Inspection> = {}): Inspection {
  const drawn = { samples: 2, tokens: 20, supervised: 4, tasks: { refer: 1, vqa: 1 } };
  return {
    run: { name: 'stage2', stage: 'stage2-multitask', file: 'stage2.yaml' },
    settings: {
      imageSize: 112,
      transform: 'pillow-bicubic',
      imageTokens: 4,
      maxTokens: 64,
      rowTokens: 32,
      vocabulary: 455,
      weighting: 'answer-root',
    },
    lines: [
      { place: 1, source: 'refcoco', task: 'refer', samples: 100, share: 0.75, epochs: 2, shown: true, drawn },
      {
        ...{ place: 2, source: 'gqa', task: 'vqa', samples: 1000, share: 0.25, epochs: 0.1, shown: false },
        drawn: { samples: 0, tokens: 0, supervised: 0, tasks: {} },
      },
    ],
    steps: [7],
    batch: { rows: 1, samples: 2, tokens: 24, fill: 0.75 },
    rows: [
      {
        step: 7,
        row: 0,
        length: 24,
        packed: {
          room: 32,
          spans: [
            { kind: 'prefix', group: 0, from: 0, to: 8 },
            { kind: 'branch', group: 0, from: 8, to: 14, task: 'refer', id: 'dog-1', sample: 1 },
            { kind: 'branch', group: 0, from: 14, to: 18, task: 'vqa', id: 'dog-2' },
            { kind: 'branch', group: 1, from: 18, to: 24, task: 'text', id: 'poem', sample: 2 },
          ],
          parts: [
            { kind: 'prompt', from: 0, to: 2 },
            { kind: 'image', from: 2, to: 6 },
            { kind: 'prompt', from: 6, to: 10 },
            { kind: 'supervised', from: 10, to: 24 },
          ],
        },
        samples: [
          inspectedSample(),
          inspectedSample({
            ...{ number: 2, id: 'poem', task: 'text', boxes: [], cut: 0, notes: [], epoch: 3 },
            turns: [
              { prompt: '[INST] one [/INST]', answer: 'first' },
              { prompt: '[INST] two [/INST]', answer: 'second' },
            ],
          }),
        ],
      },
    ],
    pictures: [{ name: 'photos/dog.jpg', width: 640, height: 480, uri: 'data:image/webp;base64,AAAA' }],
    replaced: [{ step: 7, source: 'refcoco', index: 3, code: 'E_IMAGE', where: 'photos/cat.jpg', cause: 'cut short' }],
    leftOut: [{ source: 'gqa', leftOut: 12, cause: 'missing image', where: ['1.jpg', '2.jpg'] }],
    notes: ['a note'],
    ...changes,
  };
}
