/** @file Copies of messages, for whoever looks on. */

import { appendFile, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ignoreElements, map, type Observable, tap } from 'rxjs';
import { asTributaryError } from '../../../errors.js';
import { copyTo } from '../../../operators/index.js';
import type { StageConfig } from '../../config/schema/topology-schema.js';
import type { Envelope } from '../../transport/contract/transport.js';
import type { OperableMessage, OperableTopic } from '../operator/port-check.js';
import type { StageContext } from '../shared/stage-context.js';

type Copied = Envelope<OperableMessage>;

/** Deliveries at once: all that the transport has. */
const AT_ONCE = 1024;

/**
 * Copies the messages of a topic. Each is answered at once, so neither the topic nor its other readers wait for the target;
 * what the target does not take is dropped, counted and said once a round.
 */
export function tapStage(
  context: StageContext,
  name: string,
  { reads, to, maxWaiting }: Omit<StageConfig<'tap'>, 'type'>,
): Observable<never> {
  const { transport } = context;
  // Lint has checked that it is a queue.
  const topic = reads as OperableTopic;
  const drops = sayDrops(context, name);
  return transport.subscribe({ topic, consumerGroup: `tap-${name}`, maxInFlight: AT_ONCE }).pipe(
    tap((delivery) => delivery.ack()),
    map(({ key, message, headers }): Copied => ({ key, message, headers })),
    copyTo<Copied>({
      write: writerTo(context, to),
      maxWaiting,
      onDropped: (_, error) => drops(error),
    }),
    ignoreElements(),
  );
}

function writerTo(
  { transport }: StageContext,
  to: StageConfig<'tap'>['to'],
): (copy: Copied) => Promise<unknown> {
  switch (to.type) {
    case 'file':
      return async (copy) => {
        await mkdir(dirname(to.path), { recursive: true });
        await appendFile(to.path, `${jsonOf(copy)}\n`);
      };
    case 'http':
      return async (copy) => {
        const response = await fetch(to.url, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: jsonOf(copy),
          signal: AbortSignal.timeout(to.timeoutMs),
        });
        await response.body?.cancel();
        if (!response.ok) throw new Error(`status ${response.status}`);
      };
    default: {
      const topic = to.topic as OperableTopic;
      return (copy) => transport.publish(topic, copy as never);
    }
  }
}

/** A copy as JSON: of pictures and latents only how many numbers they are. */
function jsonOf({ key, message, headers }: Copied): string {
  const brief = (_: string, value: unknown) =>
    ArrayBuffer.isView(value) ? { numbers: (value as Float32Array).length } : value;
  return JSON.stringify({ key, headers, message }, brief);
}

/** A slow target would else say the same thing for every message. */
function sayDrops({ say }: StageContext, name: string): (error?: unknown) => void {
  let dropped = 0;
  return (error) => {
    dropped += 1;
    // At 1, 10, 100, ...
    if (!Number.isInteger(Math.log10(dropped))) return;
    const why = error === undefined ? 'the target is slower than the topic' : asTributaryError(error).message;
    say({
      kind: 'warning',
      message: `tap ${name}: expected every copy to be written, got ${dropped} that ${dropped === 1 ? 'was' : 'were'} dropped so far (${why}). The run goes on without them.`,
    });
  };
}
