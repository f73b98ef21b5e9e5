import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { multitaskConversation } from '../../../datasets/multitask-conversation.ts';
import { checkSample } from '../../../lib/data/sample.ts';
import { makeMultitaskConversation } from '../../data/make/multitask-conversation.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

describe('multitask-conversation', () => {
  test('turns of several tasks keep their identifiers and their order', async () => {
    const root = temporaryFolder('tristage-multitask-');
    await makeMultitaskConversation(root);
    const source = await multitaskConversation.open({ root });
    assert.equal(source.length, 2);
    const sample = await source.get(1, () => 0);
    checkSample(sample);
    assert.deepEqual(
      sample.turns.map(({ question }) => question),
      ['[grounding] describe this image in detail', '[refer] where is the red block ?'],
    );
    assert.deepEqual(sample.image, { path: join(root, 'train2014/COCO_train2014_000000000012.jpg') });
    assert.equal(sample.task, 'conversation');
  });

  test('fault 21: the file is found under the name of the configuration and under that of the instructions', async () => {
    const root = temporaryFolder('tristage-multitask-');
    await makeMultitaskConversation(root);
    const { fingerprint } = await multitaskConversation.open({ root });
    await rename(join(root, 'multi_task_conversation.json'), join(root, 'multitask_conversation.json'));
    assert.equal((await multitaskConversation.open({ root })).fingerprint, fingerprint);
    await rename(join(root, 'multitask_conversation.json'), join(root, 'other.json'));
    await assert.rejects(multitaskConversation.open({ root }), {
      code: 'E_SOURCE',
      expected: /multi_task_conversation.json or multitask_conversation.json/,
    });
    assert.equal((await multitaskConversation.open({ root, annotations: join(root, 'other.json') })).length, 2);
  });
});
