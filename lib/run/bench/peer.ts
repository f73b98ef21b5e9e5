/** One side of a comparison: a child process that answers JSON lines, so that two sides can take turns on one machine. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { TristageError } from '../../core/errors.ts';

export interface Peer {
  /**
   * Sends one command and waits for its answer.
   * @throws E_BENCH_PEER when the process ends or answers no JSON
   */
  ask<T>(command: Readonly<Record<string, unknown>>): Promise<T>;
  close(): Promise<void>;
}

/** Starts a side. Its stderr is kept for the error message. */
export function startPeer(name: string, argv: readonly string[], env: NodeJS.ProcessEnv = process.env): Peer {
  const [command, ...args] = argv;
  const child = spawn(command!, args, { env, stdio: 'pipe' });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const tail: string[] = [];
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    tail.push(text);
    if (tail.length > 50) tail.shift();
  });
  // A write to a side that has just ended would raise here; the missing answer is reported instead.
  child.stdin.on('error', () => undefined);
  const spawned = new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
  return {
    async ask<T>(request: Readonly<Record<string, unknown>>): Promise<T> {
      await spawned.catch((cause: unknown) => {
        throw peerError(name, String(cause), tail);
      });
      child.stdin.write(`${JSON.stringify(request)}\n`);
      const { value, done } = await lines.next();
      if (done) throw peerError(name, 'it ended without an answer', tail);
      try {
        return JSON.parse(value as string) as T;
      } catch {
        throw peerError(name, String(value).slice(0, 200), tail);
      }
    },
    close: () => ended(child),
  };
}

function ended(child: ChildProcessWithoutNullStreams): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('close', () => resolve());
    child.stdin.end();
  });
}

function peerError(name: string, found: string, tail: readonly string[]): TristageError {
  const stderr = tail.join('').trim().split('\n').slice(-6).join('\n            ');
  return new TristageError({
    kind: 'failure',
    code: 'E_BENCH_PEER',
    message: `The benchmark process '${name}' failed`,
    found: stderr === '' ? found : `${found}; its last words:\n            ${stderr}`,
    expected: 'one JSON line for each command',
  });
}

/** Reads commands from stdin and answers them: the body of a worker process. */
export async function servePeer(
  handlers: Readonly<Record<string, (command: Readonly<Record<string, never>>) => unknown>>,
): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line) as Record<string, never> & { do: string };
    const result = await handlers[command.do]!(command);
    process.stdout.write(`${JSON.stringify(result)}\n`);
  }
}
