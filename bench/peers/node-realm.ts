import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { findCarriedDriver } from '../../src/device/driver-cache.ts';
import { driverManifests } from '../../src/device/vulkan-loader.ts';
import type { PeerReply } from './peer.ts';
import { type PeerHost, type PeerLine, peerHost } from './peer-host.ts';

/** An engine in a process of Node, with `adapter` as the only one it can find. */
export function nodeHost(name: string, folder: string, adapter: string, limitMs?: () => number): PeerHost {
  const connect = async (): Promise<PeerLine> => {
    const manifest = await manifestOf(adapter);
    const child = fork(join(import.meta.dirname, 'node-child.ts'), [name, folder, adapter], {
      execArgv: ['--import', import.meta.resolve('tsx')],
      env: { ...process.env, ...(manifest ? { VK_DRIVER_FILES: manifest } : {}) },
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', process.env.TESSERA_DEBUG ? 'inherit' : 'ignore', 'ipc'],
    });
    const line = lineTo(child);
    const hello = await nextReply(child);
    if (hello.ok) return line;
    await line.end();
    throw new Error(hello.reason);
  };
  return peerHost(name, connect, limitMs);
}

/**
 * The driver that has the adapter, where there is a choice: an engine with its own Dawn can't be told an adapter's name,
 * but the Vulkan loader can be told a driver. Undefined for real GPUs: there the system's drivers are kept.
 */
async function manifestOf(adapter: string): Promise<string | undefined> {
  if (/llvmpipe|lavapipe/i.test(adapter)) return driverManifests().find((path) => /lvp_icd/.test(path));
  if (/swiftshader/i.test(adapter)) return (await findCarriedDriver())?.icdPath;
  return undefined;
}

function lineTo(child: ChildProcess): PeerLine {
  return {
    async ask(request) {
      const reply = nextReply(child);
      if (child.connected) child.send(request);
      return reply;
    },
    async end() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      await new Promise<void>((resolve) => {
        child.once('exit', () => resolve());
        // Engines hold devices that keep a process alive.
        child.kill('SIGKILL');
      });
    },
  };
}

/** The next message, or why there will be none. */
function nextReply(child: ChildProcess): Promise<PeerReply> {
  return new Promise((resolve) => {
    const settle = (reply: PeerReply): void => {
      child.off('message', settle);
      child.off('exit', left);
      resolve(reply);
    };
    const left = (code: number | null, signal: string | null): void =>
      settle({ ok: false, reason: `its process ended with ${signal ?? code}` });
    if (child.exitCode !== null || child.signalCode !== null) left(child.exitCode, child.signalCode);
    child.once('message', settle);
    child.once('exit', left);
  });
}
