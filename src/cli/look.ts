import { nearestName } from '../core/nearest.ts';
import { loadPicture } from '../image/load-picture.ts';
import { defineCommand, type Terminal } from './command.ts';
import { lookAttention, lookRollout } from './look-attention.ts';
import { formatLens, lookLens } from './look-lens.ts';
import { lookMap } from './look-map.ts';
import { type LookModel, openLookModel } from './look-model.ts';
import { checkLookOptions, KINDS, type Kind, type LookValues, lookOptions } from './look-options.ts';
import { defaultOutput, drawSheet, writeDrawing } from './look-output.ts';
import type { LookSheet } from './look-sheet.ts';
import { lookSimilarity } from './look-similarity.ts';
import { readStdin, STDIN } from './read-stdin.ts';
import { UsageError } from './usage-error.ts';

const SHEETS = { attention: lookAttention, rollout: lookRollout, similarity: lookSimilarity } as const;

export const lookCommand = defineCommand({
  name: 'look',
  details: [
    'Draws what happens inside a model as it sees a picture, as SVG or PNG, and names the file on stdout:',
    '  attention   where the decoder looks as it writes each word, or where a tower looks, layer by layer\n  rollout     the same through all layers at once\n  similarity  where in the picture a text is\n  lens        what each layer would write, had it been the last: a table on stdout\n  map         the pictures of a FOLDER, those that the model sees alike close together',
    'A model that writes answers the question first, and its own answer is what is looked at. CLIP and SigLIP checkpoints have attention, rollout, similarity and map. A picture is a path, an http(s) address, or - for standard input.',
    '--json prints the numbers behind the drawing: { kind, model, adapter, ... }.',
  ].join('\n\n'),
  operands: { usage: `${KINDS.join('|')} PICTURE|FOLDER`, min: 2, max: 2 },
  options: lookOptions,
  examples: [
    'tessera look attention photo.jpg',
    'tessera look attention photo.jpg --token cat --layer all --head all --output cat.png',
    'tessera look attention photo.jpg --of vision --from 50,50',
    'tessera look similarity photo.jpg --text "a cat" --model openai/clip-vit-base-patch32',
    'tessera look lens photo.jpg --prompt "What is this?"',
    'tessera look map ~/Pictures --output pictures.svg',
  ],
  async run(values, [given = '', input = ''], terminal) {
    const kind = kindOf(given);
    checkLookOptions(kind, values);
    if (kind === 'map') return showMap(values, input, terminal);
    const { signal } = terminal;
    const picture = await loadPicture(input === STDIN ? await readStdin(terminal) : input, { signal });
    const path = values.output ?? defaultOutput(input === STDIN ? 'picture' : input, kind);
    const opened = await openLookModel(values, terminal);
    const looked = { opened, picture, values, signal };
    try {
      if (kind === 'lens') {
        const { lens, question, answer, svg } = await lookLens(looked);
        if (values.json) writeJson(kind, opened, { question, answer, ...lens }, terminal);
        else terminal.stdout.write(`${formatLens(lens).join('\n')}\n`);
        if (values.output !== undefined) await writeDrawing(path, svg, terminal, values.json);
        return 0;
      }
      const sheet = await SHEETS[kind](looked);
      if (values.json) writeJson(kind, opened, sheetJson(sheet), terminal);
      if (!values.json || values.output !== undefined)
        await writeDrawing(path, await drawSheet(picture, sheet), terminal, values.json);
      return 0;
    } finally {
      opened.model.dispose();
    }
  },
});

function kindOf(given: string): Kind {
  const kind = KINDS.find((name) => name === given);
  if (kind) return kind;
  const near = nearestName(given, KINDS);
  throw new UsageError(
    `look can't show "${given}". ${near ? `Did you mean ${near}?` : `Expected one of ${KINDS.join(', ')}.`}`,
  );
}

async function showMap(values: LookValues, folder: string, terminal: Terminal): Promise<number> {
  const opened = await openLookModel(values, terminal);
  try {
    const { svg, ...map } = await lookMap(opened, folder, terminal);
    for (const { path, problem } of map.skipped) terminal.stderr.write(`skipped ${path}: ${problem}\n`);
    if (values.json) writeJson('map', opened, map, terminal);
    if (!values.json || values.output !== undefined)
      await writeDrawing(values.output ?? defaultOutput(folder, 'map'), svg, terminal, values.json);
    return 0;
  } finally {
    opened.model.dispose();
  }
}

/** A sheet without what is only about its looks. */
const sheetJson = ({ title, subtitle, panels }: LookSheet) => ({
  title,
  subtitle,
  panels: panels.map(({ facts, maps }) => ({
    ...facts,
    maps: maps.map(({ values, ...map }) => ({ ...map, values: [...values] })),
  })),
});

const writeJson = (kind: Kind, { model }: LookModel, numbers: object, { stdout }: Terminal): void =>
  void stdout.write(
    `${JSON.stringify({ kind, model: model.name, adapter: model.adapterName, ...numbers })}\n`,
  );
