import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { InputError } from '../core/errors.ts';
import type { ContentPart, Message, VideoPart } from '../text/messages.ts';
import { isJsonObject, parseStrictJson, showJson } from '../weights/strict-json.ts';

/**
 * A conversation: `[{ "role": "user", "content": [{ "type": "image", "image": "a.png" }, { "type": "text",
 * "text": "..." }] }]`, or `content` as text. Paths of pictures and videos are relative to the file; http(s) addresses stay.
 * Throws InputError when the file can't be read, WeightError for bad JSON, naming what is wrong.
 */
export async function readMessages(path: string): Promise<readonly Message[]> {
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw new InputError(`--messages "${path}": it can't be read (${cause.code}); expected a JSON file.`, {
      cause,
    });
  });
  return parseMessages(parseStrictJson(bytes, `--messages "${path}"`), path);
}

/** The messages of a parsed file at `path`. Throws InputError. */
export function parseMessages(json: unknown, path: string): readonly Message[] {
  const where = `--messages "${path}"`;
  if (!Array.isArray(json) || json.length === 0) {
    throw new InputError(`${where}: is ${showJson(json)}; expected a list of messages.`);
  }
  return json.map((message: unknown, i) =>
    parseMessage(message, `${where}: message ${i + 1}`, dirname(path)),
  );
}

function parseMessage(json: unknown, where: string, folder: string): Message {
  const { role, content } = isJsonObject(json) ? json : {};
  if (typeof role !== 'string') throw new InputError(`${where} has role ${showJson(role)}; expected a text.`);
  if (typeof content === 'string') return { role, content };
  if (!Array.isArray(content)) {
    throw new InputError(`${where} has content ${showJson(content)}; expected a text or a list of parts.`);
  }
  return { role, content: content.map((part: unknown) => parsePart(part, where, folder)) };
}

function parsePart(json: unknown, where: string, folder: string): ContentPart {
  const { type, text, image, video, ...rest } = isJsonObject(json) ? json : {};
  if (type === 'text' && typeof text === 'string') return { type, text };
  if (type === 'image' && typeof image === 'string') return { type, image: locate(image, folder) };
  if (type === 'video' && isVideoSource(video)) {
    const located =
      typeof video === 'string' ? locate(video, folder) : video.map((frame) => locate(frame, folder));
    return { type, video: located, ...parseSampling(rest, where) };
  }
  throw new InputError(
    `${where} has the part ${showJson(json)}; expected {"type": "text", "text": ...} {"type": "image", "image": PATH} or {"type": "video", "video": PATH or a list of pictures' PATHs}.`,
  );
}

const isVideoSource = (video: unknown): video is string | readonly string[] =>
  typeof video === 'string' ||
  (Array.isArray(video) && video.length > 0 && video.every((frame) => typeof frame === 'string'));

/** What else a video part says. The values are checked where the video is taken. */
function parseSampling(
  rest: Readonly<Record<string, unknown>>,
  where: string,
): Omit<VideoPart, 'type' | 'video'> {
  const { numFrames, fps, pooling, ...unknown } = rest;
  const [name] = Object.keys(unknown);
  const isNumber = (value: unknown): boolean => value === undefined || typeof value === 'number';
  if (
    name !== undefined ||
    !isNumber(numFrames) ||
    !isNumber(fps) ||
    !(pooling === undefined || isJsonObject(pooling))
  ) {
    throw new InputError(
      `${where} has a video part with ${showJson(rest)}; expected numbers "numFrames" or "fps" and {"kind", "window"} as "pooling".`,
    );
  }
  return rest as Omit<VideoPart, 'type' | 'video'>;
}

const locate = (image: string, folder: string): string =>
  /^(https?|file):\/\//i.test(image) ? image : resolve(folder, image);
