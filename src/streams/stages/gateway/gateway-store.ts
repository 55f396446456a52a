import { randomUUID } from 'node:crypto';
import { appendFile, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import { TributaryError } from '../../../errors.js';
import {
  leftoversOf,
  writeDirectoryAtomic,
  writeFault,
  writeFileAtomic,
} from '../../../models/files/atomic.js';
import { parseJsonOrNull, readJsonFile } from '../../../models/files/json-file.js';
import type { Trajectory } from '../../../models/rollouts/sampler.js';
import type { RolloutGroup } from '../../../operators/index.js';
import type { DrawnGroup } from '../../messages/people.js';
import { trajectoriesCodec } from '../../transport/wire/rollout-codecs.js';
import { type DeletionLine, deletionLineSchema } from './deleted-people.js';
import type { VoteLine } from './desk.js';
import { type GroupRecord, groupRecordSchema, voteLineSchema } from './group-record.js';
import type { PreferencePair } from './preference-pairs.js';

const GROUP_FILE = 'group.json';
const TRAJECTORIES_FILE = 'trajectories.bin';
const VOTES_FILE = 'votes.jsonl';
const PAIRS_FILE = 'pairs.jsonl';
const DELETED_FILE = 'deleted.jsonl';
/** Names a reader of the topics that every gateway reads as a whole. */
const NAME_FILE = 'name';

/** What a gateway had kept. */
export interface KeptFiles {
  /** In the order of their requests. */
  readonly groups: readonly GroupRecord[];
  /** In the order in which they were given. */
  readonly votes: readonly VoteLine[];
  readonly deletions: readonly DeletionLine[];
}

/**
 * The files of a gateway: `groups/<id>/` with `group.json`, the pictures as PNG and `trajectories.bin` (a `GroupTrajectories` of
 * tributary.proto), `votes.jsonl`, `pairs.jsonl`, which follows from both, and `deleted.jsonl`, which says who was deleted.
 *
 * Every file is whole or not there. A vote is on disk when its promise is kept; a last line that a crash cut short was never
 * answered for.
 *
 * Errors: TRIB_FILE.
 */
export class GatewayStore {
  /** Appends take turns. */
  #lastAppend: Promise<void> = Promise.resolve();
  /** So do changes of records. */
  #lastRecord: Promise<void> = Promise.resolve();

  private constructor(
    private readonly path: string,
    /** The same after a restart. */
    readonly name: string,
  ) {}

  /** @param warn takes what of the files cannot be used; it stays where it is, or is set aside. */
  static async open(
    path: string,
    warn: (message: string) => void,
  ): Promise<{ readonly store: GatewayStore; readonly kept: KeptFiles }> {
    await mkdir(join(path, 'groups'), { recursive: true }).catch((cause: unknown) => {
      throw writeFault(path, cause);
    });
    const known = await readFile(join(path, NAME_FILE), 'utf8').catch(() => '');
    const name = /^[0-9a-f-]{36}$/.test(known.trim()) ? known.trim() : randomUUID();
    if (name !== known.trim()) await writeFileAtomic(join(path, NAME_FILE), `${name}\n`);
    const store = new GatewayStore(path, name);
    const groups = await store.#readGroups(warn);
    const votes = await store.#readLines(VOTES_FILE, voteLineSchema, { what: 'a vote', warn });
    const deletions = await store.#readLines(DELETED_FILE, deletionLineSchema, { what: 'a deletion', warn });
    return { store, kept: { groups, votes, deletions } };
  }

  async saveGroup(record: GroupRecord, { group, pictures, guesses }: DrawnGroup): Promise<void> {
    const files = [
      ...pictures.map((png, index) => [`${index}.png`, png] as const),
      ...guesses.map(({ step, node, png }) => [`guess-${step}-${node}.png`, png] as const),
    ];
    await writeDirectoryAtomic(this.#groupPath(record.id), {
      ...Object.fromEntries(files),
      [TRAJECTORIES_FILE]: trajectoriesCodec.encode(group),
      [GROUP_FILE]: textOf(record),
    });
  }

  /** Replaces what is known of a group. Later calls are later on disk. */
  saveRecord(record: GroupRecord): Promise<void> {
    const write = () => writeFileAtomic(join(this.#groupPath(record.id), GROUP_FILE), textOf(record));
    this.#lastRecord = this.#lastRecord.then(write);
    return this.#lastRecord;
  }

  /** Adds a vote and what pairs it says. */
  appendVote(line: VoteLine, pairs: readonly PreferencePair[]): Promise<void> {
    return this.#append(async () => {
      await append(join(this.path, VOTES_FILE), [line]);
      if (pairs.length > 0) await append(join(this.path, PAIRS_FILE), pairs);
    });
  }

  /** Resolves when all votes that were added before are on disk. */
  votesWritten(): Promise<void> {
    return this.#lastAppend;
  }

  /** Replaces all votes and pairs. */
  rewriteVotes(lines: readonly VoteLine[], pairs: readonly PreferencePair[]): Promise<void> {
    return this.#append(async () => {
      await writeFileAtomic(join(this.path, VOTES_FILE), lines.map(textOf).join(''));
      await writeFileAtomic(join(this.path, PAIRS_FILE), pairs.map(textOf).join(''));
    });
  }

  appendDeletion(line: DeletionLine): Promise<void> {
    return this.#append(() => append(join(this.path, DELETED_FILE), [line]));
  }

  rewriteDeletions(lines: readonly DeletionLine[]): Promise<void> {
    return this.#append(() => writeFileAtomic(join(this.path, DELETED_FILE), lines.map(textOf).join('')));
  }

  async removeGroup(id: string): Promise<void> {
    await this.#lastRecord;
    await rm(this.#groupPath(id), { recursive: true, force: true }).catch((cause: unknown) => {
      throw writeFault(this.#groupPath(id), cause);
    });
  }

  /** Errors: TRIB_FILE or TRIB_MESSAGE where the file is gone or damaged. */
  async trajectories(id: string): Promise<RolloutGroup<Trajectory>> {
    const path = join(this.#groupPath(id), TRAJECTORIES_FILE);
    const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
      throw new TributaryError(
        'TRIB_FILE',
        `${path}: expected to read it, got ${cause.code}. Restore the folder.`,
        { cause },
      );
    });
    return trajectoriesCodec.decode(bytes);
  }

  async picture(id: string, name: string): Promise<Uint8Array | undefined> {
    return readFile(join(this.#groupPath(id), `${name}.png`)).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT') return undefined;
      throw cause;
    });
  }

  /** Resolves when all is on disk. */
  async flushed(): Promise<void> {
    await this.#lastAppend;
    await this.#lastRecord;
  }

  #groupPath(id: string): string {
    return join(this.path, 'groups', id);
  }

  #append(write: () => Promise<void>): Promise<void> {
    this.#lastAppend = this.#lastAppend.then(write);
    return this.#lastAppend;
  }

  async #readGroups(warn: (message: string) => void): Promise<GroupRecord[]> {
    const nextStep = 'It is passed over: restore or remove its folder.';
    const groups: GroupRecord[] = [];
    for (const id of await readdir(join(this.path, 'groups'))) {
      if (id.startsWith('.')) continue;
      for (const left of await leftoversOf(this.#groupPath(id))) await rm(left, { recursive: true });
      try {
        const file = join(this.#groupPath(id), GROUP_FILE);
        groups.push(await readJsonFile(file, groupRecordSchema, { code: 'TRIB_FILE', nextStep }));
      } catch (error) {
        if (!(error instanceof TributaryError)) throw error;
        warn(error.message);
      }
    }
    const byTime = (a: GroupRecord, b: GroupRecord) =>
      a.createdAt < b.createdAt || (a.createdAt === b.createdAt && a.id < b.id) ? -1 : 1;
    return groups.sort(byTime);
  }

  /** Lines that cannot be read are set aside as they are, in a file beside. */
  async #readLines<Schema extends z.ZodType>(
    file: string,
    schema: Schema,
    { what, warn }: { readonly what: string; readonly warn: (message: string) => void },
  ): Promise<z.output<Schema>[]> {
    const path = join(this.path, file);
    const damagedFile = file.replace('.jsonl', '.damaged.jsonl');
    const content = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    const lines = content.split('\n').filter((line) => line !== '');
    const read = lines.map((line) => parsed(line, schema));
    const whole = read.filter((line) => line !== null);
    const damaged = lines.filter((_, index) => read[index] === null);
    // Otherwise the next line would be added to one that a crash cut short.
    if (damaged.length > 0 || !(content === '' || content.endsWith('\n'))) {
      await append(join(this.path, damagedFile), damaged, (line) => `${line}\n`);
      await writeFileAtomic(path, whole.map((line) => textOf(line as object)).join(''));
    }
    if (damaged.length > 0)
      warn(
        `${path}: expected ${what} on every line, got ${damaged.length} that cannot be read. They are set aside in ${damagedFile}.`,
      );
    return whole;
  }
}

function parsed<Schema extends z.ZodType>(line: string, schema: Schema): z.output<Schema> | null {
  const result = schema.safeParse(parseJsonOrNull(line));
  return result.success ? result.data : null;
}

const textOf = (value: object): string => `${JSON.stringify(value)}\n`;

/** Adds lines and flushes them to disk. */
async function append<Line>(
  path: string,
  lines: readonly Line[],
  written: (line: Line) => string = (line) => textOf(line as object),
): Promise<void> {
  await appendFile(path, lines.map(written).join(''), { flush: true }).catch((cause: unknown) => {
    throw writeFault(path, cause);
  });
}
