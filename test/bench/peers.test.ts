import { describe, expect, test } from 'vitest';
import { arePeersInstalled, peersFolder } from '../../bench/peers/install.ts';
import { measurePeers } from '../../bench/peers/measure-peers.ts';
import { OURS } from '../../bench/peers/names.ts';
import { nodeHost } from '../../bench/peers/node-realm.ts';
import { caseValues, type PeerCase, shapeName, tensorsOf } from '../../bench/peers/peer-case.ts';
import { morePeerCases, peerCases } from '../../bench/peers/peer-cases.ts';
import type { PeerHost } from '../../bench/peers/peer-host.ts';
import { expectedResult, whyWrong } from '../../bench/peers/result-check.ts';
import { describeOnAdapters } from '../adapters.ts';

const matmul: PeerCase = { op: 'matmul', m: 5, k: 8, n: 4, dtype: 'f32', reps: 2 };
const softmax: PeerCase = { op: 'softmax', rows: 3, cols: 7, dtype: 'f32', reps: 2 };
const vit: PeerCase = { op: 'vit block', seq: 3, hidden: 8, heads: 2, mlp: 16, dtype: 'f32', reps: 1 };
const step: PeerCase = {
  op: 'decoder step',
  hidden: 16,
  heads: 4,
  kvHeads: 2,
  mlp: 24,
  layers: 2,
  past: 5,
  dtype: 'f32',
  reps: 1,
};
const train: PeerCase = { op: 'train step', seq: 3, hidden: 8, heads: 2, mlp: 16, dtype: 'f32', reps: 1 };
const q4: PeerCase = { op: 'matvec', k: 64, n: 6, dtype: 'q4', reps: 1 };
const isInstalled = await arePeersInstalled();

describe('what engines are asked', () => {
  test('has names of its own', () => {
    const names = [...peerCases, ...morePeerCases].map((one) => `${one.op} ${shapeName(one)} ${one.dtype}`);
    expect(new Set(names).size).toBe(names.length);
    expect(new Set(peerCases.map(({ op }) => op))).toEqual(
      new Set([
        'matmul',
        'matvec',
        'softmax',
        'layernorm',
        'attention',
        'vit block',
        'decoder step',
        'train step',
      ]),
    );
  });

  test('has a reference that a plain product confirms', () => {
    const [a, b] = [caseValues(matmul, 'a'), caseValues(matmul, 'b')];
    const expected = Float64Array.from({ length: 20 }, (_, i) => {
      let sum = 0;
      for (let k = 0; k < 8; k++) sum += (a[Math.floor(i / 4) * 8 + k] ?? 0) * (b[k * 4 + (i % 4)] ?? 0);
      return sum;
    });
    const reference = expectedResult(matmul);
    expect(reference.length).toBe(20);
    reference.forEach((value, i) => void expect(value).toBeCloseTo(expected[i] ?? Number.NaN, 12));
  });

  test('is a loss that a training lowers', () => {
    const losses = [...expectedResult(train)];
    expect(losses.length).toBe(3);
    expect(losses[1]).toBeLessThan(losses[0] ?? 0);
    expect(losses[2]).toBeLessThan(losses[1] ?? 0);
  });

  test('is told apart from a result that is off anywhere', () => {
    const expected = expectedResult(softmax);
    expect(whyWrong(softmax, Float32Array.from(expected), expected)).toBeUndefined();
    const off = Float32Array.from(expected);
    off[20] = (off[20] ?? 0) + 0.01;
    expect(whyWrong(softmax, off, expected)).toMatch(/^wrong result: 4.8 % of 21 elements are off/);
    off[20] = Number.NaN;
    expect(whyWrong(softmax, off, expected)).toMatch(/^wrong result: 4.8 %/);
    expect(whyWrong(softmax, off.subarray(1), expected)).toBe('wrong result: 20 elements; expected 21');
  });

  test('is exact in half precision where it is f16', () => {
    const half: PeerCase = { ...softmax, dtype: 'f16' };
    for (const value of caseValues(half, 'x')) expect(Math.abs(Math.fround(value * 2 ** 24) % 1)).toBe(0);
    expect(Object.keys(tensorsOf(half))).toEqual(['x']);
  });
});

describeOnAdapters('engines', (getDevice) => {
  const measure = async (one: PeerCase, hosts: readonly PeerHost[]) => {
    const options = {
      expected: async () => expectedResult(one),
      secondsPerCase: 0,
      leastRounds: 1,
      mostRounds: 1,
    };
    return (await measurePeers(getDevice(), one, hosts, options, () => undefined))[0]?.timings ?? {};
  };

  test('this one gives the reference, in a process of its own', async () => {
    const host = nodeHost(OURS, '', getDevice().caps.adapterName);
    try {
      for (const one of [matmul, softmax, vit, step, train, q4]) {
        const timings = await measure(one, [host]);
        expect(timings).toEqual({
          tessera: {
            median: expect.any(Number),
            p10: expect.any(Number),
            p90: expect.any(Number),
            samples: 1,
            cpuMs: expect.any(Number),
          },
        });
      }
    } finally {
      await host.dispose();
    }
  });

  const title = `and a peer beside it, in turn${isInstalled ? '' : ' (skipped: no peers in the cache; run tessera bench --peers)'}`;
  test.skipIf(!isInstalled)(title, async () => {
    const { adapterName } = getDevice().caps;
    const hosts = [nodeHost(OURS, '', adapterName), nodeHost('tfjs', peersFolder(), adapterName)];
    try {
      for (const one of [matmul, softmax, train]) {
        const timings = await measure(one, hosts);
        expect(Object.keys(timings)).toEqual(['tessera', 'tfjs']);
        for (const timing of Object.values(timings)) expect(timing).toMatchObject({ samples: 1 });
      }
      expect(await measure(q4, hosts)).toMatchObject({ tfjs: { reason: 'has no q4 matvec' } });
    } finally {
      for (const host of hosts) await host.dispose();
    }
  });

  test('that is not there says so', async () => {
    const host = nodeHost('abacus', '', getDevice().caps.adapterName);
    const timings = await measure(matmul, [host]);
    expect(timings).toEqual({ abacus: { reason: 'there is no peer "abacus"' } });
    await host.dispose();
  });
});
