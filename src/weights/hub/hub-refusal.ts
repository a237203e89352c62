import { clip } from '../strict-json.ts';
import { isCommit } from './hub-id.ts';
import type { HubToken } from './hub-settings.ts';

interface Asked {
  readonly id: string;
  readonly revision: string;
  readonly endpoint: string;
  readonly token: HubToken | undefined;
}

/**
 * What a refusal of the hub means and what to do about it. Its codes are in the header `x-error-code`; it answers 401
 * also for what does not exist, so that the names of private models stay private.
 */
export function formatRefusal(asked: Asked, { status, headers }: Response, what: string): string {
  const { id, revision, endpoint, token } = asked;
  const where = `hub model "${id}"`;
  const code = headers.get('x-error-code');
  if (code === 'GatedRepo') return `${where}: it is gated, and ${formatGated(asked, status)}`;
  if (code === 'RevisionNotFound') {
    const hint = isCommit(revision) ? '' : ` Those there are: ${endpoint}/${id}/tree/main.`;
    return `${where}: has no revision "${revision}" (${status}); expected a branch, tag or commit.${hint}`;
  }
  if (code === 'EntryNotFound') {
    return `${where}: the hub lists ${what} and does not have it (${status}); expected the file. Try another revision.`;
  }
  if (status === 401 && token && code !== 'RepoNotFound') {
    return `${where}: the token of ${token.origin} is not accepted (401); expected a valid one. Make a new one on ${endpoint}/settings/tokens, or remove it for a public model.`;
  }
  if (status === 404 || status === 401) {
    const hint = token
      ? ` The token of ${token.origin} must belong to an account that may read it.`
      : ' If it is private or gated, set HF_TOKEN.';
    return `${where}: ${endpoint} has no such model (${status}); expected an id as on its page. Check the spelling.${hint}`;
  }
  if (status === 403) return `${where}: ${formatForbidden(asked, headers.get('x-error-message'))}`;
  return `${where}: ${endpoint} answered ${status} for ${what}; expected 200.${quoteOf(headers)} Check HF_ENDPOINT.`;
}

/** The three steps, the next one to do first. */
function formatGated({ id, endpoint, token }: Asked, status: number): string {
  const page = `${endpoint}/${id}`;
  const accept = `Accept its terms on ${page}`;
  if (!token) {
    return `no token was sent (${status}); expected one of an account with access. ${accept}, make a token on ${endpoint}/settings/tokens, and set HF_TOKEN to it.`;
  }
  return `the account of the token of ${token.origin} has no access yet (${status}); expected it granted. ${accept} with that account and wait where its authors decide; a fine-grained token must be allowed to read gated models.`;
}

function formatForbidden({ id, endpoint, token }: Asked, message: string | null): string {
  const said = message ? ` ("${clip(message)}")` : '';
  const who = token ? `the token of ${token.origin}` : 'a request without a token';
  return `the hub forbids it to ${who} (403)${said}; expected access. Look at ${endpoint}/${id} with your account, then set HF_TOKEN to a token of it that may read this model.`;
}

function quoteOf(headers: Headers): string {
  const message = headers.get('x-error-message');
  return message ? ` It says: "${clip(message)}".` : '';
}
