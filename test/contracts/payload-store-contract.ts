import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Claim, PayloadStore } from '../../src/streams/transport/wire/payload-store.js';
import { faultOf } from '../fixtures/fault-of.js';

/** A store, and hands that reach around it to where the bytes lie. */
export interface StoreUnderTest {
  readonly store: PayloadStore;
  readonly overwrite: (claim: Claim, bytes: Uint8Array) => Promise<void>;
  readonly remove: (claim: Claim) => Promise<void>;
}

/** What every payload store promises. */
export function describePayloadStore(name: string, create: () => Promise<StoreUnderTest>): void {
  describe(`payload store ${name}`, () => {
    it.each([0, 1, 2000, 300_000])('should give back %i bytes by their hash alone', async (size) => {
      const { store } = await create();
      const bytes = randomBytes(size);
      const claim = await store.put(bytes);
      expect(await store.put(bytes)).toEqual(claim);
      expect(claim.size).toBe(size);
      expect(claim.uri.endsWith(`/${claim.sha256.slice(0, 2)}/${claim.sha256}`)).toBe(true);
      expect(bytes.equals(await store.get({ ...claim, uri: 'file:///etc/passwd' }))).toBe(true);
    });

    it('should put back a payload that a crash or a disk has cut short', async () => {
      const { store, overwrite } = await create();
      const bytes = randomBytes(2000);
      const claim = await store.put(bytes);
      await overwrite(claim, bytes.subarray(0, 10));
      await store.put(bytes);
      expect(Buffer.from(await store.get(claim))).toEqual(bytes);
    });

    it.each([1999, 2001])('should refuse bytes of another size than the claimed %i', async (size) => {
      const { store } = await create();
      const claim = await store.put(randomBytes(2000));
      const [code, message] = await faultOf(() => store.get({ ...claim, size }));
      expect(code).toBe('TRIB_MESSAGE');
      expect(message).toMatch(new RegExp(`expected ${size} bytes in .*${claim.sha256}, got 2000\\.`));
    });

    it('should refuse bytes that are not the claimed ones', async () => {
      const { store, overwrite } = await create();
      const claim = await store.put(randomBytes(2000));
      await overwrite(claim, randomBytes(2000));
      const [code, message] = await faultOf(() => store.get(claim));
      expect(code).toBe('TRIB_MESSAGE');
      expect(message).toMatch(/expected the claimed bytes in .*, got some with SHA-256 [0-9a-f]{64}\./);
    });

    it('should make no path of what is no hash', async () => {
      const { store } = await create();
      const claim = { uri: '', size: 1, sha256: '../../etc/passwd' };
      expect((await faultOf(() => store.get(claim)))[1]).toContain(
        'expected a SHA-256 in hexadecimal, got "../../etc/passwd"',
      );
    });

    it('should say that a payload which is not there may come', async () => {
      const { store, remove } = await create();
      const claim = await store.put(randomBytes(2000));
      await remove(claim);
      await expect(store.get(claim)).rejects.toMatchObject({ code: 'TRIB_MESSAGE', retryable: true });
    });
  });
}
