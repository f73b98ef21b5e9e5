/**
 * Trains vision-language models in stages, each described by a run file. The command line is a caller of the same functions.
 *
 * - Runs: `loadConfig`, `train`, `trainAll`, `evaluate`, `predict`, `predictAll`, `exportCheckpoint`, `verify`, `setup`.
 * - Sources and stages of one's own: `defineSource`, `defineRowSource`, `defineStage`, `drawInstruction`, `z`, `jsonSchema`.
 * - What a run leaves: `readEvents`, `readPredictions`, `printConfig`.
 * - Errors and progress: `TristageError`, `faultsOf`, `formatError`, `createLogger`.
 *
 * Importing this module is quick: engines, image decoders and the schema are loaded by the function that needs them.
 * @packageDocumentation
 */

export { z } from 'zod';
export { type EvaluateRequest, evaluate } from './api/evaluate.ts';
export {
  type ExportedCheckpoint,
  type ExportRequest,
  exportCheckpoint,
  type VerifyRequest,
  verify,
} from './api/export.ts';
export { jsonSchema, type LoadedConfig, type LoadOptions, loadConfig } from './api/load-config.ts';
export type { OwnParts, Progress } from './api/own.ts';
export {
  type PredictAllRequest,
  type PredictRequest,
  type PredictSettings,
  predict,
  predictAll,
} from './api/predict.ts';
export { type TrainAllRequest, type TrainRequest, type TrainSettings, train, trainAll } from './api/train.ts';
export type { TensorFacts } from './checkpoint/survey.ts';
export { faultsOf } from './config/errors.ts';
export { printConfig } from './config/print.ts';
export type { ResolvedConfig } from './config/resolve.ts';
export type { EvalSourceConfig, RunConfig, SourceConfig } from './config/schema.ts';
export type { Origin } from './config/tree.ts';
export { type ErrorDetails, type ErrorKind, EXIT_STATUS, formatError, TristageError } from './core/errors.ts';
export type { FeatureCounts } from './core/feature-counts.ts';
export { createLogger, type Logger, type LoggerOptions, type LogLevel, type Paint } from './core/log.ts';
export type { Box, ImageSize, PixelBox } from './data/boxes.ts';
export type { Rejection } from './data/rejections.ts';
export { defineRowSource, type RowSourceDefinition, type SampleContext } from './data/row-source.ts';
export type { KnownRow, RowFile, RowImage, RowMember, RowSample, RowScan, SourceRow } from './data/rows.ts';
export type { EncodedImage, FileRange, ImageRef, RawImage, Sample, SceneObject, Truth, Turn } from './data/sample.ts';
export {
  defineSource,
  type OpenSource,
  type Source,
  type SourceBuild,
  type SourceBuildRequest,
  type SourceDefinition,
  type SourceKind,
  type SourceRoot,
} from './data/source.ts';
export { drawInstruction, type IdentifiedTask, type Pick, type Task } from './data/task.ts';
export type { DeviceChoice, EngineName } from './engine/engine.ts';
export type { Answer } from './eval/answer.ts';
export type { AnswerBox } from './eval/answer-boxes.ts';
export type { Estimate } from './eval/metrics/interval.ts';
export type { Metrics, ScoredTask } from './eval/metrics/summary.ts';
export type { ExportOptions, OutsideName, OutsidePart, OutsidePlaces } from './export/request.ts';
export {
  type DrawnShare,
  type EvaluationEvent,
  type MicroBatchEvent,
  type PatchEvent,
  type RunEvent,
  readEvents,
  type SkipEvent,
  type StepEvent,
  type TaskLoss,
} from './report/events.ts';
export type { Registry } from './run/config.ts';
export {
  type Asked,
  type EvalFacts,
  type EvalReport,
  type PredictionsHeader,
  readPredictions,
} from './run/eval-report.ts';
export type { Control, EvaluateSettings, RunEvaluation } from './run/eval-request.ts';
export type { Answered, Prediction, Unanswered } from './run/predict-answer.ts';
export type { BestCheckpoint, RunSummary } from './run/run-folder.ts';
export { runSetup as setup, type SetupOptions, type SetupReport } from './run/setup.ts';
export type { MixtureShare, SampleCount } from './run/shares.ts';
export type { TrainedRun } from './run/train-all.ts';
export type { Verified, VerifiedCheckpoint, VerifiedExport, VerifiedWeights } from './run/verified.ts';
export type { SkippedUpdate, StepRecord, UpdateReport } from './train/loop.ts';
export { defineStage, type Stage, type TrainableGroup } from './train/stage.ts';
