import type { Command } from './command.ts';
import type { CommandSummary } from './help.ts';

/** A command's summary, and its file, which is loaded only when the command runs. */
export interface CommandEntry extends CommandSummary {
  load(): Promise<Command>;
}

export const commands: readonly CommandEntry[] = [
  {
    name: 'describe',
    summary: 'answer one question, most often about pictures',
    load: async () => (await import('./describe.ts')).describeCommand,
  },
  {
    name: 'chat',
    summary: 'talk with a model about pictures',
    load: async () => (await import('./chat.ts')).chatCommand,
  },
  {
    name: 'embed',
    summary: 'pictures and texts as vectors, with a CLIP or SigLIP model',
    load: async () => (await import('./embed.ts')).embedCommand,
  },
  {
    name: 'classify',
    summary: 'which of some labels fits a picture, with a CLIP or SigLIP model',
    load: async () => (await import('./classify.ts')).classifyCommand,
  },
  {
    name: 'search',
    summary: 'find pictures in a folder by what they show, with a CLIP or SigLIP model',
    load: async () => (await import('./search.ts')).searchCommand,
  },
  {
    name: 'serve',
    summary: "answer over HTTP, as OpenAI's API does",
    load: async () => (await import('./serve.ts')).serveCommand,
  },
  {
    name: 'batch',
    summary: 'caption, embed or classify a whole collection, here or on many machines',
    load: async () => (await import('./batch.ts')).batchCommand,
  },
  {
    name: 'worker',
    summary: 'do the pictures of batches that come by way of Redis',
    load: async () => (await import('./worker.ts')).workerCommand,
  },
  {
    name: 'train',
    summary: 'train a small CLIP, compare projectors, or ways to pool frames, as examples',
    load: async () => (await import('./train.ts')).trainCommand,
  },
  {
    name: 'sweep',
    summary: 'train a grid of architectures from a typed config, with a table and plots',
    load: async () => (await import('./sweep.ts')).sweepCommand,
  },
  {
    name: 'download',
    summary: 'fetch a model of the Hugging Face hub into the cache',
    load: async () => (await import('./download.ts')).downloadCommand,
  },
  {
    name: 'inspect',
    summary: 'what a checkpoint is, and the memory and image tokens it needs',
    load: async () => (await import('./inspect.ts')).inspectCommand,
  },
  {
    name: 'look',
    summary: 'draw what happens inside a model as it sees a picture',
    load: async () => (await import('./look.ts')).lookCommand,
  },
  {
    name: 'tune',
    summary: 'measure which kernels are the fastest here, and remember it',
    load: async () => (await import('./tune.ts')).tuneCommand,
  },
  {
    name: 'verify',
    summary: 'compare a model with its recorded reference, stage by stage',
    load: async () => (await import('./verify.ts')).verifyCommand,
  },
  {
    name: 'bench',
    summary: 'kernels, blocks and models, timed against the limits of the adapter',
    load: async () => (await import('./bench.ts')).benchCommand,
  },
  {
    name: 'doctor',
    summary: 'adapters and drivers of this machine, and how to get better ones',
    load: async () => (await import('./doctor.ts')).doctorCommand,
  },
];
