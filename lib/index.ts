/**
 * Trains vision-language models in stages, each described by a run file. The command line is a caller of the same functions.
 *
 * Importing this module is quick: engines, image decoders and schemas are loaded by the function that needs them.
 * @packageDocumentation
 */

export { z } from 'zod';
export { type EvaluateRequest, evaluate } from './api/evaluate.ts';
export { jsonSchema, type LoadedConfig, type LoadOptions, loadConfig } from './api/load-config.ts';
export type { OwnParts, Progress } from './api/own.ts';
export { type TrainAllRequest, type TrainRequest, train, trainAll } from './api/train.ts';
export { faultsOf } from './config/errors.ts';
export { printConfig } from './config/print.ts';
export type { RunConfig } from './config/schema.ts';
export { type ErrorKind, EXIT_STATUS, formatError, TristageError } from './core/errors.ts';
export { createLogger, type Logger } from './core/log.ts';
export type { Box } from './data/boxes.ts';
export type { ImageRef, Sample, Turn } from './data/sample.ts';
export { defineSource, type OpenSource, type Source, type SourceKind } from './data/source.ts';
export { drawInstruction, type Pick, type Task } from './data/task.ts';
export { type RunEvent, readEvents, type StepEvent } from './report/events.ts';
export { type EvalReport, readPredictions } from './run/eval-report.ts';
export type { RunEvaluation } from './run/eval-request.ts';
export type { RunSummary } from './run/run-folder.ts';
export { runSetup as setup, type SetupReport } from './run/setup.ts';
export type { TrainedRun } from './run/train-all.ts';
export type { StepRecord } from './train/loop.ts';
export { defineStage, type Stage, type TrainableGroup } from './train/stage.ts';
