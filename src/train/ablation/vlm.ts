import { ConfigError } from '../../core/errors.ts';
import { permute, reshape } from '../../graph/movement.ts';
import { adaptiveAvgPool2d } from '../../graph/pooling.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { pooledFrames, poolFrames } from '../../models/blocks/temporal-pooling.ts';
import { PART_PREFIXES } from '../../models/compose/compose-vlm.ts';
import type { Projector, ProjectorChoice } from '../../models/compose/projector-choice.ts';
import { projectors } from '../../models/compose/projectors.ts';
import type { VisionEncoder } from '../../models/compose/vision-encoder.ts';
import type { Model } from '../../models/model.ts';
import type { Parameters } from '../../models/parameters.ts';
import { tokenGrid } from '../../models/projectors/c-abstractor.ts';
import { toMap, toRows } from '../../models/projectors/reg-stage.ts';
import type { Size2d } from '../../ops/feature-map.ts';
import type { LossName, PoolingChoice, ProjectorSpec } from './architecture.ts';
import type { Task } from './task.ts';

export interface VlmParts {
  readonly encoder: VisionEncoder;
  readonly projector: ProjectorSpec;
  readonly pooling: PoolingChoice;
  readonly decoder: Model;
  readonly loss: LossName;
}

/** An architecture at the sizes of a task: functions from graph tensors to graph tensors. */
export interface Vlm extends VlmParts {
  readonly frames: number;
  readonly imageShape: readonly [channels: number, height: number, width: number];
  /** Tokens of a frame, and of a clip once its frames are pooled. */
  readonly tokensPerFrame: number;
  readonly tokensPerClip: number;
  /** pixelValues [B * frames, 3, H, W] → image tokens before pooling [B * frames, T, C]. */
  encode(pixelValues: Tensor, w: Parameters): Tensor;
  /** [B * frames, T, C] → [B, tokensPerClip, C]. */
  pool(tokens: Tensor): Tensor;
}

/** Throws ConfigError where the parts do not fit each other or the task. */
export function createVlm(parts: VlmParts, task: Pick<Task, 'frames' | 'imageSize'>): Vlm {
  const { encoder, decoder, pooling } = parts;
  const { frames, imageSize } = task;
  if (encoder.imageShape[1] !== imageSize) {
    throw new ConfigError(
      `ablation: the encoder takes pictures of ${encoder.imageShape[1]} pixels, the task has ${imageSize}; expected the same. Choose another encoder.`,
    );
  }
  const projector = projectorOf(parts);
  const { tokens: T } = projector;
  const framesLeft = pooling === 'none' ? frames : pooledFrames(frames, pooling);
  const { hiddenSize: C } = decoder.text;
  return {
    ...parts,
    frames,
    imageShape: encoder.imageShape,
    tokensPerFrame: T,
    tokensPerClip: framesLeft * T,
    encode(pixelValues, w) {
      const features = encoder.encode(pixelValues, w.scope(PART_PREFIXES.encoder)); // [B F, P, Cv]
      return projector.project(features, w.scope(PART_PREFIXES.projector)); // [B F, T, C]
    },
    pool(tokens) {
      const B = (tokens.shape[0] ?? frames) / frames;
      if (pooling === 'none') return reshape(tokens, [B, frames * T, C]);
      const byFrame = permute(reshape(tokens, [B, frames, T, C]), [1, 0, 2, 3]); // [F, B, T, C]
      const pooled = poolFrames(reshape(byFrame, [frames, B * T, C]), pooling); // [F', B T, C]
      const byClip = permute(reshape(pooled, [framesLeft, B, T, C]), [1, 0, 2, 3]); // [B, F', T, C]
      return reshape(byClip, [B, framesLeft * T, C]);
    },
  };
}

function projectorOf({ encoder, projector: { kind, tokens }, decoder }: VlmParts): Projector {
  const { patchGrid, hiddenSize } = encoder;
  const grid = tokens === undefined ? patchGrid : tokenGrid(tokens);
  const choices: Readonly<Record<ProjectorSpec['kind'], () => ProjectorChoice>> = {
    linear: () => afterPooling(projectors.linear(), grid),
    mlp: () => afterPooling(projectors.mlp(), grid),
    'c-abstractor': () => projectors.cAbstractor({ tokens: grid, hiddenSize, depth: 1 }),
  };
  return choices[kind]()({
    visionHiddenSize: hiddenSize,
    textHiddenSize: decoder.text.hiddenSize,
    patchGrid,
  });
}

/** A projector that makes one token per patch, of patches that are averaged to a coarser grid first. */
const afterPooling =
  (projector: ProjectorChoice, grid: Size2d): ProjectorChoice =>
  (sizes) => {
    const { patchGrid } = sizes;
    if (grid[0] === patchGrid[0] && grid[1] === patchGrid[1]) return projector(sizes);
    const { name, tokens, project } = projector({ ...sizes, patchGrid: grid });
    return {
      name,
      tokens,
      project: (features, w) => project(toRows(adaptiveAvgPool2d(toMap(features, patchGrid), grid)), w),
    };
  };
