import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { TributaryError } from '../../errors.js';
import { writeFault } from '../files/atomic.js';
import { isWhole } from '../files/checksum.js';
import type { HubFile, HubModel } from './hub-client.js';
import { connectionFault, stoppedFault, strangeAnswerFault } from './hub-faults.js';

interface DownloadOptions {
  /** Called with the number of bytes received so far; it falls if the server starts over. */
  readonly onBytes: (bytes: number) => void;
  readonly signal: AbortSignal;
  /** Milliseconds before the first retry; they double with every try that brings nothing. */
  readonly retryDelayMs: number;
}

/** Most tries in a row that bring nothing. */
const MAX_IDLE_TRIES = 5;

/**
 * Downloads a file of a model to `path`. Until it is complete and its checksum is right, it is named `<path>.partial`. An
 * existing partial file is resumed; a broken connection is resumed at once, as long as bytes keep coming.
 *
 * Errors: TRIB_DOWNLOAD if the hub cannot be reached or refuses, or the checksum is wrong (only then is the partial file
 * removed); TRIB_FILE if writing fails; TRIB_CANCELLED once `signal` is aborted.
 */
export async function downloadFile(
  model: HubModel,
  file: HubFile,
  path: string,
  { onBytes, signal, retryDelayMs }: DownloadOptions,
): Promise<void> {
  const partial = partialPath(path);
  await mkdir(dirname(path), { recursive: true }).catch((cause) => {
    throw writeFault(path, cause);
  });
  let present = await sizeOf(partial);
  // A partial file of an older, longer version.
  if (present > file.size) present = 0;
  onBytes(present);
  // An empty file has no bytes to request.
  if (file.size === 0) await writeBytesTo(partial, [], 0, path);
  let most = present;
  for (let idleTries = 0; present < file.size; ) {
    try {
      present = await receive(model, file, partial, { from: present, onBytes, signal });
    } catch (error) {
      if (signal.aborted) throw stoppedFault(model.id);
      if (!(error instanceof TributaryError && error.retryable)) throw error;
      present = await sizeOf(partial);
      // A server without range requests may send the same bytes over and over.
      idleTries = present > most ? 1 : idleTries + 1;
      most = Math.max(most, present);
      if (idleTries >= MAX_IDLE_TRIES) throw error;
      await wait(retryDelayMs * 2 ** (idleTries - 1), undefined, { signal }).catch(() => undefined);
      if (signal.aborted) throw stoppedFault(model.id);
    }
  }
  await finish(model.id, file, path, signal);
}

/** The name of a file while it is being downloaded. */
export const partialPath = (path: string) => `${path}.partial`;

/** Size of a file; 0 if there is none. */
export async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

/** Makes one request. Returns the size of the file; anything less than the whole file is a fault. */
async function receive(
  model: HubModel,
  file: HubFile,
  partial: string,
  { from, onBytes, signal }: { from: number; onBytes: (bytes: number) => void; signal: AbortSignal },
) {
  const response = await model.read(file, from);
  const { host } = new URL(response.url);
  // 200 is the whole file, from a server without range requests.
  const offset = response.status === 206 ? from : 0;
  const range = response.headers.get('content-range');
  if (response.status === 206 && !range?.startsWith(`bytes ${from}-`)) {
    await response.body?.cancel();
    throw strangeAnswerFault(model.id, host, `the range "${range}" where ${from} was its start`);
  }
  const chunks = async function* () {
    let present = offset;
    onBytes(present);
    try {
      for await (const chunk of response.body ?? []) {
        present += chunk.length;
        // A server that never stops must not fill the disk.
        if (present > file.size)
          throw strangeAnswerFault(model.id, host, `more than the ${file.size} bytes of ${file.path}`);
        yield chunk;
        onBytes(present);
      }
    } catch (cause) {
      if (cause instanceof TributaryError) throw cause;
      throw signal.aborted ? stoppedFault(model.id) : connectionFault(model.id, host, cause);
    }
    if (present < file.size)
      throw connectionFault(model.id, host, `${present} of ${file.size} bytes of ${file.path}`);
  };
  await writeBytesTo(partial, chunks(), offset, partial);
  return file.size;
}

async function writeBytesTo(
  partial: string,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  offset: number,
  shown: string,
): Promise<void> {
  const refuse = (cause: unknown) => {
    throw writeFault(shown, cause);
  };
  const handle = await open(partial, offset > 0 ? 'a' : 'w').catch(refuse);
  try {
    for await (const chunk of chunks) await handle.appendFile(chunk).catch(refuse);
    await handle.sync().catch(refuse);
  } finally {
    await handle.close();
  }
}

async function finish(id: string, file: HubFile, path: string, signal: AbortSignal): Promise<void> {
  const partial = partialPath(path);
  const whole = await isWhole(partial, file, signal).catch((cause: unknown) => {
    throw signal.aborted ? stoppedFault(id) : cause;
  });
  if (whole) {
    await rename(partial, path).catch((cause) => {
      throw writeFault(path, cause);
    });
    return;
  }
  await rm(partial, { force: true });
  const { kind, hex } = file.checksum;
  const text = `${id} ${file.path}: expected the ${kind} checksum ${hex}, got another; the file was removed. Run the same command again to fetch it again.`;
  throw new TributaryError('TRIB_DOWNLOAD', text);
}
