import { InputError, WeightError } from '../../core/errors.ts';
import { urlFiles } from '../../weights/checkpoint-files.ts';
import { parseHubId } from '../../weights/hub/hub-id.ts';
import { parseListing } from '../../weights/hub/hub-listing.ts';
import { fetchWhole } from '../../weights/url-source.ts';

/** A checkpoint that can be downloaded. */
export interface RemoteModel {
  /** Its folder in the browser's storage; another one for other bytes, where that can be known. */
  readonly key: string;
  readonly name: string;
  /** Ends with a slash. */
  readonly base: string;
  /** Sizes of all its files, where there is a list of them. */
  readonly files: ReadonlyMap<string, number> | undefined;
}

/** The model that is served beside the page. */
export interface BuiltIn {
  /** Ends with a slash. */
  readonly base: string;
  /** Of its bytes, so that a new page does not read what an old one stored. */
  readonly revision: string;
  readonly files: Readonly<Record<string, number>>;
}

const HUB = 'https://huggingface.co';
const LONGEST_LISTING = 16 * 2 ** 20;

export const builtInModel = ({ base, revision, files }: BuiltIn): RemoteModel => ({
  key: `built-in@${revision}`,
  name: 'Built-in model',
  base,
  files: new Map(Object.entries(files)),
});

/** A model by its http(s) address or its hub id. Throws InputError for other texts, WeightError where the hub lacks it. */
export async function addressedModel(address: string): Promise<RemoteModel> {
  const text = address.trim();
  const hub = parseHubId(text);
  if (hub) return listedModel(hub.id, hub.revision ?? 'main');
  if (/^https?:\/\//i.test(text)) {
    const base = urlFiles(text).name;
    return { key: base, name: base, base, files: undefined };
  }
  throw new InputError(
    `model "${text}": is neither an address nor a hub id; expected https://… or ORGANISATION/NAME.`,
  );
}

/** The commit that a revision stands for now: a file of it never changes, so a download can go on another day. */
async function listedModel(id: string, revision: string): Promise<RemoteModel> {
  const url = `${HUB}/api/models/${id}/revision/${encodeURIComponent(revision)}?blobs=true`;
  const bytes = await fetchWhole(url, LONGEST_LISTING, { name: `${id}: its list of files` });
  const { commit, files } = parseListing(bytes, id);
  return {
    ...committedModel(id, commit),
    files: new Map(files.map(({ name, byteLength }) => [name, byteLength])),
  };
}

const committedModel = (id: string, commit: string): RemoteModel => ({
  key: `${id}@${commit}`,
  name: id,
  base: `${HUB}/${id}/resolve/${commit}/`,
  files: undefined,
});

/** A stored model by its key; what is not stored of it is fetched. Throws WeightError for a key that no version made. */
export function keptModel(key: string, builtIn: BuiltIn): RemoteModel {
  const ofPage = builtInModel(builtIn);
  if (key === ofPage.key) return ofPage;
  if (/^https?:\/\//.test(key)) return { key, name: key, base: key, files: undefined };
  const hub = parseHubId(key);
  if (hub?.revision !== undefined) return committedModel(hub.id, hub.revision);
  throw new WeightError(
    `model "${key}": was stored by another version of this page; expected one of this version. Delete it.`,
  );
}
