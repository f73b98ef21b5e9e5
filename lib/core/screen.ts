/** A terminal whose last line is drawn anew again and again, while other lines scroll above it. */

export interface Screen {
  /** Prints a line above the last one. */
  line(text: string): void;
  /** Draws the last line; `undefined` takes it away. It must be narrower than the terminal. */
  status(text: string | undefined): void;
  /** Characters that fit into a line. */
  columns(): number;
}

/** Goes to the start of the line and clears it (ECMA-48: CR, EL 2). */
const CLEAR = '\r\u001b[2K';
/** For terminals that do not say how wide they are. */
const COLUMNS = 80;

/** A screen on a terminal's stream. */
export function openScreen(stream: { write(text: string): unknown; columns?: number }): Screen {
  let last: string | undefined;
  return {
    line: (text) => void stream.write(`${last === undefined ? '' : CLEAR}${text}\n${last ?? ''}`),
    status(text) {
      stream.write(`${last === undefined ? '' : CLEAR}${text ?? ''}`);
      last = text;
    },
    // One column stays free: some terminals wrap when the last one is written.
    columns: () => (stream.columns ?? COLUMNS) - 1,
  };
}
