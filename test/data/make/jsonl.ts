import { join } from 'node:path';
import { jsonLinesOf, writeContent, writePicture } from './pictures.ts';

/** Own data with a record of every kind. */
export async function makeJsonl(dir: string): Promise<void> {
  for (const seed of [1, 2]) await writePicture(join(dir, `photos/${seed}.jpg`), { width: 200, height: 100, seed });
  const records = [
    { image: 'photos/1.jpg', task: 'vqa', turns: [{ question: 'how many blocks are there?', answer: '3' }] },
    { image: 'photos/1.jpg', task: 'caption', turns: [{ answer: 'three blocks on a table' }] },
    {
      id: 'red-block',
      image: 'photos/1.jpg',
      task: 'refer',
      turns: [{ question: 'the red block', answer: '<box:red>' }],
      boxes: { red: [20, 10, 100, 50] },
      unit: 'pixels',
    },
    {
      image: 'photos/2.jpg',
      task: 'detection',
      turns: [{ question: 'block', answer: '<p>block</p> <box:blocks>' }],
      boxes: {
        blocks: [
          [0.1, 0.1, 0.5, 0.5],
          [0.6, 0.1, 1, 0.5],
        ],
      },
      unit: 'fractions',
    },
    {
      image: 'photos/2.jpg',
      turns: [
        { question: 'What lies here?', answer: 'Two blocks.' },
        { question: '[identify] what is in <box:left>?', answer: 'a block' },
      ],
      boxes: { left: [0, 0, 0.5, 1] },
      unit: 'fractions',
    },
    { task: 'text', turns: [{ question: 'What is 3.5 + 0.5?', answer: '4.0' }] },
  ];
  await writeContent(join(dir, 'train.jsonl'), jsonLinesOf(records));
}
