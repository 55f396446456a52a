import { rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { createFolderPayloadStore } from '../../src/streams/transport/wire/folder-payload-store.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { describePayloadStore } from './payload-store-contract.js';

describePayloadStore('folder', async () => ({
  store: createFolderPayloadStore(await temporaryFolder()),
  overwrite: ({ uri }, bytes) => writeFile(fileURLToPath(uri), bytes),
  remove: ({ uri }) => rm(fileURLToPath(uri)),
}));
