/** @file `tributary-rl/client`: a gateway, or the server of a run, for programs and pages. It needs `fetch` and nothing else. */

import { followEvents } from './follow-events.js';
import type {
  Control,
  ControlCommand,
  DeskStatus,
  FeedbackRequest,
  Images,
  ImagesRequest,
  MetricsPage,
  PersonDeletion,
  PersonExport,
  RunInfo,
  RunSamples,
  RunSummary,
  ServedGroup,
  ServerEvent,
} from './types.js';

export type * from './types.js';

export interface ClientOptions {
  /** Where the server is, such as `http://127.0.0.1:8080`; a path is kept. */
  readonly baseUrl: string;
  /** Its bearer token, if it has one. */
  readonly token?: string;
  /** Default: the global one. */
  readonly fetch?: typeof fetch;
  /** Milliseconds before events that broke off are asked for again; each further time twice as many. Default: 1000. */
  readonly waitMs?: number;
}

/** What a server answered instead of what was asked for: a problem document (RFC 9457). */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';

  constructor(
    readonly status: number,
    /** One word for a program, such as `queue-full`; empty where the answer was none of this server's. */
    readonly code: string,
    detail: string,
    /** Seconds after which to try again; null where the server named none. */
    readonly retryAfter: number | null,
  ) {
    super(detail);
  }
}

type Stopping = { readonly signal?: AbortSignal };

/** Reads and writes what a server has. Every method rejects with a {@link ProblemError}, or with that of `fetch`. */
export class TributaryClient {
  readonly #base: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #fetch: typeof fetch;
  readonly #waitMs: number;

  constructor({ baseUrl, token, fetch: ownFetch = globalThis.fetch, waitMs = 1000 }: ClientOptions) {
    this.#waitMs = waitMs;
    this.#base = baseUrl.replace(/\/*$/, '');
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    // As a method, it would be called on this object, which browsers refuse.
    this.#fetch = (...parameters) => ownFetch(...parameters);
  }

  /** Draws the pictures of a prompt. */
  images(request: ImagesRequest, { signal }: Stopping = {}): Promise<Images> {
    return this.#json('v1/images/generations', { body: request, signal });
  }

  group(id: string): Promise<ServedGroup> {
    return this.#json(`v1/groups/${encodeURIComponent(id)}`);
  }

  /** Groups that wait for a voter, the oldest first, or that somebody asked for, the newest first. */
  async groups(
    which: ({ readonly voter: string } | { readonly user: string }) & { readonly limit?: number },
  ): Promise<readonly ServedGroup[]> {
    const needs = 'voter' in which ? { needs: 'feedback' } : {};
    const { groups } = await this.#json<{ readonly groups: readonly ServedGroup[] }>(
      `v1/groups${queryOf({ ...needs, ...which })}`,
    );
    return groups;
  }

  /** A picture `0`, `1`, ... or a guess `guess-<step>-<node>`, as PNG. */
  picture(id: string, name: string | number): Promise<Blob> {
    return this.#blob(`v1/groups/${encodeURIComponent(id)}/pictures/${name}.png`);
  }

  /** Says which pictures are good. It resolves when the vote is on disk; the same vote again changes nothing. */
  feedback(id: string, body: FeedbackRequest): Promise<ServedGroup> {
    return this.#json(`v1/groups/${encodeURIComponent(id)}/feedback`, { body });
  }

  status(): Promise<DeskStatus> {
    return this.#json('v1/status');
  }

  /** All that is kept of a person; `complete` where all gateways have answered. */
  exportPerson(person: string): Promise<PersonExport> {
    return this.#json(`v1/people/${encodeURIComponent(person)}`);
  }

  /** Forgets a person; `complete` where all gateways have by now. */
  deletePerson(person: string): Promise<PersonDeletion> {
    return this.#json(`v1/people/${encodeURIComponent(person)}`, { method: 'DELETE' });
  }

  /** All runs of the server, the newest first. */
  async runs(): Promise<readonly RunSummary[]> {
    return (await this.#json<{ readonly runs: readonly RunSummary[] }>('v1/runs')).runs;
  }

  /** A run; by default the newest. */
  run(run?: string): Promise<RunInfo> {
    return this.#json(pathOf(run));
  }

  /** Lines of the log of a run, after so many. */
  metrics({
    run,
    ...query
  }: {
    readonly run?: string;
    readonly after?: number;
    readonly limit?: number;
  } = {}) {
    return this.#json<MetricsPage>(`${pathOf(run)}/metrics${queryOf(query)}`);
  }

  samples(run?: string): Promise<RunSamples> {
    return this.#json(`${pathOf(run)}/samples`);
  }

  /** Rounds whose trees are kept. */
  async trees(run?: string): Promise<readonly number[]> {
    return (await this.#json<{ readonly rounds: readonly number[] }>(`${pathOf(run)}/trees`)).rounds;
  }

  /** A file of a run's samples: `round-0000.png`, `trees-0000.png`, `trees-0000.json`. */
  sample(file: string, run?: string): Promise<Blob> {
    return this.#blob(`${pathOf(run)}/samples/${encodeURIComponent(file)}`);
  }

  /** Changes a run from its next round on, and returns what is wanted of it now. */
  async control(command: ControlCommand, run?: string): Promise<Control> {
    const { wanted } = await this.#json<{ readonly wanted: Control }>(`${pathOf(run)}/control`, {
      body: command,
    });
    return wanted;
  }

  /**
   * All that happens from now on, until the signal is aborted. A connection that is lost is opened again, after longer and longer
   * waits; what was missed follows, or an event `reset` where it is gone.
   */
  events({ signal }: Stopping = {}): AsyncGenerator<ServerEvent, void> {
    return followEvents(
      (headers) => this.#ask('v1/events', { headers: { ...headers, accept: 'text/event-stream' }, signal }),
      { signal, waitMs: this.#waitMs },
    );
  }

  async #json<Answer>(path: string, options: AskOptions = {}): Promise<Answer> {
    const response = await this.#ask(path, options);
    return (await response.json()) as Answer;
  }

  async #blob(path: string): Promise<Blob> {
    return (await this.#ask(path)).blob();
  }

  async #ask(path: string, { method, body, headers, signal }: AskOptions = {}): Promise<Response> {
    const response = await this.#fetch(`${this.#base}/${path}`, {
      method: method ?? (body ? 'POST' : 'GET'),
      headers: { ...this.#headers, ...(body && { 'content-type': 'application/json' }), ...headers },
      ...(body && { body: JSON.stringify(body) }),
      ...(signal && { signal }),
    });
    if (response.ok) return response;
    throw await problemOf(response);
  }
}

interface AskOptions {
  readonly method?: 'DELETE';
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

const pathOf = (run: string | undefined) =>
  run === undefined ? 'v1/run' : `v1/runs/${encodeURIComponent(run)}`;

function queryOf(values: Readonly<Record<string, string | number | undefined>>): string {
  const given = Object.entries(values).flatMap(([key, value]): [string, string][] =>
    value === undefined ? [] : [[key, String(value)]],
  );
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
}

async function problemOf(response: Response): Promise<ProblemError> {
  const { status, statusText } = response;
  const document = (await response.json().catch(() => ({}))) as {
    readonly code?: string;
    readonly detail?: string;
  };
  const after = Number(response.headers.get('retry-after') ?? Number.NaN);
  const { code = '', detail = `the server answered ${status} ${statusText}` } = document;
  return new ProblemError(status, code, detail, Number.isFinite(after) ? after : null);
}
