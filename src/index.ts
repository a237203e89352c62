/**
 * The public API: models that answer and embed, pictures, videos, training, looking inside.
 *
 * @module tessera-vlm
 */

export { type GradOptions, grad } from './autograd/grad.ts';
export { explain, explainNode } from './compile/explain.ts';
export { cpuKernels, decodingKernels, trainingKernels } from './compile/kernel-sets.ts';
export type { TunedKernel, TunedKernels } from './core/caps.ts';
export {
  AbortError,
  ConfigError,
  DeviceError,
  EngineError,
  type ErrorCode,
  InputError,
  ShapeError,
  UnsupportedError,
  WeightError,
} from './core/errors.ts';
export type { Device } from './device/gpu-device.ts';
export { type RequestDeviceOptions, requestDevice } from './device/request-device.ts';
export type { CaptureTowersRequest } from './embed/capture.ts';
export type {
  ClassifyOptions,
  ContrastiveModel,
  EmbedImageOptions,
  EmbedTextOptions,
  LabelScore,
} from './embed/contrastive-model.ts';
export { type LoadContrastiveOptions, loadContrastiveModel } from './embed/load-contrastive-model.ts';
export type { PatchEmbeddings } from './embed/patch-embeddings.ts';
export { type Score, similarity } from './embed/scores.ts';
export type { AdapterSource } from './generate/adapters/open-adapters.ts';
export type {
  AnswerBatch,
  AnswerPiece,
  BatchLoad,
  BatchOptions,
  BatchRequest,
  PickedToken,
  ScoredToken,
  TokenConstraint,
  Vocabulary,
} from './generate/batch/batch.ts';
export type { CaptureRequest } from './generate/capture.ts';
export type { CapturableTensor, CapturedTensor } from './generate/captured.ts';
export { type ComposeOptions, composeModel } from './generate/compose-model.ts';
export type { NewDecoder, NewEncoder, PartSource } from './generate/compose-parts.ts';
export type { Generation, GenerationResult, GenerationStats } from './generate/generation.ts';
export type { SamplingOptions } from './generate/generation-config.ts';
export { type LoadOptions, loadModel } from './generate/load-model.ts';
export { openModelFiles } from './generate/model-files.ts';
export type { PromptMedium, PromptTokens } from './generate/read-prompt.ts';
export type { GenerateOptions, LoadProgress, VisionLanguageModel } from './generate/vision-language-model.ts';
export type { RoundingSummary, WeightsSummary } from './generate/weights-summary.ts';
export { type LoadPictureOptions, loadPicture, type PictureSource } from './image/load-picture.ts';
export type { Picture } from './image/picture.ts';
export type { PictureArea } from './image/visible-area.ts';
export {
  type AttentionChoice,
  attentionLayers,
  attentionRow,
  attentionToPicture,
  type PictureAttention,
  type TowerQuery,
  towerAttention,
} from './look/attention.ts';
export { type HeatMap, peakOf } from './look/heat-map.ts';
export {
  type LensOptions,
  type LogitLens,
  logitLens,
  type WordMap,
  type WordMapOptions,
  wordMaps,
} from './look/logit-lens.ts';
export { type PaintOptions, paintHeat } from './look/paint-heat.ts';
export { pictureVector } from './look/picture-vector.ts';
export { type PrincipalComponents, principalComponents } from './look/principal-components.ts';
export { attentionRollout, type RolloutOptions } from './look/rollout.ts';
export { similarityMap } from './look/similarity.ts';
export { composeVlm, tokensPerImage, type VlmParts } from './models/compose/compose-vlm.ts';
export type { Projector, ProjectorChoice, ProjectorSizes } from './models/compose/projector-choice.ts';
export { projectors } from './models/compose/projectors.ts';
export type { EncoderOptions, VisionEncoder } from './models/compose/vision-encoder.ts';
export { uniformFrames } from './processors/frame-sampling.ts';
export type { ContentPart, Message } from './text/messages.ts';
export { type DataOrderOptions, dataOrder } from './train/data-order.ts';
export type { AdamwOptions, OptimizerOptions, SgdOptions } from './train/optimizer.ts';
export { runTraining, type TrainingRun } from './train/run-training.ts';
export { type Schedule, type ScheduleOptions, warmupCosine } from './train/schedule.ts';
export type { LoraOptions, Trainable } from './train/trainable-parameters.ts';
export {
  type Batch,
  createTrainer,
  type StepReport,
  type Trainer,
  type TrainerOptions,
} from './train/trainer.ts';
export type { BuildLoss, LossScaling } from './train/training-graph.ts';
export { type OpenVideoOptions, openVideo, type VideoSource } from './video/open-video.ts';
export type { Video, VideoMetadata } from './video/video.ts';
export { type Checkpoint, openCheckpoint } from './weights/checkpoint.ts';
export { type CheckpointFiles, memoryFiles, urlFiles } from './weights/checkpoint-files.ts';
export type { TensorIndex } from './weights/safetensors.ts';
export type { UrlOptions } from './weights/url-source.ts';
