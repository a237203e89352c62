/** What the environment says about the Hugging Face hub, under the names that other tools read too. */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { InputError } from '../../core/errors.ts';

export interface HubToken {
  readonly secret: string;
  /** The variable or file it was read from, for messages. */
  readonly origin: string;
}

const DEFAULT_ENDPOINT = 'https://huggingface.co';

const isOn = (value: string | undefined): boolean => /^(1|true|yes|on)$/i.test(value ?? '');

export const isHubOffline = (env: NodeJS.ProcessEnv): boolean =>
  isOn(env.HF_HUB_OFFLINE) || isOn(env.TRANSFORMERS_OFFLINE);

/** `HF_ENDPOINT` without a slash at its end. Throws InputError when it is no http(s) address. */
export function hubEndpoint(env: NodeJS.ProcessEnv): string {
  const endpoint = env.HF_ENDPOINT || DEFAULT_ENDPOINT;
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol)) {
    throw new InputError(`hub: HF_ENDPOINT is "${endpoint}"; expected an http(s) address.`);
  }
  return endpoint.replace(/\/+$/, '');
}

/** `HF_HUB_CACHE`, or `hub` in `HF_HOME`, or in the user's cache folder. */
export function hubCacheFolder(env: NodeJS.ProcessEnv): string {
  return expandHome(env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE || join(hubHome(env), 'hub'));
}

function hubHome(env: NodeJS.ProcessEnv): string {
  return expandHome(env.HF_HOME || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface'));
}

/** A file of settings, unlike a shell, leaves `~` as it is. */
const expandHome = (path: string): string => path.replace(/^~(?=$|[/\\])/, homedir());

/** `HF_TOKEN`, or what `hf auth login` left in `HF_TOKEN_PATH` or `HF_HOME`. Throws InputError when it is malformed. */
export async function readHubToken(env: NodeJS.ProcessEnv): Promise<HubToken | undefined> {
  const variable = env.HF_TOKEN ? 'HF_TOKEN' : 'HUGGING_FACE_HUB_TOKEN';
  const path = expandHome(env.HF_TOKEN_PATH || join(hubHome(env), 'token'));
  const [text, origin] = env[variable] ? [env[variable], variable] : [await readTokenFile(path), path];
  const secret = text.trim();
  if (secret === '') return undefined;
  // The message must not show it; that of fetch would.
  if (!/^[\x21-\x7e]+$/.test(secret)) {
    throw new InputError(
      `hub: the token of ${origin} holds a space or another character no token has; expected one as on ${hubEndpoint(env)}/settings/tokens.`,
    );
  }
  return { secret, origin };
}

async function readTokenFile(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') return '';
    throw new InputError(
      `hub: ${path} can't be read (${cause.code}); expected a token. Set HF_TOKEN instead.`,
      { cause },
    );
  });
}
