/** Prompts are built here and nowhere else: training, evaluation and chat ask in the same words. */

import { TristageError } from '../core/errors.ts';

/** Where an image's features go. */
export const IMAGE_PLACEHOLDER = '<ImageHere>';
/** An image as it stands in a prompt. */
export const IMAGE_BLOCK = `<Img>${IMAGE_PLACEHOLDER}</Img>`;

/**
 * `single`: one space before `[/INST]`, everywhere. `reference-train`: two spaces where the sample has an image, as
 * MiniGPT-v2 was trained (its evaluation and chat used one).
 */
export type PromptSpacing = 'single' | 'reference-train';

/** One user message with the marks of LLaMA-2-chat. */
export function wrapInstruction(text: string): string {
  return `[INST] ${text} [/INST]`;
}

/** What a question needs to become a prompt. */
export interface PromptRequest {
  question: string;
  /** Images shown at the head of this message: all of them in the first message, none in later ones. */
  images: number;
  /** Whether the conversation has an image at all; decides the spacing of every message. Default: `images > 0`. */
  hasImage?: boolean;
  spacing?: PromptSpacing;
}

/**
 * The text of one user message: `[INST] <Img><ImageHere></Img> {question} [/INST]`.
 * @throws TristageError E_PROMPT when the question itself holds the image placeholder
 */
export function buildPrompt(request: PromptRequest): string {
  const { question, images, hasImage = images > 0, spacing = 'single' } = request;
  if (question.includes(IMAGE_PLACEHOLDER)) {
    throw new TristageError({
      kind: 'data',
      code: 'E_PROMPT',
      message: 'a question must not hold the image placeholder',
      found: question.slice(0, 200),
      expected: `a text without ${IMAGE_PLACEHOLDER}`,
      fix: 'give the image with the sample and remove the placeholder from the text',
    });
  }
  const head = images > 0 ? `${IMAGE_BLOCK.repeat(images)} ` : '';
  const tail = hasImage && spacing === 'reference-train' ? ' ' : '';
  return wrapInstruction(`${head}${question}${tail}`);
}
