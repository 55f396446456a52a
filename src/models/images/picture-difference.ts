/**
 * Returns the root mean square of the differences of all numbers of pictures, picture by picture.
 *
 *     √(Σ (a - b)² / n)
 *
 * **Shapes**: `pictures` and `others` are lists of equal length; pictures of one place have equal lengths.
 * **Units**: those of the pictures; 0 where all are alike to the last bit, and where there is none.
 */
export function pictureDifference(
  pictures: readonly Float32Array[],
  others: readonly Float32Array[],
): number {
  let squares = 0;
  let count = 0;
  for (const [index, picture] of pictures.entries()) {
    const other = others[index] as Float32Array;
    for (let pixel = 0; pixel < picture.length; pixel++) {
      const difference = picture[pixel]! - other[pixel]!;
      squares += difference * difference;
    }
    count += picture.length;
  }
  return count === 0 ? 0 : Math.sqrt(squares / count);
}
