/** The outcome of one parity comparison, as every fixture adapter reports it. */
export interface ParityResult {
  /** `<fixture>/<comparison>`. */
  name: string;
  ok: boolean;
  /** Measured difference and limit, or what went wrong. */
  detail: string;
}
