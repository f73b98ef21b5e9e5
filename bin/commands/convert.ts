import { type Command, flag, JSON_OPTION, text } from '../command.ts';
import { printResult, stderrLogger } from '../output.ts';

const DTYPES = { f32: 'F32', f16: 'F16', bf16: 'BF16' } as const;

export const convert: Command = {
  name: 'convert',
  summary: 'Write weights into another container: safetensors or torch, from these or GGUF',
  positional: '<weights>',
  positionalSummary: 'file or folder of weights',
  options: {
    out: {
      type: 'string',
      requiresArg: true,
      demandOption: true,
      describe: 'The file to write: .safetensors, or .pth, .pt, .bin for torch',
    },
    dtype: {
      type: 'string',
      requiresArg: true,
      choices: Object.keys(DTYPES),
      describe: 'Dtype of every tensor of fractions; default: as they are, quantised ones as f32',
    },
    ...JSON_OPTION,
  },
  examples: [
    'tristage convert weights/eva_vit_g.pth --out weights/eva_vit_g.safetensors',
    'tristage convert model.gguf --out model.safetensors --dtype bf16',
  ],
  run: async (args) => {
    const { convertWeights } = await import('../../lib/run/convert.ts');
    const dtype = text(args, 'dtype') as keyof typeof DTYPES | undefined;
    const result = await convertWeights({
      path: text(args, 'weights') ?? '',
      out: text(args, 'out') ?? '',
      dtype: dtype && DTYPES[dtype],
      logger: stderrLogger(),
    });
    const { out, tensors, cast, renamed } = result;
    const line = `${out}: ${tensors} tensors, ${cast} cast, ${renamed} renamed`;
    printResult({ ok: true, ...result }, line, flag(args, 'json'));
    return 0;
  },
};
