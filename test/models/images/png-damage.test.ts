import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodePng } from '../../../src/models/images/picture.js';
import { pngDamage } from '../../../src/models/images/png-damage.js';

const whole = encodePng({
  width: 6,
  height: 8,
  data: Uint8Array.from({ length: 6 * 8 * 3 }, (_, index) => (index * 37) % 256),
});
const changed = (at: number, ...bytes: number[]) => {
  const copy = Uint8Array.from(whole);
  copy.set(bytes, at);
  return copy;
};

describe('pngDamage', () => {
  test('should find nothing wrong with what is written here, also within a larger buffer', async () => {
    expect(await pngDamage(whole)).toBeNull();
    const shared = new Uint8Array(whole.length + 9);
    shared.set(whole, 7);
    expect(await pngDamage(shared.subarray(7, 7 + whole.length))).toBeNull();
  });

  test.each([
    ['nothing', new Uint8Array(), 'an empty file'],
    ['zeros', new Uint8Array(400), 'a file that is not a PNG'],
    ['a word', Buffer.from('picture'), 'a file that is not a PNG'],
    ['its first half', whole.subarray(0, whole.length / 2), 'a PNG that is cut short'],
    ['its signature', whole.subarray(0, 8), 'a PNG that is cut short'],
    ['another first chunk', changed(12, 0x49, 0x44), 'a PNG without a header'],
    ['no width', changed(16, 0, 0, 0, 0), 'a PNG of 0 x 8'],
    ['a vast width', changed(16, 255), 'a PNG of 4278190086 x 8'],
    ['another height', changed(23, 9), 'a PNG whose pixels are damaged'],
    ['another pixel', changed(50, whole[50]! ^ 1), 'a PNG whose pixels are damaged'],
  ])('should find the damage of %s', async (_, png, damage) => {
    expect(await pngDamage(png)).toBe(damage);
  });

  test('should judge any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(whole.length - 1),
        fc.uint8Array({ minLength: 1, maxLength: 4 }),
        async (at, bytes) => {
          const png = Uint8Array.from(whole);
          png.set(bytes.subarray(0, whole.length - at), at);
          expect(['string', 'object']).toContain(typeof (await pngDamage(png)));
        },
      ),
      { numRuns: 200 },
    );
  });
});
