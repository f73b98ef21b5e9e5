/**
 * Sample -> Example. One row is `BOS, prompt, answer, end`, and for each later turn `BOS, prompt, answer, end` again; answers
 * with their end symbol are supervised, marked by where they stand, never by token id. (MiniGPT-v2: minigpt_base.py)
 */

import { badSample, type Example, IGNORE, IMAGE_SLOT, type ImageRef, type Sample } from './sample.ts';
import { buildPrompt, IMAGE_PLACEHOLDER, type PromptSpacing } from './template.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Faults of the reference that parity with it needs; each is off unless named. */
export interface EncodeCompat {
  /** Cut answers at `maxAnswer` even where that removes the end symbol or stops inside a later question. */
  cutEos?: boolean;
  /** Cut prompts at `maxContext` from the right, even inside `[/INST]` or an image. Without it the sample is refused. */
  cutContext?: boolean;
  /** Take tokens with this id inside the answer part for padding: out of the loss, or out of the attention. */
  maskPadId?: { id: number; from: 'labels' | 'attention' };
  /** Two BOS before a prompt that is to be answered, as the reference evaluates. */
  doubleBos?: boolean;
  /** Let `<s>`, `</s>` and `<unk>` inside questions and answers become special tokens. Without it they are plain text. */
  parseSpecials?: boolean;
}

export interface EncodeOptions {
  tokenizer: Tokenizer;
  /** Visual tokens of one image. */
  imageTokens: number;
  /** Longest first prompt in tokens, visual ones included, BOS not. Default 3800 (the reference's). */
  maxContext?: number;
  /** Most tokens of everything after the first prompt. Default 1024 (released stage 3). */
  maxAnswer?: number;
  /** Most tokens of the row; the answer part is cut to fit. Default: no limit of its own. */
  maxTokens?: number;
  /** Ends every answer. Default: the tokenizer's end, such as `</s>`. */
  endSymbol?: string;
  spacing?: PromptSpacing;
  compat?: EncodeCompat;
}

const DEFAULTS = { maxContext: 3800, maxAnswer: 1024 } as const;

/** A turn whose prompt is final text, placeholders included. */
export interface PromptTurn {
  prompt: string;
  answer: string;
}

/** A row without its identity. */
export type EncodedRow = Pick<Example, 'tokenIds' | 'labels' | 'contextLength' | 'attention'>;

/**
 * Encodes a sample for training.
 * @throws TristageError E_SAMPLE when the prompt is too long or no room is left for an answer, E_PROMPT for a placeholder in the text
 */
export function encodeSample(sample: Sample, options: EncodeOptions): Example {
  const images: ImageRef[] = sample.image === undefined ? [] : [sample.image];
  const row = encodeTurns(promptTurns(sample, options), options, sample);
  return { id: sample.id, task: sample.task, images, ...row };
}

/** The turns of a sample with their whole prompts, as training says them. */
export function promptTurns({ image, turns }: Sample, { spacing }: Pick<EncodeOptions, 'spacing'> = {}): PromptTurn[] {
  const images = image === undefined ? 0 : 1;
  return turns.map(({ question, answer }, place) => ({
    prompt: promptOf(question, { images, place, spacing }),
    answer,
  }));
}

function promptOf(
  question: string,
  { images, place, spacing = 'single' }: { images: number; place: number; spacing?: PromptSpacing | undefined },
): string {
  return buildPrompt({ question, images: place === 0 ? images : 0, hasImage: images > 0, spacing });
}

/**
 * Encodes turns whose prompts are final. The row starts with BOS; text around an image placeholder is tokenised piece by
 * piece, and so is every prompt and every answer.
 * @param turns at least one
 * @param owner names the sample in errors
 */
export function encodeTurns(
  turns: readonly PromptTurn[],
  options: EncodeOptions,
  owner: Pick<Sample, 'id' | 'source'> = { id: 'row', source: 'prompt' },
): EncodedRow {
  const { tokenizer, compat = {}, maxContext = DEFAULTS.maxContext } = options;
  const [first] = turns;
  if (first === undefined) throw badSample(owner, 'no turns', 'at least one question with its answer');
  let context = encodePromptText(first.prompt, options);
  if (context.length > maxContext) {
    if (!compat.cutContext) throw badSample(owner, `a prompt of ${context.length} tokens`, `at most ${maxContext}`);
    context = context.slice(0, maxContext);
  }
  const room = (options.maxTokens ?? Number.POSITIVE_INFINITY) - 1 - context.length;
  const answers = cutAnswers(answerParts(turns, options), {
    limit: Math.min(options.maxAnswer ?? DEFAULTS.maxAnswer, room),
    cutEos: compat.cutEos ?? false,
  });
  if (answers === undefined)
    throw badSample(owner, `a prompt of ${context.length} tokens`, 'room for an answer of two tokens');
  const length = 1 + context.length + answers.ids.length;
  const tokenIds = new Int32Array(length);
  tokenIds[0] = tokenizer.bosId;
  tokenIds.set(context, 1);
  tokenIds.set(answers.ids, 1 + context.length);
  const labels = new Int32Array(length).fill(IGNORE);
  labels.set(answers.labels, 1 + context.length);
  const row: EncodedRow = { tokenIds, labels, contextLength: context.length };
  return compat.maskPadId === undefined ? row : maskPad(row, compat.maskPadId);
}

