/** Runs command lines that its parent sends, one after another, and sends back status and streams. */
import { main } from '../../bin/main.ts';

export interface CliRequest {
  args: string[];
  env: Record<string, string>;
}

export interface CliOutcome {
  status: number;
  stdout: string;
  stderr: string;
}

async function answer({ args, env }: CliRequest): Promise<CliOutcome> {
  const caught = { stdout: '', stderr: '' };
  const before = { stdout: process.stdout.write, stderr: process.stderr.write, env: { ...process.env } };
  Object.assign(process.env, env);
  for (const name of ['stdout', 'stderr'] as const) {
    process[name].write = (text: string | Uint8Array) => {
      caught[name] += String(text);
      return true;
    };
  }
  try {
    const status = await main(args);
    return { status, ...caught };
  } finally {
    process.stdout.write = before.stdout;
    process.stderr.write = before.stderr;
    process.env = before.env;
  }
}

process.on('message', (request: CliRequest) => {
  answer(request).then(
    (outcome) => process.send?.(outcome),
    (error: unknown) => process.send?.({ status: -1, stdout: '', stderr: String(error) }),
  );
});
