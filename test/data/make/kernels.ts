/** Compiles the WebAssembly modules of lib/data into the TypeScript files that carry them: `npm run kernel`. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { main as assemble } from 'assemblyscript/asc';
import openWabt from 'wabt';
import { packageRoot } from '../../../lib/core/paths.ts';

const FOLDER = join(packageRoot(), 'lib', 'data');
const SWITCHES = ['-O3', '--runtime', 'stub', '--noAssert', '--enable', 'simd', '--use', 'abort='];

interface Kernel {
  /** The file as it should stand, and its text. */
  path: string;
  text: string;
}

/** Every file that carries a module. */
export async function kernelFiles(): Promise<Kernel[]> {
  return [
    carrier({ source: 'resize-kernel.wat', file: 'resize-kernel.ts', name: 'RESIZE_KERNEL' }, await fromText()),
    carrier(
      { source: 'kernel/', file: 'jpeg/kernel.ts', name: 'JPEG_KERNEL' },
      await fromScript(join(FOLDER, 'jpeg', 'kernel')),
    ),
    carrier(
      { source: 'normalize-kernel/', file: 'normalize-kernel.ts', name: 'NORMALIZE_KERNEL' },
      await fromScript(join(FOLDER, 'normalize-kernel')),
    ),
  ];
}

async function fromText(): Promise<Uint8Array> {
  const { parseWat } = await openWabt();
  const source = parseWat('resize-kernel.wat', readFileSync(join(FOLDER, 'resize-kernel.wat'), 'utf8'), { simd: true });
  source.validate();
  return source.toBinary({}).buffer;
}

/** AssemblyScript from files that do not end like those of TypeScript, whose checks are not for them. */
async function fromScript(folder: string): Promise<Uint8Array> {
  const found: Uint8Array[] = [];
  const { error, stderr } = await assemble(['index.ts', '--outFile', 'kernel.wasm', ...SWITCHES], {
    readFile: (name) =>
      /^\w+\.ts$/.test(name) ? readFileSync(join(folder, name.replace(/\.ts$/, '.as')), 'utf8') : null,
    writeFile: (_, content) => void found.push(content as Uint8Array),
    listFiles: () => [],
  });
  if (error !== null) throw new Error(`${folder}: ${error.message}\n${stderr.toString()}`);
  return found[0] as Uint8Array;
}

function carrier({ source, file, name }: { source: string; file: string; name: string }, code: Uint8Array): Kernel {
  const lines = Buffer.from(code)
    .toString('base64')
    .match(/.{1,100}/g) as string[];
  const text = [
    `/** The module of ${source} in base64, made from it by \`npm run kernel\`. */`,
    `export const ${name} = [`,
    ...lines.map((line) => `  '${line}',`),
    "].join('');",
    '',
  ].join('\n');
  return { path: join(FOLDER, file), text };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const { path, text } of await kernelFiles()) writeFileSync(path, text);
}
