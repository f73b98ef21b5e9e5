import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { padRows } from '../../../lib/data/collate.ts';
import { encodePrompt } from '../../../lib/data/encode.ts';
import { loadImage } from '../../../lib/data/image.ts';
import { IGNORE, type Sample } from '../../../lib/data/sample.ts';
import { llama2Tokenizer } from '../../../lib/data/tokenizer.ts';
import { liveTensors } from '../../../lib/engine/memory.ts';
import { tf } from '../../../lib/engine/tf.ts';
import { answerText } from '../../../lib/eval/answer-text.ts';
import { createFeatureCache } from '../../../lib/eval/feature-cache.ts';
import { withOtherImages } from '../../../lib/eval/questions.ts';
import { type AnswerRequest, answerSamples } from '../../../lib/eval/runner.ts';
import { deviceBatch, disposeBatch } from '../../../lib/model/batch.ts';
import { tokensPerImage } from '../../../lib/model/config.ts';
import { llamaHidden, llamaLogits } from '../../../lib/model/llama/model.ts';
import { blockContext, disposeMiniGpt, inputEmbeddings } from '../../../lib/model/minigpt.ts';
import { openTestEngine } from '../../support/engine.ts';
import { fewQuestions, SHORT, SIDE, wordyModel } from './eval-support.ts';

await openTestEngine();
const tokenizer = await llama2Tokenizer();
const model = wordyModel();
after(() => disposeMiniGpt(model));
const samples = await fewQuestions(3);

function cache(atOnce = 4, mostBytes?: number) {
  return createFeatureCache({
    model,
    transform: 'pillow-bicubic',
    atOnce,
    ...(mostBytes === undefined ? {} : { mostBytes }),
  });
}

async function ask(asked: readonly Sample[], options: Partial<AnswerRequest> = {}) {
  const features = options.features ?? cache(options.batch ?? 4);
  try {
    return await answerSamples({
      model,
      tokenizer,
      samples: asked,
      batch: 4,
      maxNewTokens: SHORT,
      ...options,
      features,
    });
  } finally {
    features.dispose();
  }
}

/** The answer computed by full passes over the growing row, with neither batch nor cache. */
async function plainAnswer(sample: Sample): Promise<string> {
  const image = sample.image!;
  const question = sample.turns.at(-1)?.question ?? '';
  const history = sample.turns.slice(0, -1);
  const prompt = encodePrompt({ image, question, history }, { tokenizer, imageTokens: tokensPerImage(model.config) });
  const pixels = await loadImage(image, { size: SIDE });
  const said: number[] = [];
  while (said.length < SHORT[sample.task] && said.at(-1) !== tokenizer.eosId) {
    const tokenIds = Int32Array.from([...prompt.tokenIds, ...said]);
    const labels = new Int32Array(tokenIds.length).fill(IGNORE);
    labels[tokenIds.length - 1] = 1;
    const batch = deviceBatch({ ...padRows([{ tokenIds, labels, contextLength: 0 }]), pixels }, model.config);
    const next = tf.tidy(() => {
      const embeddings = inputEmbeddings(model, batch);
      const hidden = llamaHidden({ embeddings, params: model.params.llama, context: blockContext(model, batch) });
      const rows = tf.tensor1d([tokenIds.length - 1], 'int32');
      return tf.argMax(llamaLogits({ hidden, params: model.params.llama, rows }), -1).dataSync()[0];
    });
    disposeBatch(batch);
    said.push(next ?? -1);
  }
  return answerText(said, tokenizer);
}

test('answers of batches with the cache equal those of full passes over each row alone', async () => {
  const answers = await ask(samples);
  assert.equal(answers.length, samples.length);
  for (const [place, sample] of samples.entries())
    assert.equal(answers[place]?.answer, await plainAnswer(sample), sample.id);
  assert.ok(new Set(answers.map(({ answer }) => answer)).size > 3, 'the answers differ from each other');
});

test('the size of a batch and the order of the questions change no answer', async () => {
  const answers = await ask(samples);
  assert.deepEqual(await ask(samples, { batch: 1 }), answers);
  assert.deepEqual(await ask(samples, { batch: 100 }), answers);
  assert.deepEqual((await ask([...samples].reverse())).reverse(), answers);
});

test('an answer carries its question, its reference, and its truth, in the order of the samples', async () => {
  const answers = await ask(samples);
  for (const [place, { id, source, task, turns, truth }] of samples.entries()) {
    const { answer: _, ended: __, ...facts } = answers[place]!;
    assert.deepEqual(facts, { id, source, task, question: turns[0]?.question, reference: turns[0]?.answer, truth });
  }
});

test('each scene is encoded once, however many questions, and also for the control', async () => {
  const scenes = new Set(samples.map(({ image }) => image)).size;
  assert.ok(scenes > 2 && scenes < samples.length);
  const features = cache(3);
  await answerSamples({ model, tokenizer, samples, batch: 3, maxNewTokens: SHORT, features });
  await answerSamples({
    model,
    tokenizer,
    samples: withOtherImages(samples)!,
    batch: 3,
    maxNewTokens: SHORT,
    features,
  });
  assert.equal(features.encoded(), scenes);
  features.dispose();
});

test('with room for few images the answers stay, and no image is encoded more often than it must be', async () => {
  const features = cache(1, 0);
  assert.equal(features.capacity, 1);
  const answers = await answerSamples({ model, tokenizer, samples, batch: 1, maxNewTokens: SHORT, features });
  assert.equal(features.encoded(), new Set(samples.map(({ image }) => image)).size);
  features.dispose();
  assert.deepEqual(answers, await ask(samples));
});

test('a question shown another image gets other answers somewhere', async () => {
  const answers = await ask(samples);
  const others = await ask(withOtherImages(samples)!);
  assert.deepEqual(
    others.map(({ reference }) => reference),
    answers.map(({ reference }) => reference),
  );
  assert.notDeepEqual(
    others.map(({ answer }) => answer),
    answers.map(({ answer }) => answer),
  );
});

test('questions without an image are answered beside those with one, the last of a conversation after its history', async () => {
  const [first] = samples;
  const text: Sample = { id: 't', source: 's', task: 'text', turns: [{ question: 'two and two?', answer: 'four' }] };
  const talk: Sample = {
    ...first!,
    id: 'c',
    task: 'conversation',
    turns: [
      { question: 'what is it?', answer: 'a scene' },
      { question: 'and where?', answer: 'here' },
    ],
  };
  const answers = await ask([text, talk, { ...text, id: 'u' }]);
  assert.deepEqual(
    answers.map(({ id, question }) => [id, question]),
    [
      ['t', 'two and two?'],
      ['c', 'and where?'],
      ['u', 'two and two?'],
    ],
  );
  assert.equal(answers[0]?.answer, answers[2]?.answer);
  assert.equal(answers[1]?.answer, await plainAnswer(talk));
});

test('answering leaves no tensor behind, also when an image cannot be read', async () => {
  const before = liveTensors().tensors;
  await ask(samples);
  const broken: Sample = { ...samples[0]!, image: { path: 'no/such/photo.jpg' } };
  await assert.rejects(ask([...samples, broken]), { code: 'E_IMAGE' });
  assert.equal(liveTensors().tensors, before);
});

test('progress comes after each batch and ends with all', async () => {
  const seen: [number, number][] = [];
  await ask(samples, { onProgress: (done, all) => seen.push([done, all]) });
  assert.ok(seen.length >= 6);
  assert.deepEqual(seen.at(-1), [samples.length, samples.length]);
});