/** Part of the row after the first prompt: an answer with its end symbol, or a later prompt with its BOS. */
interface Part {
  ids: number[];
  supervised: boolean;
}

function answerParts(turns: readonly PromptTurn[], options: EncodeOptions): Part[] {
  const { tokenizer } = options;
  return turns.flatMap(({ prompt, answer }, place) => {
    const said = { ids: encodeAnswer(answer, options), supervised: true };
    if (place === 0) return [said];
    return [{ ids: [tokenizer.bosId, ...encodePromptText(prompt, options)], supervised: false }, said];
  });
}

/** An answer with its end symbol. A special token splits a text, so it may be encoded apart; any other end belongs to the text. */
function encodeAnswer(answer: string, { tokenizer, endSymbol, compat }: EncodeOptions): number[] {
  const parseSpecials = compat?.parseSpecials ?? false;
  if (endSymbol === undefined) return [...tokenizer.encode(answer, { parseSpecials }), tokenizer.eosId];
  const end = tokenizer.encode(endSymbol);
  const special = end.length === 1 && [tokenizer.eosId, tokenizer.bosId, tokenizer.unkId].includes(end[0] as number);
  if (!special) return tokenizer.encode(answer + endSymbol, { parseSpecials });
  return [...tokenizer.encode(answer, { parseSpecials }), ...end];
}

/**
 * Cuts the answer part. Kept whole turns stay; an answer that is cut gets its end token in the last place; a later prompt that
 * would be left without any answer goes.
 * @returns ids and labels, or undefined when not even one answer token and the end fit
 */
function cutAnswers(
  parts: readonly Part[],
  { limit, cutEos }: { limit: number; cutEos: boolean },
): { ids: number[]; labels: number[] } | undefined {
  const ids = parts.flatMap((part) => part.ids);
  const labels = parts.flatMap(({ ids: own, supervised }) => (supervised ? own : own.map(() => IGNORE)));
  if (ids.length <= limit) return { ids, labels };
  if (cutEos) return { ids: ids.slice(0, limit), labels: labels.slice(0, limit) };
  if (limit < 2) return undefined;
  let before = 0;
  let kept = 0;
  for (const part of parts) {
    const fits = before + part.ids.length <= limit;
    if (part.supervised && fits) kept = before + part.ids.length;
    if (!fits) {
      if (part.supervised && limit - before >= 2) {
        kept = limit;
        const end = part.ids.at(-1) as number;
        ids[limit - 1] = end;
        labels[limit - 1] = end;
      }
      break;
    }
    before += part.ids.length;
  }
  return { ids: ids.slice(0, kept), labels: labels.slice(0, kept) };
}

function maskPad(row: EncodedRow, { id, from }: { id: number; from: 'labels' | 'attention' }): EncodedRow {
  const start = 1 + row.contextLength;
  if (from === 'labels') {
    return { ...row, labels: row.labels.map((label, place) => (place >= start && label === id ? IGNORE : label)) };
  }
  const attention = Uint8Array.from(row.tokenIds, (token, place) => (place >= start && token === id ? 0 : 1));
  return { ...row, attention };
}

/**
 * Tokens of a prompt's text: pieces between image placeholders are encoded apart, each placeholder becomes one slot for each
 * visual token.
 * @param bos put BOS before the first piece
 */
export function encodePromptText(
  prompt: string,
  { tokenizer, imageTokens, compat }: Pick<EncodeOptions, 'tokenizer' | 'imageTokens' | 'compat'>,
  bos = false,
): number[] {
  const parseSpecials = compat?.parseSpecials ?? false;
  return prompt.split(IMAGE_PLACEHOLDER).flatMap((piece, place) => {
    const ids = tokenizer.encode(piece, { bos: bos && place === 0, parseSpecials });
    return place === 0 ? ids : [...new Array<number>(imageTokens).fill(IMAGE_SLOT), ...ids];
  });
}

/** A conversation so far, and the question that is to be answered. */
export interface PromptToAnswer {
  id?: string;
  task?: Example['task'];
  image?: ImageRef;
  /** Earlier turns, oldest first. */
  history?: Sample['turns'];
  question: string;
}

/**
 * Encodes a prompt for generation: the training row up to where the last answer begins.
 * @returns an Example without labels
 */
export function encodePrompt(request: PromptToAnswer, options: EncodeOptions): Example {
  const { tokenizer, compat = {}, spacing } = options;
  const images = request.image === undefined ? [] : [request.image];
  const ids: number[] = compat.doubleBos ? [tokenizer.bosId] : [];
  let contextLength = 0;
  const questions = [...(request.history ?? []), { question: request.question, answer: '' }];
  for (const [place, turn] of questions.entries()) {
    const prompt = encodePromptText(promptOf(turn.question, { images: images.length, place, spacing }), options);
    if (place === 0) contextLength = prompt.length;
    ids.push(tokenizer.bosId, ...prompt);
    if (place + 1 < questions.length) ids.push(...encodeAnswer(turn.answer, options));
  }
  return {
    id: request.id ?? 'prompt',
    task: request.task ?? 'conversation',
    tokenIds: Int32Array.from(ids),
    labels: new Int32Array(ids.length).fill(IGNORE),
    images,
    contextLength,
  };
}
