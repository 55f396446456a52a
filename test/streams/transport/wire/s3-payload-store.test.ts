import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createS3PayloadStore } from '../../../../src/streams/transport/wire/s3-payload-store.js';
import { type Misbehaviour, S3_OWNER, startS3Server } from '../../../fixtures/s3-server.js';

const { region, ...owner } = S3_OWNER;
const bytes = randomBytes(2000);
const says =
  (status: number, body = ''): Misbehaviour =>
  (response) =>
    response.writeHead(status).end(body);

async function fixture({ attempts = 3, timeoutMs = 10_000, credentials = owner } = {}) {
  const server = await startS3Server();
  const store = createS3PayloadStore({
    ...{ endpoint: server.endpoint, region, bucket: 'bucket', keyPrefix: 'payloads', credentials },
    patience: { attempts, pauseMs: 1, timeoutMs },
  });
  return { ...server, store };
}

/** With a payload in the store, and its claim. */
async function filled(options = {}) {
  const all = await fixture(options);
  const claim = await all.store.put(bytes);
  all.answered.length = 0;
  return { ...all, claim };
}

describe('createS3PayloadStore', () => {
  it('should send a payload once', async () => {
    const { store, answered } = await fixture();
    const claim = await store.put(bytes);
    await store.put(bytes);
    expect(claim.uri).toBe(`s3://bucket/payloads/${claim.sha256.slice(0, 2)}/${claim.sha256}`);
    expect(answered).toEqual(['HEAD 404', 'PUT 200', 'HEAD 200']);
  });

  it('should send a payload where it may not ask whether one is there', async () => {
    const { store, answered, misbehaviours } = await fixture();
    misbehaviours.push(says(403));
    await store.put(bytes);
    expect(answered).toEqual(['PUT 200']);
  });

  it('should sign with the session token too', async () => {
    const { store } = await fixture({ credentials: { ...owner, sessionToken: 'token' } as typeof owner });
    expect(Buffer.from(await store.get(await store.put(bytes)))).toEqual(bytes);
  });

  it('should be refused for good with a wrong secret, and never repeat it', async () => {
    const secretAccessKey = 'sesame-open-4711';
    const { store, answered } = await fixture({ credentials: { ...owner, secretAccessKey } });
    const fault = await store.put(bytes).catch((error: unknown) => error);
    expect(fault).toMatchObject({ code: 'TRIB_TRANSPORT', retryable: false });
    expect((fault as Error).message).toContain(
      'got 403 SignatureDoesNotMatch. Check endpoint, region and bucket',
    );
    expect(answered).toEqual(['HEAD 403', 'PUT 403']);
    const text = inspect(fault, { depth: null, showHidden: true });
    for (const secret of [secretAccessKey, owner.accessKeyId, 'Signature='])
      expect(text).not.toContain(secret);
  });

  it('should try again what may pass', async () => {
    const { store, claim, misbehaviours, answered } = await filled();
    misbehaviours.push(says(500), says(429));
    expect(Buffer.from(await store.get(claim))).toEqual(bytes);
    misbehaviours.push((response) => response.destroy(), says(503));
    expect(await store.put(bytes)).toEqual(claim);
    expect(answered).toEqual(['GET 200', 'HEAD 200']);
  });

  it('should give up after its attempts, and say that it may pass', async () => {
    const { store, claim, misbehaviours } = await filled();
    misbehaviours.push(says(500), says(500), says(500, '<Code>SlowDown</Code>'));
    await expect(store.get(claim)).rejects.toMatchObject({
      code: 'TRIB_TRANSPORT',
      retryable: true,
      message: expect.stringContaining('expected GET to succeed, got 500 SlowDown at attempt 3.'),
    });
  });

  it('should ask anew for a body that breaks off', async () => {
    const { store, claim, misbehaviours, answered } = await filled();
    misbehaviours.push((response) => {
      response.writeHead(200, { 'content-length': bytes.length });
      response.write(bytes.subarray(0, 100), () => response.destroy());
    });
    expect(Buffer.from(await store.get(claim))).toEqual(bytes);
    expect(answered).toEqual(['GET 200']);
  });

  it('should refuse a body that ends early without having said how long it is', async () => {
    const { store, claim, misbehaviours } = await filled();
    misbehaviours.push((response) => {
      response.write(bytes.subarray(0, 100));
      response.end();
    });
    await expect(store.get(claim)).rejects.toMatchObject({
      code: 'TRIB_MESSAGE',
      message: expect.stringContaining(`expected 2000 bytes in ${claim.uri}, got 100.`),
    });
  });

  it.each(['said', 'unsaid'])(
    'should stop reading a body that is larger than claimed (%s)',
    async (length) => {
      const { store, claim, misbehaviours } = await filled();
      // Without an end: only a reader that leaves ends it.
      let closed: Promise<unknown> = Promise.resolve();
      misbehaviours.push((response) => {
        closed = once(response, 'close');
        if (length === 'said') response.writeHead(200, { 'content-length': 10 * bytes.length });
        const more = () => {
          while (!response.destroyed && response.write(Buffer.alloc(100)));
          if (!response.destroyed) response.once('drain', more);
        };
        if (length === 'unsaid') more();
        else response.write(bytes);
      });
      await expect(store.get(claim)).rejects.toMatchObject({
        code: 'TRIB_MESSAGE',
        message: expect.stringMatching(/expected 2000 bytes in .*, got (20000|more)\./),
      });
      await closed;
    },
  );

  it('should not wait for a server that hangs', async () => {
    const { store, claim, misbehaviours } = await filled({ attempts: 2, timeoutMs: 50 });
    misbehaviours.push(
      () => undefined,
      (response) => void response.writeHead(200, { 'content-length': bytes.length }).write(bytes.subarray(1)),
    );
    await expect(store.get(claim)).rejects.toMatchObject({
      code: 'TRIB_TRANSPORT',
      retryable: true,
      message: expect.stringContaining('got no answer in time at attempt 2.'),
    });
  });

  it('should follow nobody elsewhere', async () => {
    const { store, claim, misbehaviours } = await filled();
    misbehaviours.push((response) => response.writeHead(301, { location: 'http://127.0.0.1:1/' }).end());
    await expect(store.get(claim)).rejects.toMatchObject({ code: 'TRIB_TRANSPORT', retryable: false });
  });
});
