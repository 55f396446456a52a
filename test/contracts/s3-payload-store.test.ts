import { createS3PayloadStore } from '../../src/streams/transport/wire/s3-payload-store.js';
import { S3_OWNER, startS3Server } from '../fixtures/s3-server.js';
import { describePayloadStore } from './payload-store-contract.js';

describePayloadStore('s3', async () => {
  const { endpoint, objects } = await startS3Server();
  const { region, ...credentials } = S3_OWNER;
  const pathOf = (uri: string) => uri.replace('s3:/', '');
  return {
    store: createS3PayloadStore({ endpoint, region, bucket: 'bucket', keyPrefix: 'a/b', credentials }),
    overwrite: async ({ uri }, bytes) => void objects.set(pathOf(uri), bytes),
    remove: async ({ uri }) => void objects.delete(pathOf(uri)),
  };
});
