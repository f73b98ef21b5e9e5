/** Progress lines for people. They go to stderr, or to the sink that is given; results never come this way. */

/** From the least to the most important. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Paints a line for its level; bin injects one that colours, the default leaves lines plain. */
export type Paint = (level: LogLevel, line: string) => string;

/** Receives progress; a line each. */
export interface Logger {
  /** What only helps to find a fault. */
  debug(message: string): void;
  /** How far the work is. */
  info(message: string): void;
  /** What a user should look at; the work goes on. */
  warn(message: string): void;
  /** What went wrong. */
  error(message: string): void;
}

/** How a logger writes. */
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
