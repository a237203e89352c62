import { ConfigError } from '../core/errors.ts';

/** Image tokens by a processor's own fields, against the features that the model packs. Throws ConfigError with both. */
export function checkTokenCount(where: string, what: string, tokens: number, features: number): void {
  if (tokens === features) return;
  throw new ConfigError(
    `${where}: its fields make ${tokens} image tokens of ${what}, but the model packs ${features} image features; expected as many tokens as features. Check it against vision_config and vision_feature_select_strategy of config.json.`,
  );
}
