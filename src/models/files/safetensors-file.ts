/** @file A safetensors file on disk, read tensor by tensor: a file of gigabytes is never in memory as a whole. */

import { type FileHandle, open } from 'node:fs/promises';
import { TributaryError } from '../../errors.js';
import { readBytes } from './read-bytes.js';
import { type SafetensorsTensor, tensorOver } from './safetensors.js';
import {
  headerEnd,
  LENGTH_BYTES,
  parseSafetensorsHeader,
  type SafetensorsHeader,
  type TensorRecord,
} from './safetensors-header.js';
import { absence } from './stand-in.js';

export interface SafetensorsFile {
  readonly path: string;
  /** The tensors of the file, by name. */
  readonly records: ReadonlyMap<string, TensorRecord>;
  /** Position in the file that the records count from. */
  readonly dataStart: number;
  /** Free text under `__metadata__`. */
  readonly metadata: SafetensorsHeader['metadata'];
  readonly leftOut: SafetensorsHeader['leftOut'];
  /** Reads one tensor into memory of its own that threads can share. */
  read(name: string): Promise<SafetensorsTensor>;
  /** Reads what a record describes, which may be a part of a tensor. */
  readRecord(record: TensorRecord): Promise<SafetensorsTensor>;
  close(): Promise<void>;
}

/**
 * Opens a file and reads its header. Errors: TRIB_FILE if it cannot be read, or as `parseSafetensorsHeader`.
 * @param leavesOut whether tensors of types that are not read may be there.
 */
export async function openSafetensors(path: string, leavesOut = false): Promise<SafetensorsFile> {
  const file = await open(path).catch(async (cause) => {
    const other = await absence(path);
    if (!other) throw unreadable(path, cause);
    const text = `${path}: expected a readable safetensors file, got ${other.got}. ${other.nextStep}`;
    throw new TributaryError('TRIB_FILE', text, { cause });
  });
  try {
    const { size } = await file.stat();
    const dataStart = headerEnd(await readShared(file, path, 0, Math.min(size, LENGTH_BYTES)), size, path);
    const header = await readShared(file, path, LENGTH_BYTES, dataStart - LENGTH_BYTES);
    const { records: list, leftOut, metadata } = parseSafetensorsHeader(header, size, path, leavesOut);
    const records = new Map(list.map((record) => [record.name, record]));
    async function readRecord({ dtype, shape, start, end }: TensorRecord): Promise<SafetensorsTensor> {
      const bytes = await readShared(file, path, dataStart + start, end - start);
      return tensorOver(dtype, shape, bytes.buffer);
    }
    return {
      path,
      records,
      dataStart,
      metadata,
      leftOut,
      async read(name) {
        const record = records.get(name);
        if (!record)
          throw new TributaryError(
            'TRIB_INTERNAL',
            `${path}: expected a tensor "${name}", got none. Look it up in records.`,
          );
        return readRecord(record);
      },
      readRecord,
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Reads into memory of its own that threads can share. */
async function readShared(
  file: FileHandle,
  path: string,
  position: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(new SharedArrayBuffer(length));
  await readBytes(file, bytes, position).catch((cause) => {
    throw unreadable(path, cause);
  });
  return bytes;
}

function unreadable(path: string, cause: NodeJS.ErrnoException): TributaryError {
  const isFolder = cause.code === 'EISDIR';
  const got = isFolder ? 'a folder' : (cause.code ?? cause.message);
  const text = `${path}: expected a readable safetensors file, got ${got}. ${isFolder ? 'Name the file in it' : 'Check the path and its permissions'}.`;
  return new TributaryError('TRIB_FILE', text, { cause });
}
