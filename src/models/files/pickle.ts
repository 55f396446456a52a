/**
 * Whether a file begins as torch.save leaves it: a zip archive, as since 1.6, or the first opcode of a pickle (PROTO, versions
 * 2 to 5). What a file is called says nothing about what would happen to whoever loaded it.
 *
 * @param first The first bytes of the file, at least 8 where it has as many.
 */
export function isPickle(first: Uint8Array): boolean {
  const [a, b = 0, c, d] = first;
  const isZip = a === 0x50 && b === 0x4b && c === 3 && d === 4;
  // Of a safetensors file these are the length of its header: 8 bytes, of which the last ones are zero.
  return isZip || (a === 0x80 && b >= 2 && b <= 5 && first.subarray(4, 8).some((byte) => byte !== 0));
}

/** Why a pickle is refused, whatever it may hold. */
export const WHY_NO_PICKLE = 'a pickle, which can run any code when it is loaded and is never read here';
