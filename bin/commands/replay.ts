import { type Command, flag, JSON_OPTION, text } from '../command.ts';
import { printResult, stderrLogger } from '../output.ts';

export const replay: Command = {
  name: 'replay',
  summary: 'Put the batch of a step that was not finite through the model again',
  positional: '<dump>',
  positionalSummary: 'the folder that training named: RUN/dumps/step-N',
  options: { ...JSON_OPTION },
  examples: ['tristage replay runs/first-light/dumps/step-12'],
  run: async (args) => {
    const [{ registry }, { replayDump, replayText }] = await Promise.all([
      import('../registry.ts'),
      import('../../lib/run/replay.ts'),
    ]);
    const found = await replayDump(text(args, 'dump') ?? '', { registry, logger: stderrLogger() });
    printResult({ ok: true, ...found }, replayText(found), flag(args, 'json'));
    return 0;
  },
};
