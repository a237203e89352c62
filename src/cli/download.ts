import { isHubId } from '../weights/hub/hub-id.ts';
import { defineCommand } from './command.ts';
import { downloadHubModel } from './hub-model.ts';
import { UsageError } from './usage-error.ts';

export const downloadCommand = defineCommand({
  name: 'download',
  details: [
    'Prints the folder that holds the model, in the cache that other Hugging Face tools use. Fetches what Tessera reads: config, tokenizer, templates and safetensors, each compared with its hash. What is there already is not fetched again; what was interrupted goes on where it stopped.',
    'Of a gated model, accept the terms on its page and set HF_TOKEN to a token of your account. HF_HOME or HF_HUB_CACHE moves the cache, HF_TOKEN_PATH names a file with the token, HF_ENDPOINT another hub; with HF_HUB_OFFLINE=1 the cache alone is asked.',
  ].join('\n\n'),
  operands: { usage: 'ORG/NAME[@REV]', min: 1, max: 1 },
  options: {
    revision: {
      kind: 'text',
      value: 'REV',
      help: 'branch, tag or commit, another way to write @REV; default main',
    },
  },
  examples: [
    'tessera download llava-hf/llava-1.5-7b-hf',
    'tessera download llava-hf/llava-1.5-7b-hf@main',
    'HF_TOKEN=hf_... tessera download google/paligemma-3b-mix-224 --revision float16',
    'tessera describe photo.jpg --model "$(tessera download llava-hf/llava-1.5-7b-hf)"',
  ],
  async run({ revision }, [id = ''], terminal) {
    if (!isHubId(id)) {
      throw new UsageError(`download: "${id}" is no hub id; expected org/name or org/name@revision.`);
    }
    try {
      terminal.stdout.write(`${await downloadHubModel(id, revision, terminal)}\n`);
      return 0;
    } catch (error) {
      if (terminal.signal.aborted)
        terminal.stderr.write('The same command goes on where this one stopped.\n');
      throw error;
    }
  },
});
