import { basename } from 'node:path';

/** What reports and `--filter` call the model of a checkpoint folder; undefined is the built-in model. */
export const modelName = (folder: string | undefined): string =>
  folder === undefined ? 'built-in' : basename(folder);
