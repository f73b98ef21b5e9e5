/**
 * The public API: what a program needs to define sources and stages of its own, to check and train runs, and to ask them.
 * The command line is a caller of the same functions.
 */

export { faultsOf } from './config/errors.ts';
export { printConfig } from './config/print.ts';
export type { ResolvedConfig } from './config/resolve.ts';
export type { RunConfig } from './config/schema.ts';
export { type ErrorKind, EXIT_STATUS, formatError, TristageError } from './core/errors.ts';
export { createLogger, type Logger } from './core/log.ts';
export type { Box } from './data/boxes.ts';
export type { Batch, Example, ImageRef, Sample, Turn } from './data/sample.ts';
export { defineSource, type OpenSource, type Source, type SourceKind } from './data/source.ts';
export { drawInstruction, type Pick, type Task } from './data/task.ts';
export { type EngineInfo, type EngineName, openEngine } from './engine/engine.ts';
export type { Estimate } from './eval/metrics/interval.ts';
export type { Metrics } from './eval/metrics/summary.ts';
export { type RunEvent, readEvents, type StepEvent } from './report/events.ts';
export { type Registry, type ResolvedRun, resolveAll, schemaText } from './run/config.ts';
export { type EvaluateRunRequest, evaluateRun, type RunEvaluation } from './run/eval.ts';
export { type EvalReport, readPredictions } from './run/eval-files.ts';
export { type Prediction, type PredictRequest, runPredict } from './run/predict.ts';
export type { RunSummary } from './run/run-folder.ts';
export { type TrainRequest, trainRun } from './run/train.ts';
export { type TrainAllRequest, type TrainedRun, trainAll } from './run/train-all.ts';
export { defineStage, type Stage, type TrainableGroup } from './train/stage.ts';
