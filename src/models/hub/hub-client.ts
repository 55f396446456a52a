/** @file A client of the Hugging Face hub: the files of a model, and their bytes. */

import { posix } from 'node:path';
import * as z from 'zod';
import { TributaryError } from '../../errors.js';
import type { FileIdentity } from '../files/checksum.js';
import {
  answerFault,
  connectionFault,
  type HubPlace,
  stoppedFault,
  strangeAnswerFault,
} from './hub-faults.js';

export interface HubFile extends FileIdentity {
  /** Relative to the model's folder, with slashes; never outside it. */
  readonly path: string;
}

export interface HubModel {
  /** `owner/name`. */
  readonly id: string;
  /** The commit of all files, even if the branch moves on in the meantime. */
  readonly commit: string;
  readonly files: readonly HubFile[];
  /** Requests the bytes of a file from an offset on. The answer may begin at 0 anyway (status 200). */
  read(file: HubFile, offset: number): Promise<Response>;
}

export interface HubOptions {
  readonly id: string;
  /** Branch, tag or commit. */
  readonly revision: string;
  /** Such as https://huggingface.co. */
  readonly hubUrl: string;
  /** Sent only to the hub, and never shown. */
  readonly token: string | null;
  readonly signal: AbortSignal;
}

const commitSchema = z.string().regex(/^[0-9a-f]{40}$/);
const fileSchema = z.object({
  path: z.string().refine(isInside),
  size: z.int().min(0),
  oid: z.string().regex(/^[0-9a-f]{40}$/),
  lfs: z.object({ oid: z.string().regex(/^[0-9a-f]{64}$/), size: z.int().min(0) }).optional(),
});

/**
 * Asks the hub for the commit of a revision and the list of its files.
 *
 * Errors: TRIB_DOWNLOAD if the hub cannot be reached or refuses; TRIB_USAGE if the token cannot be sent; TRIB_CANCELLED once
 * `signal` is aborted.
 */
export async function openHubModel({ id, revision, signal, ...options }: HubOptions): Promise<HubModel> {
  requireId(id);
  const hubUrl = options.hubUrl.replace(/\/+$/, '');
  const { origin, host } = hubAddress(hubUrl);
  const token = sendableToken(options.token);
  const place: HubPlace = { id, revision, hubUrl, hasToken: token !== null };

  const request = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const headers = new Headers(init?.headers);
    // A page of the list or a redirect may lead elsewhere; the token must not go there.
    if (token !== null && new URL(String(input)).origin === origin)
      headers.set('authorization', `Bearer ${token}`);
    const response = await fetch(input, { ...init, headers, signal }).catch((cause: unknown) => {
      throw signal.aborted ? stoppedFault(id) : connectionFault(id, host, cause);
    });
    if (response.ok) return response;
    await response.body?.cancel();
    throw answerFault(response, place);
  };

  // Loaded here, because only one command needs it.
  const { listFiles, modelInfo } = await import('@huggingface/hub');
  try {
    const info = await modelInfo({ name: id, revision, hubUrl, fetch: request, additionalFields: ['sha'] });
    const commit = commitSchema.parse(info.sha);
    const files: HubFile[] = [];
    const listing = { repo: id, revision: commit, recursive: true, hubUrl, fetch: request };
    for await (const entry of listFiles(listing)) {
      if (entry.type === 'file') files.push(toHubFile(fileSchema.parse(entry)));
    }
    return {
      id,
      commit,
      files,
      read(file, offset) {
        const path = file.path.split('/').map(encodeURIComponent).join('/');
        // A compressed answer would have different offsets.
        const headers = { 'accept-encoding': 'identity', ...(offset > 0 && { range: `bytes=${offset}-` }) };
        return request(`${hubUrl}/${id}/resolve/${commit}/${path}`, { headers });
      },
    };
  } catch (cause) {
    if (cause instanceof TributaryError) throw cause;
    if (signal.aborted) throw stoppedFault(id);
    throw strangeAnswerFault(id, host, 'something that does not parse', cause);
  }
}

function toHubFile({ path, size, oid, lfs }: z.output<typeof fileSchema>): HubFile {
  if (lfs) return { path, size: lfs.size, checksum: { kind: 'sha256', hex: lfs.oid } };
  return { path, size, checksum: { kind: 'git-blob', hex: oid } };
}

/** Paths come from outside: none may lead out of the folder that is written to. */
function isInside(path: string): boolean {
  if (path === '' || path.includes('\\') || path.includes('\0') || posix.isAbsolute(path)) return false;
  return posix.normalize(path) === path && path !== '.' && path !== '..' && !path.startsWith('../');
}

export function requireId(id: string, where = ''): void {
  const names = id.split('/');
  if (names.length === 2 && names.every((name) => /^[\w.-]+$/.test(name) && !/^\.+$/.test(name))) return;
  const text = `${where}"${id}": expected owner/name of a model on the hub. Write it as its page does, such as stabilityai/sdxl-turbo.`;
  throw new TributaryError('TRIB_USAGE', text);
}

export function hubAddress(hubUrl: string): URL {
  if (URL.canParse(hubUrl) && /^https?:/.test(hubUrl)) return new URL(hubUrl);
  const text = `HF_ENDPOINT: expected the address of a hub, got "${hubUrl}". Write one such as https://huggingface.co, or unset it.`;
  throw new TributaryError('TRIB_USAGE', text);
}

/** Rejects here what a header cannot carry: the platform's message would show the token. */
export function sendableToken(token: string | null): string | null {
  const trimmed = token?.trim();
  if (!trimmed) return null;
  if (/^[\x21-\x7e]+$/.test(trimmed)) return trimmed;
  const text =
    'HF_TOKEN: expected a token such as hf_..., got one with spaces or other characters. Copy it again.';
  throw new TributaryError('TRIB_USAGE', text);
}
