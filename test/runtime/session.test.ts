import { afterEach, expect, test } from 'vitest';
import { compile } from '../../src/compile/compile.ts';
import { InputError, UnsupportedError } from '../../src/core/errors.ts';
import type { Device } from '../../src/device/gpu-device.ts';
import { Graph } from '../../src/graph/graph.ts';
import { interpret } from '../../src/graph/interpret.ts';
import { softmax } from '../../src/graph/softmax.ts';
import { createSession, type Session } from '../../src/runtime/session.ts';
import { createStateStore } from '../../src/runtime/state-store.ts';
import { createWeightStore } from '../../src/runtime/weight-store.ts';
import { describeOnAdapters } from '../adapters.ts';
import { maxError } from '../compile/run-ir.ts';

const values = (count: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(i) * 3);

function softmaxTwice(): Graph {
  const graph = new Graph();
  const x = graph.input('x', [3, 7], 'f32');
  graph.output('y', softmax(softmax(x).named('once')));
  return graph;
}

describeOnAdapters('session', (getDevice) => {
  const open: (() => void)[] = [];
  afterEach(() => {
    for (const dispose of open.splice(0)) dispose();
  });

  async function sessionOf(device: Device, graph: Graph, keep: readonly string[] = []): Promise<Session> {
    const weights = createWeightStore(device, new Map());
    const states = createStateStore(device);
    const session = await createSession(device, compile(graph, device.caps, { keep }), { weights, states });
    open.push(() => [session, weights, states].map((part) => part.dispose()));
    return session;
  }

  test('gives what the interpreter gives, named intermediates included', async () => {
    const graph = softmaxTwice();
    const session = await sessionOf(getDevice(), graph, ['once']);
    const x = values(21);
    const results = await session.runAndRead({ x }, ['y', 'once']);
    const expected = interpret(graph, { x });
    expect(maxError(results.y, expected.outputs.get('y'))).toBeLessThan(1e-6);
    expect(maxError(results.once, expected.named.get('once'))).toBeLessThan(1e-6);
  });

  test('f16 goes in and comes out as Float32Array, where shaders have it', async () => {
    const device = getDevice();
    const graph = new Graph();
    graph.output('y', softmax(graph.input('x', [3, 7], 'f16')));
    if (!device.caps.features.shaderF16) {
      expect(() => compile(graph, device.caps)).toThrow(UnsupportedError);
      return;
    }
    const session = await sessionOf(device, graph);
    const x = values(21);
    const { y } = await session.runAndRead({ x }, ['y']);
    expect(y).toBeInstanceOf(Float32Array);
    const error = maxError(y, interpret(graph, { x }).outputs.get('y'));
    // Both sides of the rounding: not exact, and no more than a few halves' steps off.
    expect(error).toBeGreaterThan(1e-7);
    expect(error).toBeLessThan(2e-3);
  });

  test('reads of earlier runs survive later ones', async () => {
    const graph = softmaxTwice();
    const session = await sessionOf(getDevice(), graph);
    const inputs = [1, 2, 3].map((scale) => values(21).map((value) => value * scale));
    const runs = await Promise.all(inputs.map((x) => session.runAndRead({ x }, ['y'])));
    runs.forEach(({ y }, i) => {
      const expected = interpret(graph, { x: inputs[i] ?? [] }).outputs.get('y');
      expect(maxError(y, expected)).toBeLessThan(1e-6);
    });
  });

  test('an output on the GPU can be the input of another session', async () => {
    const first = await sessionOf(getDevice(), softmaxTwice());
    const second = await sessionOf(getDevice(), softmaxTwice());
    const x = values(21);
    first.run({ x });
    const { y } = await second.runAndRead({ x: first.output('y') }, ['y']);
    const once = interpret(softmaxTwice(), { x }).outputs.get('y') ?? [];
    expect(maxError(y, interpret(softmaxTwice(), { x: once }).outputs.get('y'))).toBeLessThan(1e-6);
  });

  test('a hundred runs hold no more memory, and dispose gives all of it back', async () => {
    const device = getDevice();
    const before = device.memory.liveBytes;
    const session = await sessionOf(device, softmaxTwice());
    const x = values(21);
    await session.runAndRead({ x }, ['y']);
    const held = device.memory.liveBytes;
    expect(held).toBeGreaterThan(before);
    for (let i = 0; i < 100; i++) await session.runAndRead({ x }, ['y']);
    expect(device.memory.liveBytes).toBe(held);
    for (const dispose of open.splice(0)) dispose();
    expect(device.memory.liveBytes).toBe(before);
    expect(() => session.run({ x })).toThrow(InputError);
  });

  test('refuses inputs that do not fit, with the numbers', async () => {
    const session = await sessionOf(getDevice(), softmaxTwice());
    expect(() => session.run({})).toThrow(/input "x" is missing; expected f32 values of shape \[3, 7\]/);
    expect(() => session.run({ x: values(21), z: values(1) })).toThrow(/no input "z"; expected x/);
    expect(() => session.run({ x: values(20) })).toThrow(/got 20 values; expected 21 for shape \[3, 7\]/);
    expect(() => session.run({ x: new Int32Array(21) })).toThrow(/got a Int32Array for dtype f32/);
    await expect(session.read('nope')).rejects.toThrow(/no output "nope"; expected one of y/);
  });

  test('profiles every dispatch where the adapter has a clock', async () => {
    const device = getDevice();
    const session = await sessionOf(device, softmaxTwice());
    const x = values(21);
    if (!device.caps.features.timestampQuery) {
      await expect(session.profile({ x })).rejects.toThrow(/timestamp-query/);
      return;
    }
    const times = await session.profile({ x });
    expect(times.map(({ label }) => label)).toEqual(['softmax', 'softmax']);
    for (const { timeMs } of times) expect(timeMs).toBeGreaterThanOrEqual(0);
  });
});
