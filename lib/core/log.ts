/** Progress lines for people. They go to stderr, or to the sink that is given; results never come this way. */

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Paints a line for its level; bin injects one that colours, the default leaves lines plain. */
export type Paint = (level: LogLevel, line: string) => string;

export interface Logger {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

export interface LoggerOptions {
  /** Lines below this level are dropped. Default `info`. */
  level?: LogLevel;
  paint?: Paint;
  /** Receives finished lines without a newline. Default: stderr. */
  sink?: (line: string) => void;
}

const ORDER: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** A logger; several may exist, none is global. Warnings and errors say so in words, since colour may be absent. */
export function createLogger(options: LoggerOptions = {}): Logger {
  const threshold = ORDER.indexOf(options.level ?? 'info');
  const sink = options.sink ?? ((line: string) => void process.stderr.write(`${line}\n`));
  const paint: Paint = options.paint ?? ((_, line) => line);
  const at = (level: LogLevel, prefix: string) => (message: string) => {
    if (ORDER.indexOf(level) >= threshold) sink(paint(level, prefix + message));
  };
  return {
    debug: at('debug', ''),
    info: at('info', ''),
    warn: at('warn', 'warning: '),
    error: at('error', 'error: '),
  };
}
