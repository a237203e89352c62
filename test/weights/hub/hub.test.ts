/** Which files, from where, and what is said when that can't be: the bytes on their way are in hub-transfer.test.ts. */
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hubFolder } from '../../../src/weights/hub/hub.ts';
import { isHubId, parseHubId } from '../../../src/weights/hub/hub-id.ts';
import { gitHash, type HubModel, type HubServer, noise, sha256, startHubServer } from './hub-server.ts';

const COMMIT = 'a'.repeat(40);
const NEXT_COMMIT = 'b'.repeat(40);
const weights = noise(300_000);
const config = Buffer.from('{"model_type":"llava"}');
const tokenizer = Buffer.from('{"version":"1.0"}');
const nextTokenizer = Buffer.from('{"version":"1.1"}');

const tiny: HubModel = {
  id: 'org/tiny',
  commit: COMMIT,
  files: new Map([
    ['README.md', Buffer.from('# Tiny')],
    ['config.json', config],
    ['consolidated.safetensors', noise(5000)],
    ['model.safetensors', weights],
    ['onnx/model.safetensors', noise(4000)],
    ['pytorch_model.bin', noise(3000)],
    ['pytorch_model.bin.index.json', Buffer.from('{}')],
    ['tokenizer.json', tokenizer],
  ]),
};
/** A later commit, of which only the tokenizer is new. */
const next: HubModel = {
  ...tiny,
  commit: NEXT_COMMIT,
  files: new Map([...tiny.files, ['tokenizer.json', nextTokenizer]]),
};
const shardIndex = Buffer.from(
  '{"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}',
);
const sharded: HubModel = {
  id: 'org/sharded',
  commit: COMMIT,
  files: new Map([
    ['config.json', config],
    ['model-00001-of-00002.safetensors', noise(2000)],
    ['model-00002-of-00002.safetensors', noise(3000)],
    ['model.safetensors.index.json', shardIndex],
    ['model.fp16-00001-of-00001.safetensors', noise(2500)],
    ['tokenizer.json', tokenizer],
  ]),
};

let server: HubServer;
let home: string;
let env: NodeJS.ProcessEnv;
/** Waits of a few milliseconds between tries. */
const transfer = { backoffMs: 2 };

async function serve(...models: readonly HubModel[]): Promise<void> {
  await server?.close();
  server = await startHubServer(models);
  env = { HF_HOME: home, HF_ENDPOINT: server.url };
}

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'tessera-hub-'));
  await serve(tiny, next);
});
afterEach(async () => {
  await server.close();
  await rm(home, { recursive: true });
});

