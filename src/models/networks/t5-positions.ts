/**
 * Returns the bucket of every pair of tokens, [query, key] flattened: near distances have one each, far ones share.
 *
 * Equation (T5, Raffel et al. 2020, section 2.1; n buckets, half of them for keys after the query; d the distance, e = ⌊n/4⌋):
 *   bucket = [key after query]·n/2 + (d < e ? d : min(n/2 - 1, e + ⌊ln(d/e) / ln(maxDistance/e) · (n/2 - e)⌋))
 * In single precision, as in transformers: at distances that are on a border rounding decides.
 */
export function relativePositionBuckets(
  tokens: number,
  { numBuckets, maxDistance }: { readonly numBuckets: number; readonly maxDistance: number },
): Int32Array {
  const side = Math.floor(numBuckets / 2);
  const exact = Math.floor(side / 2);
  const range = Math.fround(Math.log(maxDistance / exact));
  const ofDistance = Int32Array.from({ length: tokens }, (_, distance) => {
    if (distance < exact) return distance;
    const logarithm = Math.fround(Math.log(Math.fround(distance / exact)));
    const share = Math.fround(Math.fround(logarithm / range) * (side - exact));
    return Math.min(side - 1, exact + Math.trunc(share));
  });
  return Int32Array.from({ length: tokens * tokens }, (_, place) => {
    const distance = (place % tokens) - Math.floor(place / tokens);
    return (distance > 0 ? side : 0) + ofDistance[Math.abs(distance)]!;
  });
}
