/** What the tests call inside the page; bundled together with the engine. Results are plain data. */

import type { Device } from '../../src/device/gpu-device.ts';
import {
  type EngineError,
  type GenerateOptions,
  loadModel,
  loadPicture,
  requestDevice,
  type VisionLanguageModel,
} from '../../src/index.ts';
import { verifyCheckpoint } from '../../src/verify/verify.ts';
import { openVideo } from '../../src/video/open-video.ts';
import { urlFiles } from '../../src/weights/checkpoint-files.ts';
import { fieldColours, spelledIndex } from '../video/clip-frame.ts';

export { loadModel, requestDevice };

/** Asks about a picture that is fetched and handed over as a Blob. */
export async function ask(model: VisionLanguageModel, picture: string, options: GenerateOptions) {
  const response = await fetch(picture);
  const { tokenIds, promptTokenIds, text } = await model.generate({
    ...options,
    images: [await response.blob()],
  });
  return { tokenIds, promptTokenIds, text };
}

/** Compares a checkpoint with its recorded reference: how many stages were compared, and which differ. */
export async function verify(device: Device, checkpoint: string) {
  let stages = 0;
  const failed: string[] = [];
  for await (const { ok, run, stage, relativeError } of verifyCheckpoint(urlFiles(checkpoint), { device })) {
    stages++;
    if (!ok) failed.push(`${run}.${stage}: ${relativeError}`);
  }
  return { stages, failed };
}

/** The error that loading ends with. */
export async function loadFailure(checkpoint: string) {
  try {
    (await loadModel(checkpoint)).dispose();
  } catch (error) {
    const { name, code, message } = error as EngineError;
    return { name, code, message };
  }
  throw new Error(`loading ${checkpoint} succeeded; expected an error.`);
}

/** Decodes a file given in base64, to pixels in base64. */
export async function decode(file: string) {
  const { width, height, data } = await loadPicture(
    Uint8Array.from(atob(file), (char) => char.charCodeAt(0)),
  );
  return { width, height, rgb: btoa(String.fromCharCode(...data)) };
}

/** What the frames at `indices` of a clip at an address show, or how it fails. */
export async function readClip(url: string, indices: readonly number[]) {
  try {
    const video = await openVideo(url);
    const { width, height, frameCount, fps } = video;
    const timesSeconds = Array.from(video.timesSeconds ?? []);
    const shown: { readonly index: number; readonly colours: number[][] }[] = [];
    for await (const picture of video.frames(indices)) {
      shown.push({ index: spelledIndex(picture), colours: fieldColours(picture) });
    }
    return { width, height, frameCount, fps, timesSeconds, shown };
  } catch (error) {
    return { failure: String(error) };
  }
}
