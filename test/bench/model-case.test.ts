import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { measurePeers } from '../../bench/peers/measure-peers.ts';
import {
  type ModelAnswer,
  type ModelCase,
  openModelCase,
  PROMPT,
  prefillOf,
  whyOtherTokens,
} from '../../bench/peers/model-case.ts';
import { caseOfModel } from '../../bench/peers/model-checkpoint.ts';
import { OURS } from '../../bench/peers/names.ts';
import { peerCaseName } from '../../bench/peers/peer-case.ts';
import { peerHost } from '../../bench/peers/peer-host.ts';
import { PEERS, serves } from '../../bench/peers/peers.ts';
import { servePeer } from '../../bench/peers/serve-peer.ts';
import { tesseraModels } from '../../bench/peers/tessera-models.ts';
import { loadModel } from '../../src/generate/load-model.ts';
import { describeOnAdapters } from '../adapters.ts';

const LLAMA = 'test/goldens/llama3_text';
const decode: ModelCase = {
  op: 'model decode',
  folder: '/models/llama',
  name: 'llama',
  promptTokens: 3,
  dtype: 'f32',
  reps: 2,
};

/** An engine that writes 7, 8, 9, ... after the prompt 1, 2, 3, and a log of what it was asked. */
function counting(log: string[], most = Number.POSITIVE_INFINITY): (newTokens: number) => ModelAnswer {
  return (newTokens) => {
    log.push(`ask ${newTokens}`);
    const first = Promise.resolve().then(() => void log.push('first'));
    const ids = first.then(() => {
      log.push('last');
      return [1, 2, 3, ...Array.from({ length: Math.min(newTokens, most) }, (_, i) => 7 + i)];
    });
    return { first, ids };
  };
}

describe('a whole model', () => {
  test('is two rows with names of their own, asked of engines that have models', () => {
    expect([prefillOf(decode), decode].map(peerCaseName)).toEqual([
      'model prefill llama seq=3 f32',
      'model decode llama past=3 f32',
    ]);
    const served = Object.keys(PEERS).filter((name) => serves(name, decode));
    expect(served).toEqual([OURS, 'transformers.js']);
    const softmax = { op: 'softmax', rows: 1, cols: 1, dtype: 'f32', reps: 1 } as const;
    expect(serves('transformers.js', softmax)).toBe(false);
    expect(serves('tfjs', softmax)).toBe(true);
  });

  test('gives the ids of prompt and answer', async () => {
    expect([...(await openModelCase(decode, counting([])).read())]).toEqual([1, 2, 3, 7, 8, 9]);
    await expect(openModelCase(decode, counting([], 2)).read()).rejects.toThrow(
      '5 tokens; expected 3 and 3 new',
    );
  });

  test('is past its first token before the rest is timed', async () => {
    const log: string[] = [];
    const open = openModelCase(decode, counting(log));
    await open.prepare?.();
    log.push('timed');
    await open.run();
    expect(log.filter((what) => what !== 'last')).toEqual(['ask 3', 'first', 'timed']);
    await open.prepare?.();
    expect(log.filter((what) => what.startsWith('ask'))).toEqual(['ask 3', 'ask 3']);
  });

  test('is wrong by its first other token', () => {
    const expected = [1, 2, 3, 7, 8, 9];
    expect(whyOtherTokens(decode, expected, expected)).toBeUndefined();
    expect(whyOtherTokens(decode, [1, 5, 3, 7, 8, 8], expected)).toBe(
      'wrong result: token 2 of the prompt is 5; expected 2',
    );
    expect(whyOtherTokens(decode, [1, 2, 3, 7, 8, 8], expected)).toBe(
      'wrong result: new token 3 is 8; expected 9',
    );
    expect(whyOtherTokens(decode, [1], expected)).toBe('wrong result: 1 tokens; expected 6');
  });

  test('needs its ONNX form beside it', async () => {
    await expect(caseOfModel(LLAMA, 2)).rejects.toThrow(
      /^--model .*llama3_text: there is no onnx\/model\.onnx/,
    );
    const folder = await mkdtemp(join(tmpdir(), 'model-'));
    try {
      await cp(LLAMA, folder, { recursive: true });
      await mkdir(join(folder, 'onnx'));
      await writeFile(join(folder, 'onnx/model.onnx'), '');
      const one = await caseOfModel(folder, 2);
      expect(one).toMatchObject({ op: 'model decode', reps: 2 });
      expect(one.promptTokens).toBeGreaterThan(100);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describeOnAdapters('a whole model in this engine', (getDevice) => {
  test('writes what loadModel writes', async () => {
    const device = getDevice();
    const model = await loadModel(LLAMA, { device, dtype: 'f32' });
    const answer = await model.generate({
      prompt: PROMPT,
      raw: true,
      greedy: true,
      seed: 1,
      maxNewTokens: 3,
    });
    model.dispose();
    const { promptTokenIds, tokenIds } = answer;
    const one = { ...decode, folder: resolve(LLAMA), promptTokens: promptTokenIds.length };
    const noOps = {
      version: '',
      variants: () => 0,
      open: () => Promise.reject(new Error('asked for an op')),
    };
    const ask = servePeer({ ...noOps, models: tesseraModels(device) });
    const host = peerHost(OURS, async () => ({ ask, end: async () => undefined }));
    const expected = async () => [...promptTokenIds, ...tokenIds];
    const options = { expected, secondsPerCase: 0, leastRounds: 1, mostRounds: 1 };
    try {
      const rows = await measurePeers(device, one, [host], options, () => undefined);
      expect(rows.map((row) => row.one.op)).toEqual(['model prefill', 'model decode']);
      for (const { timings, costs } of rows) {
        expect(timings).toMatchObject({ tessera: { median: expect.any(Number), samples: 1 } });
        expect(costs.length).toBeGreaterThan(10);
      }
    } finally {
      await host.dispose();
    }
  });
});
