/** From the `model` of a run file to the sizes that the model code reads. */

import type { RunConfig } from '../config/schema.ts';
import type { ModelConfig } from '../model/config.ts';
import { llamaShapes, loraShapes, projectorShapes, type ShapeTable, visionShapes } from '../model/shapes.ts';

/** The sizes of a run's model; what a run file may leave open is filled in. */
export function modelConfigOf({ model }: RunConfig): ModelConfig {
  const { vision, join, llm, lora } = model;
  return {
    vision,
    join,
    llm: { ...llm, kvHeads: llm.kvHeads ?? llm.heads },
    ...(lora === undefined ? {} : { lora }),
  };
}

/** A part of the model that one file of published weights fills. */
export interface WeightsPart {
  /** Key under `model.weights`. */
  key: 'vision' | 'llm' | 'projector';
  shapes: ShapeTable;
  /** Names that the file may lack: they start at random, or as the norm that does nothing. */
  optional: (name: string) => boolean;
}

/** The parts of a model in the order in which their files are read. */
export function weightsParts(config: ModelConfig): WeightsPart[] {
  const adapters = config.lora === undefined ? [] : [...loraShapes(config.llm, config.lora)];
  const isNorm = (name: string): boolean => name.startsWith('ln_vision.');
  const norm = [...visionShapes(config.vision)].filter(([name]) => isNorm(name));
  return [
    // The published EVA file holds no ln_vision: it comes with the projector's checkpoint, or starts neutral.
    {
      key: 'vision',
      shapes: visionShapes(config.vision),
      optional: config.vision.finalNorm === true ? () => false : isNorm,
    },
    { key: 'llm', shapes: llamaShapes(config.llm), optional: () => false },
    {
      key: 'projector',
      shapes: new Map([...norm, ...projectorShapes(config), ...adapters]),
      optional: (name) => isNorm(name) || name.includes('.lora_'),
    },
  ];
}
