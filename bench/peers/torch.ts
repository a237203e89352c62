import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { isModelCase } from './model-case.ts';
import type { PeerReply, PeerRequest } from './peer.ts';
import { type AnyCase, caseValues, tensorsOf } from './peer-case.ts';
import { type PeerHost, type PeerLine, peerHost } from './peer-host.ts';
import { ADAMW, TRAINED_STEPS } from './train-case.ts';

/** torch on the CPU, which trains only; by the interpreter that `TORCH_PYTHON` names. */
export function torchHost(name: string, limitMs: () => number): PeerHost {
  return peerHost(name, connect, limitMs);
}

async function connect(): Promise<PeerLine> {
  const python = process.env.TORCH_PYTHON;
  if (!python) throw new Error('TORCH_PYTHON names no Python that has torch');
  const child = spawn(python, [join(import.meta.dirname, 'torch-train.py')], {
    stdio: ['pipe', 'pipe', process.env.TESSERA_DEBUG ? 'inherit' : 'ignore'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const spawned = once(child, 'spawn').then(
    () => undefined,
    (error: Error) => error.message,
  );
  const next = async (): Promise<PeerReply> => {
    const { value, done } = await lines.next();
    return done ? { ok: false, reason: `${python} ended` } : (JSON.parse(value) as PeerReply);
  };
  const failed = await spawned;
  if (failed !== undefined) throw new Error(failed);
  const hello = await next();
  if (!hello.ok) throw new Error(`${hello.reason}: it has no torch, or can't be run`);
  let reps = 1;
  return {
    async ask(request) {
      // It is asked before every case; only a training needs the process.
      if (request.kind === 'variants') return { ok: true, value: trains(request.one) ? 1 : 0 };
      if (request.kind === 'open') ({ reps } = request.one);
      child.stdin.write(`${JSON.stringify(messageOf(request, reps))}\n`);
      return next();
    },
    async end() {
      child.kill('SIGKILL');
    },
  };
}

const trains = ({ op, dtype }: AnyCase): boolean => op === 'train step' && dtype === 'f32';

function messageOf(request: PeerRequest, reps: number): object {
  if (request.kind !== 'open') return { kind: request.kind, reps };
  const { one } = request;
  if (isModelCase(one)) throw new Error('torch trains alone');
  const tensors = Object.fromEntries(
    Object.entries(tensorsOf(one)).map(([name, shape]) => [
      name,
      { shape, data: Buffer.from(caseValues(one, name).buffer).toString('base64') },
    ]),
  );
  return { kind: 'open', one, tensors, adamw: ADAMW, steps: TRAINED_STEPS };
}
