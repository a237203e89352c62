import { ConfigError, UnsupportedError } from '../../core/errors.ts';
import type { ConfigReader } from '../config-reader.ts';

/** Keys a query of each layer sees, counted back from itself; null sees all. */
export type LayerWindows = readonly (number | null)[];

/**
 * `window` in the layers that `layer_types` calls sliding; in files older than that field, in those that `slides` says.
 * Throws ConfigError for a list of another length, UnsupportedError for layers of another kind.
 */
export function readLayerWindows(
  json: ConfigReader,
  numHiddenLayers: number,
  window: number | null,
  slides: (layer: number) => boolean,
): LayerWindows {
  if (!json.has('layer_types')) {
    return Array.from({ length: numHiddenLayers }, (_, layer) => (slides(layer) ? window : null));
  }
  const layerTypes = json.strings('layer_types');
  if (layerTypes.length !== numHiddenLayers) {
    throw new ConfigError(
      `${json.where}: "layer_types" names ${layerTypes.length} layers; expected ${numHiddenLayers}, as num_hidden_layers says.`,
    );
  }
  return layerTypes.map((type, layer) => {
    if (type === 'sliding_attention') return window;
    if (type === 'full_attention') return null;
    throw new UnsupportedError(
      `${json.where}: "layer_types" calls layer ${layer} "${type}"; expected "sliding_attention" or "full_attention".`,
    );
  });
}
