import { EXIT_STATUS } from '../../lib/core/errors.ts';
import { type Command, flag, JSON_OPTION, text } from '../command.ts';
import { printResult, stderrLogger } from '../output.ts';

export const verify: Command = {
  name: 'verify',
  summary:
    'Prove an export or a checkpoint again, or read weights from end to end: names, shapes, hashes, finite values',
  positional: '<folder>',
  positionalSummary: 'folder of an export or a checkpoint; a file or folder of weights',
  options: {
    vision: { type: 'string', requiresArg: true, describe: 'Where the published vision tower lies now' },
    llm: { type: 'string', requiresArg: true, describe: 'Where the published language model lies now' },
    engine: {
      type: 'string',
      requiresArg: true,
      choices: ['torch', 'tensorflow'],
      describe: 'What computes; default: the first that works',
    },
    ...JSON_OPTION,
  },
  examples: ['tristage verify runs/quickstart/exports/peft', 'tristage verify weights/eva_vit_g.pth --json'],
  run: async (args) => {
    const { runVerify } = await import('../../lib/run/verify.ts');
    const [vision, llm] = [text(args, 'vision'), text(args, 'llm')];
    const result = await runVerify({
      path: text(args, 'folder') ?? '',
      outside: { ...(vision !== undefined && { vision }), ...(llm !== undefined && { llm }) },
      engine: text(args, 'engine') as 'torch' | 'tensorflow' | undefined,
      logger: stderrLogger(),
    });
    if (result.kind === 'weights') {
      const { renderWeights } = await import('../../lib/run/verify-weights.ts');
      const ok = result.notFinite === 0;
      printResult({ ok, ...result }, renderWeights(result), flag(args, 'json'));
      return ok ? 0 : EXIT_STATUS.checkpoint;
    }
    if (result.kind === 'checkpoint') {
      const { renderCheckpoint } = await import('../../lib/run/verify-checkpoint.ts');
      const ok = result.notFinite === 0;
      printResult({ ok, ...result }, renderCheckpoint(result), flag(args, 'json'));
      return ok ? 0 : EXIT_STATUS.checkpoint;
    }
    const { path, format, files, tensors, maxAbsLogitDiff, accepted, strangers } = result;
    const lines = [
      `${path}: ${format}, ${files} files and ${tensors} tensors as the manifest says`,
      `logits differ by at most ${maxAbsLogitDiff} (accepted: ${accepted})`,
      ...strangers.map((name) => `not part of it: ${name}`),
    ];
    printResult({ ok: true, ...result }, lines.join('\n'), flag(args, 'json'));
    return 0;
  },
};
