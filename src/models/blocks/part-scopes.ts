import type { Parameters } from '../parameters.ts';

// Where vision language models keep their parts: transformers 4.x wrote whole models into one another, 5.x has one base
// model below `model` and the head beside it.

export const visionTower = (w: Parameters): Parameters =>
  w.firstScope([
    'vision_tower.vision_model',
    'vision_tower',
    'model.vision_tower.vision_model',
    'model.vision_tower',
  ]);

export const multiModalProjector = (w: Parameters): Parameters =>
  w.firstScope(['multi_modal_projector', 'model.multi_modal_projector']);

export const textDecoder = (w: Parameters): Parameters =>
  w.firstScope(['language_model.model', 'model.language_model', 'language_model']);

/** What holds `lm_head`, in a model that has one. */
export const textHead = (w: Parameters): Parameters =>
  w.has('language_model.lm_head.weight') ? w.scope('language_model') : w;
