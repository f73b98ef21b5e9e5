/** What `tristage bench ops` measures: each fused op and the plain matrix product at the sizes of the presets. */

export interface OpCase {
  name: string;
  op: string;
  shape: Readonly<Record<string, number>>;
}

/** The sizes that the cases of one model are made from. */
export interface OpSizes {
  name: string;
  batch: number;
  tokens: number;
  width: number;
  heads: number;
  mlp: number;
  vocabulary: number;
  rank: number;
}

/** `mid` is the model of `bench step`; `tiny` shows the overhead of a call. */
const SIZES: readonly OpSizes[] = [
  { name: 'tiny', batch: 4, tokens: 64, width: 128, heads: 4, mlp: 352, vocabulary: 512, rank: 8 },
  { name: 'mid', batch: 4, tokens: 200, width: 768, heads: 12, mlp: 2048, vocabulary: 32000, rank: 16 },
];

/** Every op at the sizes of one model. */
export function opCasesOf(s: OpSizes): OpCase[] {
  const rows = s.batch * s.tokens;
  const head = { batch: s.batch, heads: s.heads, tokens: s.tokens, width: s.width / s.heads };
  const shapes: Record<string, Record<string, number>> = {
    matmul: { rows, width: s.width, out: s.mlp },
    linear: { rows, width: s.width, out: s.mlp },
    'lora-linear': { rows, width: s.width, out: s.width, rank: s.rank },
    'rms-norm': { rows, width: s.width },
    'layer-norm': { rows, width: s.width },
    rope: head,
    attention: head,
    swiglu: { rows, width: s.mlp },
    gelu: { rows, width: s.mlp },
    'masked-cross-entropy': { rows, width: s.vocabulary },
    'patch-embed': { batch: s.batch, side: 224, width: s.width },
  };
  return Object.entries(shapes).map(([op, shape]) => ({ name: `${s.name}-${op}`, op, shape }));
}

export const OP_CASES: readonly OpCase[] = SIZES.flatMap(opCasesOf);
