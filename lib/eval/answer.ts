/** What an evaluation keeps of each question. */

import type { Prediction } from './metrics/summary.ts';

/** A question with what the model said. */
export interface Answer extends Prediction {
  readonly source: string;
  /** As it stands in the prompt; of a conversation the last question, asked after the right answers to those before it. */
  readonly question: string;
  /** Whether the answer ended by itself. */
  readonly ended: boolean;
}
