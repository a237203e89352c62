/** A program of its own, run by Node, Deno and Bun: prints the adapter they come to, and what is odd about it. */
import { requestDevice } from '../../src/index.ts';

const { caps, notice, dispose } = await requestDevice();
process.stdout.write(`${caps.adapterName}\n${notice}\n`);
dispose();
