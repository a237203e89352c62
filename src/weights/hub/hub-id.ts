import { InputError } from '../../core/errors.ts';

/** A model on the hub; `revision` is a branch, tag or commit where one was named. */
export interface HubId {
  readonly id: string;
  readonly revision: string | undefined;
}

/** A part may not hold `--` or `..`: the cache folder of a model joins its parts with `--`. */
const HUB_ID = /^((?!.*(?:--|\.\.).*\/)\w[\w.-]{0,95}\/(?![^@]*(?:--|\.\.))\w[\w.-]{0,95})(?:@(.+))?$/;

/** Reads `org/name` or `org/name@revision`; undefined for any other text. Throws InputError for a bad revision. */
export function parseHubId(text: string): HubId | undefined {
  const [, id, revision] = HUB_ID.exec(text) ?? [];
  if (id === undefined) return undefined;
  if (revision !== undefined) checkRevision(id, revision);
  return { id, revision };
}

/** Whether `text` has the form of a hub id: `org/name`, or `org/name@revision`. */
export const isHubId = (text: string): boolean => HUB_ID.test(text);

export const isCommit = (text: unknown): text is string =>
  typeof text === 'string' && /^[0-9a-f]{40}$/.test(text);

/** The rules of git for names, https://git-scm.com/docs/git-check-ref-format: such a name is a safe path too. */
const REVISION =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused.
  /^(?![-/.])(?!.*(?:\.\.|\/\/|\/\.|@\{|\.lock(?:\/|$)))[^\x00-\x20\x7f~^:?*[\\]{1,255}(?<![/.])$/;

/** Throws InputError unless git could have a branch, tag or commit of that name. */
export function checkRevision(id: string, revision: string): void {
  if (REVISION.test(revision)) return;
  throw new InputError(
    `hub model "${id}": revision ${JSON.stringify(revision)} is no name git allows; expected a branch, tag or commit.`,
  );
}
