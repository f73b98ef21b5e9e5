/** Compiles lib/data/resize-kernel.wat into the TypeScript file that carries it: `npm run kernel`. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import openWabt from 'wabt';
import { packageRoot } from '../../../lib/core/paths.ts';

const FOLDER = join(packageRoot(), 'lib', 'data');

/** The file as it should stand: its path and its text. */
export async function resizeKernelFile(): Promise<{ path: string; text: string }> {
  const { parseWat } = await openWabt();
  const source = parseWat('resize-kernel.wat', readFileSync(join(FOLDER, 'resize-kernel.wat'), 'utf8'), { simd: true });
  source.validate();
  const code = Buffer.from(source.toBinary({}).buffer).toString('base64');
  const lines = code.match(/.{1,100}/g) as string[];
  const text = [
    '/** The module of resize-kernel.wat in base64, made from it by `npm run kernel`. */',
    'export const RESIZE_KERNEL = [',
    ...lines.map((line) => `  '${line}',`),
    "].join('');",
    '',
  ].join('\n');
  return { path: join(FOLDER, 'resize-kernel.ts'), text };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { path, text } = await resizeKernelFile();
  writeFileSync(path, text);
}