const inCache = (...path: string[]): string => join(home, 'hub/models--org--tiny', ...path);
const fetched = (): string[] => server.requests.splice(0).map((request) => request.replace(/^.*\//, ''));

describe('the cache', () => {
  test('has the layout that other tools share', async () => {
    const progress: object[] = [];
    const folder = await hubFolder('org/tiny', { env, onProgress: (step) => progress.push(step) });
    expect(folder).toBe(inCache('snapshots', COMMIT));
    expect((await readdir(folder)).sort()).toEqual(['config.json', 'model.safetensors', 'tokenizer.json']);
    expect(await readFile(join(folder, 'model.safetensors'))).toEqual(weights);
    expect(await readlink(join(folder, 'config.json'))).toBe(`../../blobs/${gitHash(config)}`);
    expect((await readdir(inCache('blobs'))).sort()).toEqual(
      [gitHash(config), gitHash(tokenizer), sha256(weights)].sort(),
    );
    expect(await readFile(inCache('refs/main'), 'utf8')).toBe(COMMIT);
    expect(await readdir(join(home, 'hub/.locks/models--org--tiny'))).toEqual([]);
    const total = weights.length + config.length + tokenizer.length;
    expect(progress[0]).toEqual({ done: 0, checked: 0, total });
    expect(progress.at(-1)).toEqual({ done: total, checked: total, total });
  });

  test('lies where HF_HUB_CACHE says', async () => {
    const folder = await hubFolder('org/tiny', { env: { ...env, HF_HUB_CACHE: join(home, 'else') } });
    expect(folder).toBe(join(home, 'else/models--org--tiny/snapshots', COMMIT));
  });

  test('is not downloaded into twice', async () => {
    await hubFolder('org/tiny', { env });
    fetched();
    await hubFolder('org/tiny', { env });
    expect(fetched()).toEqual(['main?blobs=true']);
  });

  test('gives a new commit the blobs it has', async () => {
    await hubFolder('org/tiny', { env });
    fetched();
    const folder = await hubFolder('org/tiny', { env, revision: NEXT_COMMIT });
    expect(fetched()).toEqual([`${NEXT_COMMIT}?blobs=true`, 'tokenizer.json']);
    expect(await readFile(join(folder, 'model.safetensors'))).toEqual(weights);
    expect(await readFile(join(folder, 'tokenizer.json'))).toEqual(nextTokenizer);
    expect(await readFile(join(inCache('snapshots', COMMIT), 'tokenizer.json'))).toEqual(tokenizer);
  });

  test('replaces a blob that is cut short and a link that leads nowhere', async () => {
    const folder = await hubFolder('org/tiny', { env });
    await writeFile(inCache('blobs', sha256(weights)), 'cut');
    await rm(inCache('blobs', gitHash(config)));
    await hubFolder('org/tiny', { env });
    expect(await readFile(join(folder, 'model.safetensors'))).toEqual(weights);
    expect(await readFile(join(folder, 'config.json'))).toEqual(config);
  });

  test('forgets the journal of a blob whose download was killed before its link was made', async () => {
    const folder = await hubFolder('org/tiny', { env });
    const journal = inCache('blobs', `${gitHash(config)}.tessera.incomplete.spans`);
    await rm(join(folder, 'config.json'));
    await writeFile(journal, `0 ${config.length}\n`);
    await hubFolder('org/tiny', { env });
    expect(await readFile(join(folder, 'config.json'))).toEqual(config);
    await expect(readFile(journal)).rejects.toThrow('ENOENT');
  });

  test('holds files of the same content once', async () => {
    await serve({
      ...tiny,
      files: new Map([...tiny.files, ['generation_config.json', config], ['chat_template.jinja', config]]),
    });
    const folder = await hubFolder('org/tiny', { env });
    expect(await readdir(folder)).toContain('chat_template.jinja');
    expect(await readFile(join(folder, 'generation_config.json'))).toEqual(config);
    expect(fetched().length).toBe(4);
  });
});

describe('a revision', () => {
  test.each(['v1.0', 'pr/1'])('%s is remembered under its name', async (revision) => {
    const folder = await hubFolder(`org/tiny@${revision}`, { env });
    expect(folder).toBe(inCache('snapshots', COMMIT));
    expect(await readFile(inCache('refs', revision), 'utf8')).toBe(COMMIT);
    expect(await hubFolder('org/tiny', { env: { ...env, HF_HUB_OFFLINE: '1' }, revision })).toBe(folder);
  });

  test('that is a commit asks the hub once', async () => {
    const folder = await hubFolder(`org/tiny@${COMMIT}`, { env });
    fetched();
    expect(await hubFolder(`org/tiny@${COMMIT}`, { env })).toBe(folder);
    expect(fetched()).toEqual([]);
    // Unless a file went missing.
    await rm(join(folder, 'config.json'));
    await hubFolder(`org/tiny@${COMMIT}`, { env });
    expect(fetched()).toEqual([`${COMMIT}?blobs=true`]);
  });

  test('is asked for once', async () => {
    await expect(hubFolder('org/tiny@v1.0', { env, revision: 'main' })).rejects.toThrow('one of the two');
    await expect(hubFolder('org/tiny@v2', { env, transfer })).rejects.toThrow(
      'has no such model (404)', // as the server here answers what it does not have
    );
  });

  test.each(['../../x', '/etc', 'a//b', 'a b', '-x', 'x.lock', 'a/.b', 'x/', 'a\\b', 'a\0b'])(
    '%j is refused',
    async (revision) => {
      await expect(hubFolder('org/tiny', { env, revision })).rejects.toThrow('no name git allows');
      expect(fetched()).toEqual([]);
    },
  );

  test('leads to its last whole commit while a newer one is not there whole', async () => {
    await hubFolder('org/tiny', { env });
    await serve({ ...next, commit: NEXT_COMMIT });
    server.onFile = ({ response }) => response.writeHead(403).end();
    await expect(hubFolder('org/tiny', { env })).rejects.toThrow('403');
    expect(await hubFolder('org/tiny', { env: { ...env, HF_HUB_OFFLINE: '1' } })).toBe(
      inCache('snapshots', COMMIT),
    );
  });
});

describe('offline', () => {
  test('nothing is asked', async () => {
    const offline = { ...env, HF_HUB_OFFLINE: '1' };
    await expect(hubFolder('org/tiny', { env: offline })).rejects.toThrow('"main" is not in');
    const folder = await hubFolder('org/tiny', { env });
    fetched();
    expect(await hubFolder('org/tiny', { env: offline })).toBe(folder);
    expect(await hubFolder(`org/tiny@${COMMIT}`, { env: offline })).toBe(folder);
    expect(fetched()).toEqual([]);
  });

  test('says which files are missing', async () => {
    await serve(sharded);
    const offline = { ...env, HF_HUB_OFFLINE: '1' };
    const folder = await hubFolder('org/sharded', { env });
    await rm(join(folder, 'model-00002-of-00002.safetensors'));
    await expect(hubFolder('org/sharded', { env: offline })).rejects.toThrow(
      'lacks model-00002-of-00002.safetensors; expected every file',
    );
  });

  test("takes another tool's download, and says what that lacks", async () => {
    const offline = { ...env, HF_HUB_OFFLINE: '1' };
    const folder = inCache('snapshots', COMMIT);
    await mkdir(inCache('refs'), { recursive: true });
    await mkdir(inCache('blobs'));
    await mkdir(folder, { recursive: true });
    await writeFile(inCache('refs/main'), COMMIT);
    for (const name of ['config.json', 'model.safetensors']) {
      await writeFile(inCache('blobs', name), '{}');
      await symlink(`../../blobs/${name}`, join(folder, name));
    }
    await expect(hubFolder('org/tiny', { env: offline })).rejects.toThrow('lacks tokenizer.json;');
    await writeFile(join(folder, 'tokenizer.json'), '{}');
    expect(await hubFolder('org/tiny', { env: offline })).toBe(folder);
  });

  test('is the advice where the hub cannot be reached and the cache has the model', async () => {
    const nowhere = { ...env, HF_ENDPOINT: 'http://127.0.0.1:1' };
    const asked = () => hubFolder('org/tiny', { env: nowhere, transfer });
    await expect(asked()).rejects.toThrow(/127.0.0.1:1 can't be reached .*Check the connection[^.]*\.$/);
    await hubFolder('org/tiny', { env });
    await expect(asked()).rejects.toThrow('It is in the cache: HF_HUB_OFFLINE=1 uses that.');
  });
});

describe('of a repository', () => {
  test('shards are those the index names', async () => {
    await serve(sharded);
    const folder = await hubFolder('org/sharded', { env });
    expect((await readdir(folder)).sort()).toEqual([
      'config.json',
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
      'model.safetensors.index.json',
      'tokenizer.json',
    ]);
    fetched();
    await hubFolder('org/sharded', { env });
    expect(fetched()).toEqual(['main?blobs=true']);
  });

  test('a shard that is missing is named before any is fetched', async () => {
    const files = new Map(sharded.files);
    files.delete('model-00002-of-00002.safetensors');
    await serve({ ...sharded, files });
    await expect(hubFolder('org/sharded', { env })).rejects.toThrow(
      'names model-00002-of-00002.safetensors, which is not listed',
    );
    expect(fetched()).toEqual(['main?blobs=true', 'model.safetensors.index.json']);
  });

  test('without safetensors nothing is fetched', async () => {
    const files = new Map([
      ['config.json', config],
      ['pytorch_model.bin', noise(2000)],
    ]);
    await serve({ ...tiny, files });
    await expect(hubFolder('org/tiny', { env })).rejects.toThrow(
      /holds neither model\.safetensors nor .* but pytorch_model\.bin; .*Convert it once/,
    );
    expect(fetched()).toEqual(['main?blobs=true']);
  });

  const list = (file: object): string => JSON.stringify({ sha: COMMIT, siblings: [file] });
  test.each([
    ['no listing', '[]', 'the listing has no "siblings"'],
    ['no JSON', '<html>', 'invalid JSON'],
    ['a commit that is a path', '{"sha":"../x","siblings":[]}', 'no commit'],
    ['a name that is no plain name', list({ rfilename: 'a\\b.json' }), 'plain name'],
    [
      'a hash that is a path',
      list({ rfilename: 'a.json', size: 1, blobId: '../../x' }),
      'hash "../../x"; expected 40 hex',
    ],
    [
      'a short hash of weights',
      list({ rfilename: 'model.safetensors', lfs: { size: 1, sha256: '0'.repeat(40) } }),
      'expected 64 hex',
    ],
    ['no size', list({ rfilename: 'a.json', blobId: '0'.repeat(40) }), 'size missing'],
    ['a negative size', list({ rfilename: 'a.json', size: -1, blobId: '0'.repeat(40) }), 'size -1'],
  ])('a listing is checked: %s', async (_, body, message) => {
    server.trouble = (_request, response) => {
      response.end(body);
      return true;
    };
    await expect(hubFolder('org/tiny', { env })).rejects.toThrow(message);
    await expect(readdir(join(home, 'hub'))).rejects.toThrow('ENOENT');
  });
});

describe('the token', () => {
  const sent = (): Set<string | undefined> => new Set(server.authorizations.map(([, header]) => header));

  test.each([
    ['HF_TOKEN', { HF_TOKEN: 'hf_secret' }],
    ['HUGGING_FACE_HUB_TOKEN', { HUGGING_FACE_HUB_TOKEN: ' hf_secret\n' }],
  ])('of %s is sent', async (_, variables) => {
    await hubFolder('org/tiny', { env: { ...env, ...variables } });
    expect(sent()).toEqual(new Set(['Bearer hf_secret']));
  });

  test('is read from the files other tools keep it in', async () => {
    await writeFile(join(home, 'token'), 'hf_home\n');
    await hubFolder('org/tiny', { env });
    expect(sent()).toEqual(new Set(['Bearer hf_home']));
    server.authorizations.splice(0);
    await writeFile(join(home, 'other'), 'hf_path\n');
    await hubFolder('org/tiny', { env: { ...env, HF_TOKEN_PATH: join(home, 'other') } });
    expect(sent()).toEqual(new Set(['Bearer hf_path']));
  });

  test('that is malformed is refused without showing it', async () => {
    const failed = hubFolder('org/tiny', { env: { ...env, HF_TOKEN: 'hf_sec ret' } });
    await expect(failed).rejects.toThrow('the token of HF_TOKEN holds a space');
    await expect(failed).rejects.not.toThrow('ret');
    expect(fetched()).toEqual([]);
  });

  test('stays with the hub when a file lies elsewhere', async () => {
    const storage = await startHubServer([tiny]);
    try {
      server.onFile = ({ request, response }) =>
        response.writeHead(302, { location: `${storage.url}${request.url}` }).end();
      const folder = await hubFolder('org/tiny', { env: { ...env, HF_TOKEN: 'hf_secret' } });
      expect(await readFile(join(folder, 'model.safetensors'))).toEqual(weights);
      expect(sent()).toEqual(new Set(['Bearer hf_secret']));
      expect(storage.authorizations.length).toBe(3);
      expect(storage.authorizations.every(([, header]) => header === undefined)).toBe(true);
    } finally {
      await storage.close();
    }
  });
});

describe('a refusal is explained', () => {
  const gated = { 'x-error-code': 'GatedRepo' };
  test.each([
    [
      404,
      {},
      '',
      'has no such model (404); expected an id as on its page. Check the spelling. If it is private',
    ],
    [401, {}, '', 'has no such model (401)'],
    [404, { 'x-error-code': 'RepoNotFound' }, 'hf_x', 'The token of HF_TOKEN must belong to an account'],
    [401, {}, 'hf_x', 'the token of HF_TOKEN is not accepted (401)'],
    [
      401,
      gated,
      '',
      /gated, and no token was sent \(401\); .* Accept its terms on http:\S+\/org\/tiny, make a token on http:\S+\/settings\/tokens, and set HF_TOKEN/,
    ],
    [
      403,
      gated,
      'hf_x',
      /account of the token of HF_TOKEN has no access yet \(403\).*terms on http:\S+\/org\/tiny/,
    ],
    [403, { 'x-error-message': 'no inference' }, 'hf_x', 'token of HF_TOKEN (403) ("no inference")'],
    [404, { 'x-error-code': 'RevisionNotFound' }, '', 'has no revision "main"'],
    [404, { 'x-error-code': 'EntryNotFound' }, '', 'lists its listing and does not have it'],
    [
      418,
      { 'x-error-message': 'I am a teapot' },
      '',
      'answered 418 for its listing; expected 200. It says: "I am',
    ],
  ])('%i %j with token "%s"', async (status, headers, token, message) => {
    server.trouble = (_, response) => {
      response.writeHead(status, headers).end();
      return true;
    };
    await expect(hubFolder('org/tiny', { env: { ...env, HF_TOKEN: token } })).rejects.toThrow(message);
    // None of these pass by waiting.
    expect(fetched()).toEqual(['main?blobs=true']);
  });

  test('also when only the files are gated, as on the hub', async () => {
    server.onFile = ({ response }) => response.writeHead(401, gated).end();
    await expect(hubFolder('org/tiny', { env })).rejects.toThrow('it is gated, and no token was sent');
    await expect(lstat(inCache('refs'))).rejects.toThrow('ENOENT');
  });
});

describe('the disk', () => {
  test('that is too small is noticed before anything comes', async () => {
    const size = 2 ** 52;
    const file = { rfilename: 'model.safetensors', lfs: { sha256: '0'.repeat(64), size } };
    server.trouble = (_, response) => {
      response.end(JSON.stringify({ sha: COMMIT, siblings: [file] }));
      return true;
    };
    await expect(hubFolder('org/tiny', { env })).rejects.toThrow(
      /needs 4503599627370496 bytes more in .* are free/,
    );
    expect(fetched()).toEqual(['main?blobs=true']);
  });

  test('that refuses leaves nothing in the snapshot', async () => {
    await mkdir(inCache(), { recursive: true });
    await writeFile(inCache('blobs'), 'a file where a folder is needed');
    await expect(hubFolder('org/tiny', { env })).rejects.toThrow(/can't be written .*HF_HUB_CACHE/);
    await expect(readdir(inCache('snapshots'))).rejects.toThrow('ENOENT');
  });
});

test.each([
  ['org/name', 'org/name', undefined],
  ['Qwen/Qwen2.5-VL-3B@main', 'Qwen/Qwen2.5-VL-3B', 'main'],
  ['org/name@refs/pr/3', 'org/name', 'refs/pr/3'],
])('parseHubId(%j)', (text, id, revision) => {
  expect(isHubId(text)).toBe(true);
  expect(parseHubId(text)).toEqual({ id, revision });
});

test.each(['name', './models', '../x', 'a/b/c', '/a', 'a--b/c', 'a/b--c', 'a/b..c', 'a/b@', '@x', 'C:/x'])(
  'isHubId(%j) is false',
  (text) => {
    expect(isHubId(text)).toBe(false);
    expect(parseHubId(text)).toBeUndefined();
  },
);
