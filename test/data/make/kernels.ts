/** Compiles the WebAssembly modules of lib/data into the TypeScript files that carry them: `npm run kernel`. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import openWabt from 'wabt';
import { packageRoot } from '../../../lib/core/paths.ts';

const FOLDER = join(packageRoot(), 'lib', 'data');
/** Each is `<name>-kernel.wat` beside `<name>-kernel.ts`. */
const NAMES = ['normalize', 'resize'] as const;

interface Kernel {
  /** The file as it should stand, and its text. */
  path: string;
  text: string;
}

/** Every file that carries a module. */
export async function kernelFiles(): Promise<Kernel[]> {
  const { parseWat } = await openWabt();
  return NAMES.map((name) => {
    const file = `${name}-kernel.wat`;
    const source = parseWat(file, readFileSync(join(FOLDER, file), 'utf8'), { simd: true });
    source.validate();
    const lines = Buffer.from(source.toBinary({}).buffer)
      .toString('base64')
      .match(/.{1,100}/g) as string[];
    const text = [
      `/** The module of ${file} in base64, made from it by \`npm run kernel\`. */`,
      `export const ${name.toUpperCase()}_KERNEL = [`,
      ...lines.map((line) => `  '${line}',`),
      "].join('');",
      '',
    ].join('\n');
    return { path: join(FOLDER, `${name}-kernel.ts`), text };
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const { path, text } of await kernelFiles()) writeFileSync(path, text);
}
