import { type Command, flag, JSON_OPTION, text } from '../command.ts';
import { printResult, stderrLogger } from '../output.ts';

const DTYPES = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' } as const;

export const exportCommand: Command = {
  name: 'export',
  summary: 'Write a trained run in a format that other programs load',
  options: {
    checkpoint: {
      type: 'string',
      demandOption: true,
      requiresArg: true,
      describe: 'Run folder, or one of its checkpoints',
    },
    format: {
      type: 'string',
      demandOption: true,
      requiresArg: true,
      describe: 'peft, merged, minigptv2 or tfjs',
    },
    out: { type: 'string', demandOption: true, requiresArg: true, describe: 'New folder of the export' },
    replace: { type: 'boolean', default: false, describe: 'Replace an export that is there' },
    dtype: {
      type: 'string',
      requiresArg: true,
      choices: Object.keys(DTYPES),
      describe: 'Type of the weights that are written; default: float32',
    },
    'shard-gb': { type: 'number', requiresArg: true, describe: 'Largest file of weights in GB; default: 5' },
    'lora-keys': {
      type: 'string',
      requiresArg: true,
      choices: ['plain', 'default'],
      describe: 'minigptv2: adapter names of PEFT 0.2 (plain) or of PEFT 0.3 and later (default); default: plain',
    },
    engine: {
      type: 'string',
      requiresArg: true,
      choices: ['torch', 'tensorflow'],
      describe: 'What computes the comparison; default: as the run was trained',
    },
    ...JSON_OPTION,
  },
  examples: [
    'tristage export --checkpoint runs/quickstart/stage3 --format peft --out exports/adapter',
    'tristage export --checkpoint runs/quickstart/stage3 --format merged --dtype bfloat16 --out exports/merged --json',
  ],
  run: async (args) => {
    const [{ registry }, { exportRun }] = await Promise.all([
      import('../registry.ts'),
      import('../../lib/run/export.ts'),
    ]);
    const dtype = text(args, 'dtype') as keyof typeof DTYPES | undefined;
    const shard = args['shard-gb'] as number | undefined;
    const { folder, manifest } = await exportRun({
      checkpoint: text(args, 'checkpoint') ?? '',
      format: text(args, 'format') ?? '',
      out: text(args, 'out') ?? '',
      replace: flag(args, 'replace'),
      options: {
        dtype: dtype && DTYPES[dtype],
        shardBytes: shard && shard * 1e9,
        loraKeys: text(args, 'lora-keys') as 'plain' | 'default' | undefined,
      },
      engine: text(args, 'engine') as 'torch' | 'tensorflow' | undefined,
      registry,
      logger: stderrLogger(),
    });
    const { format, parity, outside, files } = manifest;
    const { maxAbsLogitDiff, tolerance } = parity;
    const lines = [
      `${folder}: ${format}, ${Object.keys(files).length} files`,
      `read back, its logits differ by at most ${maxAbsLogitDiff}`,
      ...outside.map(({ part, path }) => `${part} stays in ${path}`),
    ];
    printResult(
      { ok: true, folder, format, maxAbsLogitDiff, tolerance, outside, files: Object.keys(files) },
      lines.join('\n'),
      flag(args, 'json'),
    );
    return 0;
  },
};
