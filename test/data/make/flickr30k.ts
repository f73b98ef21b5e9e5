import { join } from 'node:path';
import { writeContent, writePicture } from './pictures.ts';

const IDS = ['1000092795', '10002456'];
const [WIDTH, HEIGHT] = [100, 80];

const object = (chains: readonly string[], rest: string) =>
  `<object>${chains.map((chain) => `<name>${chain}</name>`).join('')}${rest}</object>`;
const box = (x1: number, y1: number, x2: number, y2: number) =>
  `<bndbox><xmin>${x1}</xmin><ymin>${y1}</ymin><xmax>${x2}</xmax><ymax>${y2}</ymax></bndbox>`;

/** Photos, sentences and boxes of two images; the chains 1 and 2 share a box, chain 3 has two, 5 is a scene. */
export async function makeFlickr30k(dir: string): Promise<void> {
  for (const [seed, id] of IDS.entries()) {
    await writePicture(join(dir, `flickr30k-images/${id}.jpg`), { width: WIDTH, height: HEIGHT, seed });
    const objects = [
      object(['1', '2'], box(1, 1, 50, 40)),
      object(['3'], box(51, 1, 75, 80)),
      object(['3'], box(76, 1, 100, 80)),
      object(['4'], box(11, 41, 30, 80)),
      object(['5'], '<scene>1</scene><nobndbox>0</nobndbox>'),
      object(['6'], box(31, 41, 50, 60)),
    ];
    const size = `<size><width>${WIDTH}</width><height>${HEIGHT}</height><depth>3</depth></size>`;
    await writeContent(
      join(dir, `Annotations/${id}.xml`),
      `<annotation>\n<filename>${id}.jpg</filename>\n${size}\n${objects.join('\n')}\n</annotation>\n`,
    );
    await writeContent(
      join(dir, `Sentences/${id}.txt`),
      [
        '[/EN#1/people A man] in [/EN#4/clothing a red hat] with [/EN#6/other a cup] stands by [/EN#3/people two women] , [/EN#2/people his friend] near [/EN#5/scene a lake] .',
        '[/EN#1/people A man] looks at [/EN#0/notvisual it] .',
        '[/EN#3/people Two women] wait .',
        '[/EN#5/scene A lake] in summer .',
        '[/EN#4/clothing A red hat] and [/EN#6/other/bodyparts a cup] .',
      ].join('\n'),
    );
  }
  await writeContent(join(dir, 'train.txt'), `${IDS.join('\n')}\n`);
  await writeContent(join(dir, 'val.txt'), '10002456\n');
  await writeContent(join(dir, 'test.txt'), '10002456\n');
}

/** The three files of finished strings that MiniGPT-v2 trained on, beside the photos. */
export async function makeFlickr30kFinished(dir: string): Promise<void> {
  for (const [seed, id] of IDS.entries()) await writePicture(join(dir, `images/${id}.jpg`), { seed });
  const man = '<p>a man</p> {<0><0><50><50>}';
  const women = '<p>two women</p> {<50><0><75><100>}<delim>{<75><0><100><100>}';
  await writeContent(
    join(dir, 'groundedcaption.json'),
    IDS.map((id) => ({ image_id: id, grounded_caption: `${man} beside ${women} at a lake.` })),
  );
  await writeContent(
    join(dir, 'captiontobbox.json'),
    IDS.map((id) => ({ image_id: Number(id), caption: 'a man beside two women', output: `${man} ${women}` })),
  );
  await writeContent(
    join(dir, 'phrasetobbox.json'),
    IDS.map((id) => ({ image_id: id, phrase: 'a man', bbox: '{<0><0><50><50>}' })),
  );
}
