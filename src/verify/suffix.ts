import type { CheckpointAssets } from '../generate/checkpoint-assets.ts';
import type { ModelRuntime } from '../generate/sessions.ts';
import type { CheckpointFiles } from '../weights/checkpoint-files.ts';
import { compareIds, compareValues } from './compare.ts';
import { withAnswer } from './generated.ts';
import { makePrompt, verifyInputs } from './inputs.ts';
import type { Reference, SuffixRun } from './reference.ts';
import type { StageResult } from './stage-result.ts';
import { captureDecoder, nextTokenLoss } from './stages.ts';

/** The label of tokens that are not to be learnt. */
const IGNORED = -100;
const LAST_ROWS = 'logits_last8';

/** Tokens, logits and loss of a prompt and the answer that training gives it, which ends in the end token. */
export async function* verifySuffix(
  runtime: ModelRuntime,
  assets: CheckpointAssets,
  files: CheckpointFiles,
  reference: Reference,
  run: SuffixRun,
  tolerance: number,
): AsyncGenerator<StageResult> {
  const { tokenizer } = assets;
  const { prompt, note } = await makePrompt(assets, files, run, run.prompts[0] ?? '');
  const end = tokenizer.special.eos?.text ?? '';
  const answer = tokenizer.encode(run.suffix + end, { addSpecialTokens: false });
  const whole = withAnswer(prompt, answer);
  yield* verifyInputs({ prompt: whole, note }, reference, run, 0);
  const whereOf = (stage: string) => ({ run: run.name, stage, shape: reference.shape(run, stage) });
  const labels = [...prompt.tokenIds.map(() => IGNORED), ...answer];
  yield compareIds(whereOf('inputs.labels'), labels, [...(await reference.integers(run, 'inputs.labels'))]);

  const captured = await captureDecoder(runtime, reference, run, whole, ['logits']);
  const logits = captured.get('logits') ?? new Float32Array();
  const expected = await reference.floats(run, LAST_ROWS);
  yield compareValues(whereOf(LAST_ROWS), logits.subarray(-expected.length), expected, tolerance);
  const loss = nextTokenLoss(logits, whole.tokenIds, runtime.model.text.vocabSize, prompt.tokenIds.length);
  yield compareValues(whereOf('loss'), [loss], await reference.floats(run, 'loss'), tolerance);
}
