/** The raw samples of the fixture `minigptv2-step` as rows of tokens, built by the project's own encoder. */

import { padRows, type TokenBatch } from '../../../lib/data/collate.ts';
import { type EncodeOptions, encodePromptText, encodeTurns, type PromptTurn } from '../../../lib/data/encode.ts';
import { IGNORE } from '../../../lib/data/sample.ts';
import { wrapInstruction } from '../../../lib/data/template.ts';
import type { Tokenizer } from '../../../lib/data/tokenizer.ts';

/** `settings` of a batch in `batches.json`. */
export interface ReferenceSettings {
  max_txt_len: number;
  max_context_len: number;
  chat_template: boolean;
  end_sym: string;
}

/** `samples` of a batch: one turn a row, or turns joined by a separator. */
export interface ReferenceSamples {
  instruction_input?: string[];
  answer?: string[];
  conv_q?: string[];
  conv_a?: string[];
  connect_sym?: string[];
}

/** What rows need beside their text. */
export interface ReferenceModel {
  /** Must have a pad id; the reference pads and masks with it. */
  tokenizer: Tokenizer;
  imageTokens: number;
}

/**
 * Encodes raw samples as the reference does, its faults included: cut answers and prompts, masks by pad id, padding to the longest
 * prompt plus the longest answer.
 * @returns token ids (IMAGE_SLOT for image rows), labels, mask [B, T]
 */
export function encodeReferenceBatch(
  settings: ReferenceSettings,
  samples: ReferenceSamples,
  { tokenizer, imageTokens }: ReferenceModel,
): TokenBatch {
  const conversation = samples.conv_q !== undefined;
  const padId = tokenizer.padId as number;
  const options: EncodeOptions = {
    tokenizer,
    imageTokens,
    maxContext: settings.max_context_len,
    maxAnswer: settings.max_txt_len,
    endSymbol: settings.end_sym,
    compat: {
      parseSpecials: true,
      cutEos: true,
      cutContext: true,
      maskPadId: { id: padId, from: conversation ? 'attention' : 'labels' },
    },
  };
  const rows = turnsOf(settings, samples).map((turns) => encodeTurns(turns, options));
  return padRows(rows, { padId, padding: 'reference-sum' });
}

function turnsOf(settings: ReferenceSettings, samples: ReferenceSamples): PromptTurn[][] {
  const { instruction_input: instructions = [], answer = [], conv_q: questions, conv_a: answers = [] } = samples;
  if (questions === undefined) {
    return instructions.map((text, row) => [
      { prompt: settings.chat_template ? wrapInstruction(text) : text, answer: answer[row] as string },
    ]);
  }
  return questions.map((joined, row) => {
    const separator = samples.connect_sym?.[row] as string;
    const said = (answers[row] as string).split(separator);
    return joined
      .split(separator)
      .map((question, turn) => ({ prompt: wrapInstruction(question), answer: said[turn] as string }));
  });
}

/**
 * Prompts for generation as the reference's evaluation builds them: BOS is put first although the text starts with a literal one,
 * rows are padded on the left.
 * @param padId stands at padding
 */
export function encodeReferencePrompts(texts: readonly string[], model: ReferenceModel, padId: number): TokenBatch {
  const rows = texts.map((text) => {
    const tokenIds = Int32Array.from(encodePromptText(text, { ...model, compat: { parseSpecials: true } }, true));
    return { tokenIds, labels: new Int32Array(tokenIds.length).fill(IGNORE), contextLength: tokenIds.length - 1 };
  });
  return padRows(rows, { padId, align: 'left' });
}
