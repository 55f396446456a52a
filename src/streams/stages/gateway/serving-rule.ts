import { asyncScheduler, type SchedulerLike } from 'rxjs';
import { asTributaryError } from '../../../errors.js';
import { type Client, type ServiceThread, startThread } from '../../../models/threads/thread.js';
import type { StageConfig } from '../../config/schema/topology-schema.js';
import type { DrawnGroup, PictureRequest } from '../../messages/people.js';
import { openOrClose } from '../shared/open-thread.js';
import { DeskError, type DeskErrorCode } from './desk.js';
import type { ServingService } from './serving-thread.js';

/** Judges what people may be given. */
export interface ServingRule {
  /** Rejects with a {@link DeskError} where a prompt must not be drawn. */
  prompt(request: PictureRequest): Promise<void>;
  /** Rejects with a {@link DeskError} where the pictures of a group must not be shown. */
  pictures(drawn: DrawnGroup): Promise<void>;
  /** Since it was opened. */
  readonly counts: { readonly refused: number; readonly unjudged: number };
  close(): Promise<void>;
}

export type ServingRuleSettings = NonNullable<StageConfig<'gateway'>['serve']['rule']>;

interface ServingRuleOptions {
  readonly settings: ServingRuleSettings;
  readonly warn: (message: string) => void;
  /** Starts the thread of the module. */
  readonly start?: () => ServiceThread<ServingService>;
  readonly scheduler?: SchedulerLike;
}

const startServingThread = () =>
  startThread<ServingService>(new URL('./serving-thread.js', import.meta.url), 'serving-rule');

/**
 * Opens the rule of a module in a thread of its own. What it cannot judge, because it throws, answers something else
 * or takes longer than `timeoutMs`, is not served. A thread that has ended is started again for the next call.
 *
 * Errors: TRIB_FILE or TRIB_CONFIG where the module cannot be used.
 */
export async function openServingRule({
  settings,
  warn,
  start = startServingThread,
  scheduler = asyncScheduler,
}: ServingRuleOptions): Promise<ServingRule> {
  const { module, timeoutMs } = settings;
  const opening = async () => {
    const thread = start();
    await openOrClose(thread, () => thread.call.open(settings));
    return thread;
  };
  let opened = opening();
  const counts = { refused: 0, unjudged: 0 };

  const failed = (what: string, detail: string): DeskError => {
    counts.unjudged += 1;
    // Not a line for each: a module that is broken meets every request.
    if (Number.isInteger(Math.log2(counts.unjudged)))
      warn(
        `stages gateway serve.rule ${module}: expected it to judge ${what}, got ${detail} Nothing that it cannot judge is served; so far ${counts.unjudged}.`,
      );
    return new DeskError(
      'rule-failed',
      `request: expected ${what} to be judged before it is served, got no judgment. Try again later.`,
    );
  };
  const judge = async (
    what: 'a prompt' | 'the pictures of a prompt',
    code: DeskErrorCode,
    call: (thread: Client<ServingService>, signal: AbortSignal) => Promise<string | null>,
  ): Promise<void> => {
    const late = new AbortController();
    const timer = scheduler.schedule(() => late.abort(), timeoutMs);
    const current = opened;
    const reason = await current
      .then((thread) => call(thread.call, late.signal))
      .catch((cause: unknown) => {
        if (late.signal.aborted) throw failed(what, `nothing within ${timeoutMs} ms.`);
        const { code, message } = asTributaryError(cause);
        if (code === 'TRIB_THREAD' && opened === current) {
          opened = opening();
          opened.catch(() => undefined);
        }
        throw failed(what, `"${message}"`);
      })
      .finally(() => timer.unsubscribe());
    if (reason === null) return;
    counts.refused += 1;
    throw new DeskError(
      code,
      `request: expected ${what} that may be served, got ${reason}. Ask for something else.`,
    );
  };
  await opened;
  return {
    counts,
    prompt: ({ prompt, requestedBy: user }) =>
      judge('a prompt', 'prompt-not-allowed', (call, signal) => call.prompt({ prompt, user }, { signal })),
    pictures: ({ request: { prompt, requestedBy: user }, pictures: pngs }) =>
      judge('the pictures of a prompt', 'pictures-not-allowed', (call, signal) =>
        call.pictures({ prompt, user, pngs }, { signal }),
      ),
    async close() {
      const thread = await opened.catch(() => null);
      await thread?.close();
    },
  };
}
