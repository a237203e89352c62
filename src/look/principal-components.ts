import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { InputError } from '../core/errors.ts';

/** Points of a map. */
export interface PrincipalComponents {
  /** Of each vector, its coordinates along the components, the widest first. */
  readonly points: readonly (readonly number[])[];
  /** Share of all variance that each component holds, 0 to 1. */
  readonly explained: readonly number[];
}

/**
 * Principal component analysis (Pearson 1901): the directions along which vectors differ most. Each component points so
 * that the vector farthest out along it lies on its positive side. Throws InputError for vectors of unlike lengths.
 */
export function principalComponents(vectors: readonly ArrayLike<number>[], count = 2): PrincipalComponents {
  const [{ length: width } = { length: 0 }] = vectors;
  const unlike = vectors.find(({ length }) => length !== width);
  if (unlike || width === 0) {
    throw new InputError(
      `map: vectors have ${width} and ${unlike?.length ?? 0} values; expected one or more vectors of one model.`,
    );
  }
  const rows = Matrix.checkMatrix(vectors.map((vector) => Array.from(vector)));
  const centred = rows.subRowVector(rows.mean('column'));
  const transposed = centred.transpose();
  // Of the two products with the same eigenvalues, the smaller.
  const isWide = width > vectors.length;
  const gram = isWide ? centred.mmul(transposed) : transposed.mmul(centred);
  const decomposition = new EigenvalueDecomposition(gram, { assumeSymmetric: true });
  // Ascending, and not below zero but for rounding.
  const variances = decomposition.realEigenvalues.map((value) => Math.max(value, 0));
  const total = variances.reduce((sum, value) => sum + value, 0);
  const components = Array.from({ length: count }, (_, i) => {
    const at = variances.length - 1 - i;
    if (at < 0) return { coordinates: vectors.map(() => 0), share: 0 };
    const eigenvector = decomposition.eigenvectorMatrix.getColumnVector(at);
    const along = isWide ? eigenvector.mul(Math.sqrt(variances[at] ?? 0)) : centred.mmul(eigenvector);
    const coordinates = along.to1DArray();
    const farthest = coordinates.reduce((far, value) => (Math.abs(value) > Math.abs(far) ? value : far), 0);
    return {
      coordinates: coordinates.map((value) => (farthest < 0 ? 0 - value : value)),
      share: total > 0 ? (variances[at] ?? 0) / total : 0,
    };
  });
  return {
    points: vectors.map((_, i) => components.map(({ coordinates }) => coordinates[i] ?? 0)),
    explained: components.map(({ share }) => share),
  };
}
