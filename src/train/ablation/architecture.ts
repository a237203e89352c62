import { basename } from 'node:path';
import type { TemporalPooling } from '../../models/blocks/temporal-pooling.ts';

/** A vision language model as an ablation chooses it: one of each part, and what it is trained on. */
export interface Architecture {
  readonly encoder: EncoderChoice;
  readonly projector: ProjectorSpec;
  readonly pooling: PoolingChoice;
  readonly decoder: DecoderChoice;
  readonly loss: LossName;
}

/** A CLIP tower with new weights, or that of a checkpoint. */
export type EncoderChoice = EncoderSizes | PartCheckpoint;

export interface EncoderSizes {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  /** Side of a patch in pixels. */
  readonly patchSize: number;
}

/** A Llama decoder of this vocabulary with new weights, or one that `teachDecoder` wrote. */
export type DecoderChoice = DecoderSizes | PartCheckpoint;

export interface DecoderSizes {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
}

/** A folder. Its weights stay as they are unless `trained`. */
export interface PartCheckpoint {
  readonly checkpoint: string;
  readonly trained?: boolean | undefined;
}

export interface ProjectorSpec {
  readonly kind: 'linear' | 'mlp' | 'c-abstractor';
  /**
   * Image tokens of a frame; default one per patch. Fewer: the C-Abstractor pools between its convolutions, before the
   * others patches are averaged.
   */
  readonly tokens?: number | undefined;
}

export type PoolingChoice = 'none' | TemporalPooling;

/**
 * `next-token`: the decoder reads the image tokens and writes the answer. `info-nce`, `sigmoid`: the mean of the image
 * tokens is compared with the decoder's last state of each answer in the batch.
 */
export type LossName = 'next-token' | 'info-nce' | 'sigmoid';

export const isCheckpoint = (choice: EncoderChoice | DecoderChoice): choice is PartCheckpoint =>
  'checkpoint' in choice;

/** The parts in a few words each, as tables show them. */
export interface ArchitectureLabels {
  readonly encoder: string;
  readonly projector: string;
  readonly pooling: string;
  readonly decoder: string;
  readonly loss: string;
}

export function labelsOf({ encoder, projector, pooling, decoder, loss }: Architecture): ArchitectureLabels {
  return {
    encoder: isCheckpoint(encoder)
      ? folderLabel(encoder)
      : `clip ${sizesLabel(encoder)} /${encoder.patchSize}`,
    projector: projector.tokens === undefined ? projector.kind : `${projector.kind} ${projector.tokens}`,
    pooling: pooling === 'none' ? 'none' : `${pooling.kind}:${pooling.window}`,
    decoder: isCheckpoint(decoder) ? folderLabel(decoder) : `llama ${sizesLabel(decoder)}`,
    loss,
  };
}

const sizesLabel = ({ width, layers }: DecoderSizes): string => `${width} x ${layers}`;

const folderLabel = ({ checkpoint, trained }: PartCheckpoint): string =>
  `${basename(checkpoint)}${trained ? '' : ' (frozen)'}`;
