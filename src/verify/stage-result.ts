/** One line of the verification table: a stage of a run against what the reference recorded. */
export interface StageResult {
  readonly run: string;
  /** Name of the recorded tensor without the run: `vision.selected_layer`, `logits`. */
  readonly stage: string;
  readonly shape: readonly number[];
  readonly ok: boolean;
  /** Largest absolute difference; for ids the number of differing ones. */
  readonly maxAbsError: number;
  /** `maxAbsError` divided by the reference's root mean square. */
  readonly relativeError: number;
  readonly tolerance: number;
  /** Of ids and texts: how many were equal before the first that differs. */
  readonly tokens?: {
    readonly equal: number;
    readonly total: number;
    readonly firstDivergence: number | null;
  };
  readonly note?: string;
}
