import { join } from 'node:path';
import { writeContent, writePicture } from './pictures.ts';

const say = (from: 'human' | 'gpt', value: string) => ({ from, value });

/**
 * The three files of LLaVA-Instruct with photos in COCO's naming of 2014.
 * @param dir folder of the files
 * @param photos folder of COCO
 */
export async function makeLlava(dir: string, photos: string = dir): Promise<void> {
  const ids = ['000000000001', '000000000002', '000000000003'];
  for (const [seed, id] of ids.entries()) {
    await writePicture(join(photos, `train2014/COCO_train2014_${id}.jpg`), { seed });
  }
  const of = (id: string, conversations: unknown) => ({ id, image: `${id}.jpg`, conversations });
  await writeContent(
    join(dir, 'detail_23k.json'),
    ids.map((id, place) =>
      of(id, [
        say('human', place % 2 === 0 ? 'Describe the following image.\n<image>' : '<image>\nWhat do you see?'),
        say('gpt', `The picture shows ${place + 3} blocks. They lie at 10:15, 3.5 cm apart.`),
      ]),
    ),
  );
  await writeContent(
    join(dir, 'complex_reasoning_77k.json'),
    ids.map((id) =>
      of(id, [say('human', 'Why might the blocks lie there?\n<image>'), say('gpt', 'Someone may have dropped them.')]),
    ),
  );
  await writeContent(
    join(dir, 'conversation_58k.json'),
    ids.map((id, place) =>
      of(id, [
        say('human', '<image>\nHow many blocks are there?'),
        say('gpt', 'There are three.'),
        say('human', 'Do they touch?'),
        say('gpt', place === 0 ? 'No.' : 'Yes, two of them do.'),
      ]),
    ),
  );
}
