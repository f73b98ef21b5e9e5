import { join } from 'node:path';
import { writeContent, writePicture } from './pictures.ts';

/**
 * The file of multi-task conversations, under the name of the original's configuration.
 * @param dir folder of the file
 * @param photos folder of COCO
 */
export async function makeMultitaskConversation(dir: string, photos: string = dir): Promise<void> {
  const ids = ['000000000011', '000000000012'];
  for (const [seed, id] of ids.entries()) {
    await writePicture(join(photos, `train2014/COCO_train2014_${id}.jpg`), { seed });
  }
  await writeContent(
    join(dir, 'multi_task_conversation.json'),
    ids.map((id) => ({
      id,
      image: `COCO_train2014_${id}.jpg`,
      conversations: [
        { from: 'human', value: '<image>\n[grounding] describe this image in detail' },
        { from: 'gpt', value: '<p>a red block</p> {<0><10><40><60>} beside <p>a blue one</p> {<50><10><90><60>}' },
        { from: 'human', value: '[refer] where is the red block ?' },
        { from: 'gpt', value: '{<0><10><40><60>}' },
      ],
    })),
  );
}
