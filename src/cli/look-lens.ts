import { InputError } from '../core/errors.ts';
import { lensChart } from '../look/lens-chart.ts';
import { type LogitLens, logitLens } from '../look/logit-lens.ts';
import { answerPicture } from './look-answer.ts';
import type { Looked } from './look-sheet.ts';
import { formatTable } from './table.ts';

export interface LensLook {
  readonly lens: LogitLens;
  readonly question: string;
  readonly answer: string;
  readonly svg: string;
}

/** What each layer would write at the tokens of the model's own answer. */
export async function lookLens({
  opened: { kind, model },
  picture,
  values,
  signal,
}: Looked): Promise<LensLook> {
  if (kind === 'compares')
    throw new InputError(`look lens: ${model.name} writes nothing; expected a language model's checkpoint.`);
  const { request, question, text, tokens } = await answerPicture(model, picture, values, signal);
  const positions = tokens.map(({ writer }) => writer);
  const lens = await logitLens(model, request, { positions, ...(values.top && { top: values.top }) });
  return { lens, question, answer: text, svg: lensChart(lens, `“${text.trim()}”`) };
}

const WIDTH = 100;

/** The likeliest token of each layer with its probability, the last layer first; columns that do not fit go below. */
export function formatLens({ positions, layers }: LogitLens): string[] {
  const cells = [
    ['after', ...positions.map(({ text }) => text)],
    ...layers
      .toReversed()
      .map(({ layer, top }) => [
        layer === 0 ? 'embeddings' : `layer ${layer}`,
        ...top.map(([best]) => (best ? `${best.text} ${Math.round(100 * best.probability)}%` : '')),
      ]),
  ];
  const widths = positions.map((_, i) => Math.max(...cells.map((row) => (row[i + 1] ?? '').length)));
  const lines: string[] = [];
  for (let begin = 0; begin < positions.length; ) {
    let end = begin + 1;
    let width = 12 + (widths[begin] ?? 0);
    while (end < positions.length && width + 2 + (widths[end] ?? 0) <= WIDTH)
      width += 2 + (widths[end++] ?? 0);
    if (begin > 0) lines.push('');
    lines.push(...formatTable(cells.map((row) => [row[0] ?? '', ...row.slice(begin + 1, end + 1)])));
    begin = end;
  }
  return lines;
}
