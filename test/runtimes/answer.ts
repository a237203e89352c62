/**
 * A program of its own, run by Node, Deno and Bun as it stands: `answer.ts CHECKPOINT IMAGE PROMPT MAX_NEW_TOKENS`
 * prints what the model answers greedily, as one line of JSON. The adapter is that of `TESSERA_ADAPTER`.
 */
import { loadModel } from '../../src/index.ts';

const [checkpoint, image, prompt = '', maxNewTokens] = process.argv.slice(2);
const model = await loadModel(checkpoint, { dtype: 'f32' });
const { tokenIds, text } = await model.generate({
  prompt,
  images: image === undefined ? [] : [image],
  maxNewTokens: Number(maxNewTokens),
  raw: true,
  greedy: true,
});
process.stdout.write(`${JSON.stringify({ tokenIds, text, adapterName: model.adapterName })}\n`);
model.dispose();
