import { ConfigError, UnsupportedError } from '../../core/errors.ts';
import { type ConfigReader, readConfig } from '../../models/config-reader.ts';

/** What `adapter_config.json` says of a LoRA adapter's numbers. */
export interface AdapterConfig {
  /** Rank of a module's A and B. */
  rankOf(module: string): number;
  /** What B A is multiplied by. */
  scaleOf(module: string): number;
}

/** Fields that ask for another method than W + scale · B A, with what they may be. */
const OTHER_METHODS: Readonly<Record<string, readonly unknown[]>> = {
  use_dora: [false],
  lora_bias: [false],
  use_qalora: [false],
  use_bdlora: [false],
  layer_replication: [],
  target_parameters: [],
  trainable_token_indices: [],
  alora_invocation_tokens: [],
  arrow_config: [],
};

/** Starting points that leave the base model's weights as they are; the others need a base of their own. */
const INITIALISATIONS: readonly unknown[] = [true, false, 'gaussian', 'orthogonal', 'eva'];

/**
 * Reads the `adapter_config.json` of PEFT's LoRA. `target_modules` and `modules_to_save` are not read: the tensors in the
 * file say the same. `fan_in_fan_out` counts for layers that store [in, out], which no model here has, and PEFT ignores
 * it for others.
 * Throws ConfigError for a wrong field, UnsupportedError for what is not plain LoRA.
 */
export function parseAdapterConfig(json: unknown, where: string): AdapterConfig {
  const config = readConfig(json, where);
  const type = config.string('peft_type');
  if (type !== 'LORA') {
    throw new UnsupportedError(
      `${where}: "peft_type" is "${type}"; expected "LORA", the one kind that merges.`,
    );
  }
  refuseOtherMethods(config);
  const rank = config.count('r');
  const alpha = config.number('lora_alpha');
  const ranks = parsePattern(config, 'rank_pattern');
  const alphas = parsePattern(config, 'alpha_pattern');
  const isRankStabilised = config.boolean('use_rslora', false);
  const rankOf = (module: string): number => ofModule(ranks, module) ?? rank;
  return {
    rankOf,
    // Kalajdzievski 2023, arXiv 2312.03732, divides by the root.
    scaleOf: (module) =>
      (ofModule(alphas, module) ?? alpha) / (isRankStabilised ? Math.sqrt(rankOf(module)) : rankOf(module)),
  };
}

function refuseOtherMethods(config: ConfigReader): void {
  const refuse = (field: string, expected: string): never => {
    throw new UnsupportedError(
      `${config.where}: "${field}" is ${JSON.stringify(config.value(field))}; expected ${expected}. Merge the adapter with PEFT (merge_and_unload) and load the result.`,
    );
  };
  for (const [field, allowed] of Object.entries(OTHER_METHODS)) {
    const value = config.has(field) ? config.value(field) : null;
    const isEmpty = value === null || (typeof value === 'object' && Object.keys(value ?? {}).length === 0);
    if (!isEmpty && !allowed.includes(value)) refuse(field, 'it to be left out, for plain LoRA');
  }
  if (config.string('bias', 'none') !== 'none') refuse('bias', '"none"');
  const start = config.has('init_lora_weights') ? config.value('init_lora_weights') : true;
  if (start !== null && !INITIALISATIONS.includes(start)) {
    refuse('init_lora_weights', 'one that leaves the base weights alone, such as true');
  }
}

type Pattern = readonly (readonly [module: string, value: number])[];

/** Values by module name, of which the last parts suffice. PEFT reads them as regular expressions, which these are not. */
function parsePattern(config: ConfigReader, field: string): Pattern {
  const pattern = config.optionalObject(field)?.json ?? {};
  return Object.entries(pattern).map(([module, value]) => {
    if (typeof value !== 'number' || !(value > 0)) {
      throw new ConfigError(
        `${config.where}: "${field}" has ${JSON.stringify(value)} for ${JSON.stringify(module)}; expected a positive number.`,
      );
    }
    if (!/^[\w.-]+$/.test(module)) {
      throw new UnsupportedError(
        `${config.where}: "${field}" has the regular expression ${JSON.stringify(module)}; expected names of modules, such as "layers.0.self_attn.q_proj".`,
      );
    }
    return [module, value];
  });
}

/** The first entry counts, as in PEFT. */
const ofModule = (pattern: Pattern, module: string): number | undefined =>
  pattern.find(([name]) => module === name || module.endsWith(`.${name}`))?.[1];
