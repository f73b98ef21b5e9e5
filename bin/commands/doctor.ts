import { EXIT_STATUS } from '../../lib/core/errors.ts';
import { type Command, flag, JSON_OPTION, text } from '../command.ts';
import { doctorPaint, printResult } from '../output.ts';

export const doctor: Command = {
  name: 'doctor',
  summary: 'Show engines, devices, threads and speed here, and the cure for what is missing',
  options: {
    weights: {
      type: 'string',
      requiresArg: true,
      describe: 'Instead: whether this folder or GGUF file is a language model, by how well it predicts a paragraph',
    },
    ...JSON_OPTION,
  },
  examples: ['tristage doctor', 'tristage doctor --weights weights/llama-2-7b-chat-hf'],
  run: async (args) => {
    const weights = text(args, 'weights');
    if (weights !== undefined) return await checkWeights(weights, flag(args, 'json'));
    const [{ runDoctor }, { renderDoctor }] = await Promise.all([
      import('../../lib/run/doctor.ts'),
      import('../../lib/run/doctor-text.ts'),
    ]);
    const report = await runDoctor();
    printResult(report, renderDoctor(report, doctorPaint()), flag(args, 'json'));
    return report.ok ? 0 : EXIT_STATUS.environment;
  },
};

/** Status 8 where the weights are not those of a language model. */
async function checkWeights(path: string, json: boolean): Promise<number> {
  const { checkLanguageWeights } = await import('../../lib/run/doctor-weights.ts');
  const { findings, ...check } = await checkLanguageWeights(path);
  const { tokens, loss, perplexity, chance } = check;
  const lines = [
    `${path}: ${loss.toFixed(2)} nats a token over ${tokens} tokens of plain English, perplexity ${perplexity.toFixed(1)} (chance: ${chance.toFixed(2)} nats)`,
    ...findings.flatMap(({ level, finding, cure }) => [`${level}: ${finding}`, `  cure: ${cure}`]),
  ];
  const ok = findings.length === 0;
  printResult({ ok, ...check, findings }, lines.join('\n'), json);
  return ok ? 0 : EXIT_STATUS.checkpoint;
}
