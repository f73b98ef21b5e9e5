import { join } from 'node:path';
import { writeTar } from '../../../lib/formats/tar-writer.ts';
import { pictureBytes } from './pictures.ts';

const record = {
  task: 'refer',
  turns: [{ question: 'the red block', answer: '<box:red>' }],
  boxes: { red: [10, 10, 50, 25] },
  unit: 'pixels',
};

/** Two tars of own data: captions as text and as JSON, and records. Pictures are 100 x 50. */
export async function makeWebdataset(dir: string): Promise<void> {
  const picture = (seed: number) => pictureBytes({ width: 100, height: 50, seed });
  await writeTar(join(dir, 'own-0.tar'), [
    { name: 'a/1.jpg', content: await picture(1) },
    { name: 'a/1.txt', content: 'Two blocks.\n' },
    { name: 'a/2.jpg', content: await picture(2) },
    { name: 'a/2.json', content: JSON.stringify({ caption: 'One block.' }) },
  ]);
  await writeTar(join(dir, 'own-1.tar'), [
    { name: 'a/1.png', content: await pictureBytes({ width: 100, height: 50, seed: 3 }, 'png') },
    { name: 'a/1.json', content: JSON.stringify(record) },
    { name: 'a/2.jpg', content: await picture(4) },
    {
      name: 'a/2.json',
      content: JSON.stringify({
        turns: [
          { question: 'How many?', answer: 'Two.' },
          { question: 'Sure?', answer: 'Yes.' },
        ],
        task: 'conversation',
      }),
    },
  ]);
}
