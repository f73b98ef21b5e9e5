import { join } from 'node:path';
import { jsonLinesOf, writeContent } from './pictures.ts';

const record = (place: number, constraints: string | null) => ({
  instruction: 'Count the words of the sentence.',
  instances: [
    {
      input: `Sentence ${place}`,
      instruction_with_input: `Count the words of "Sentence ${place}".`,
      constraints,
      output: `There are 2.${place} words; see f(x) = x * ${place}.`,
    },
  ],
  reformulations: [
    {
      instruction: 'How many words?',
      input: `Sentence ${place}`,
      instruction_with_input: `How many words has "Sentence ${place}"?`,
      output: 'Two.',
    },
  ],
});

/** `full_data.jsonl` as published: records with instances and reformulations. */
export async function makeUnnaturalInstructions(dir: string): Promise<void> {
  const records = [record(0, null), record(1, 'None.'), record(2, 'Answer with a number.')];
  await writeContent(join(dir, 'full_data.jsonl'), jsonLinesOf(records));
}
