/**
 * `npm run gpu:pack [-- --output FILE]`: one archive that checks and measures the torch engine on a CUDA host, which needs Python 3.12,
 * torch 2.11 and a C library of 2.28 or later, but neither Node.js nor a network (docs/gpu.md).
 */
import { copyFile, mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { runCommand } from '../../lib/engine/toolchain.ts';
import { cudaAddon } from './addon.ts';
import { assemble } from './assemble.ts';
import { aboveFloor, versionsOf } from './symbols.ts';

/** Bytes: what a mail or a chat still takes. */
const LARGEST = 40 * 2 ** 20;

const log = (line: string) => process.stderr.write(`gpu:pack: ${line}\n`);

async function run(program: string, args: readonly string[], env: Record<string, string> = {}): Promise<void> {
  const { status, stderr } = await runCommand(program, args, { env });
  if (status !== 0) throw new Error(`${program} failed: ${stderr.trim()}`);
}

/** This process's own program without its symbol table. */
async function stripNode(target: string): Promise<void> {
  await copyFile(process.execPath, target);
  await run('strip', [target]);
  // A program that strip has broken would show here and not on the host.
  await run(target, ['-e', 'process.exit(0)']);
}

async function requireFloor(path: string): Promise<void> {
  const versions = await versionsOf(path);
  const above = aboveFloor(versions);
  if (above.length > 0) throw new Error(`${path} does not run on the oldest hosts: ${above.join('; ')}`);
  log(`${path.split('/').at(-1)} asks for ${[...versions].map((version) => version.join(' ')).join(', ')}`);
}

/** Names in order, no times and no owners: the same content gives the same archive. */
const SAME = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];

async function pack(output: string): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'tristage-pack-'));
  try {
    const payload = join(work, 'payload');
    const outer = join(work, 'tristage-gpu');
    await mkdir(outer);
    await assemble({ folder: payload, addon: await cudaAddon(log), launcher: outer });
    await stripNode(join(payload, 'node'));
    await requireFloor(join(payload, 'node'));
    await requireFloor(join(payload, 'tristage-torch.node'));
    log('compressing');
    const xz = { XZ_OPT: '-9 -T1' };
    await run('tar', [...SAME, '-cJf', join(outer, 'payload.tar.xz'), '-C', payload, '.'], xz);
    await run('tar', [...SAME, '-cf', output, '-C', work, 'tristage-gpu']);
    const { size } = await stat(output);
    log(`${output}: ${(size / 2 ** 20).toFixed(1)} MiB`);
    if (size > LARGEST) throw new Error(`the archive has ${size} bytes, more than ${LARGEST}`);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

const { values } = parseArgs({ options: { output: { type: 'string', default: 'tristage-gpu.tar' } } });
await pack(resolve(values.output));
