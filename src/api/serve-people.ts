/** @file The server of a gateway, for whoever runs a topology. */

import { join } from 'node:path';
import { Subject } from 'rxjs';
import type { ServedEvent } from '../server/event-stream.js';
import { isLoopback } from '../server/host-check.js';
import { stageOf } from '../streams/config/resolved/stage-of.js';
import type { ResolvedConfig } from '../streams/config/schema/topology-schema.js';
import type { RunEvent, RunProgress } from '../streams/messages/run-events.js';
import { readPromptLists } from '../streams/prompt-files/read-prompts.js';
import type { ServeDesk } from '../streams/run/opening/open-gateway.js';
import { gridPrompts, textsOf } from '../streams/run/sample-grid.js';
import { processName } from '../streams/transport/process-name.js';
import { openGatewayServer } from './open-gateway-server.js';

/** What a part of this process did in its last round. */
interface Work {
  readonly idleShare: number;
  readonly groups: number;
}

/** Brokers are asked no more often. */
const ASKED_AGAIN_MS = 5000;

/** Serves people, and tells them what the run says of itself. */
export interface PeopleServer {
  readonly serveDesk: ServeDesk;
  /** Takes in what the run says. */
  note(event: RunEvent): void;
}

/** Returns what serves the desk of a run, with `TRIBUTARY_GATEWAY_TOKEN` as its token where that is set. */
export function peopleServer(): PeopleServer {
  const events$ = new Subject<ServedEvent>();
  const worked = new Map<string, Work>();
  let progress: RunProgress | null = null;
  return {
    async serveDesk(desk, { config, runPath, say, operator, watch }) {
      const { name, http, pictures, answerWithinMs, feedback } = stageOf(config, 'gateway');
      const token = process.env.TRIBUTARY_GATEWAY_TOKEN || undefined;
      if (token === undefined && !isLoopback(http.host))
        say({
          kind: 'warning',
          message: `gateway: anyone who reaches ${http.host} may ask for pictures, vote and steer the run. Set TRIBUTARY_GATEWAY_TOKEN.`,
        });
      const examples = await examplesOf(config);
      const atWork = atMostEvery(ASKED_AGAIN_MS, () => watch.atWork());
      const workers = async () => {
        const { roles, at } = await atWork();
        return (roles ?? []).map(({ role, process }) => ({
          role,
          ...(process !== null && { process, seenAt: at }),
          ...(process === processName() && worked.get(role)),
        }));
      };
      const server = await openGatewayServer({
        desk,
        http,
        setting: `stages.${name}.http`,
        token,
        pictures,
        answerWithinMs,
        // A process without a run directory shows that of the trainer, where it is mounted.
        runPath: runPath ?? join('runs', config.name),
        control: {
          reason: () => null,
          wanted: () => operator.wanted(),
          change: (_run, _config, change) => operator.change(change),
        },
        live: {
          details: async () => ({
            progress,
            workers: await workers(),
            deadLetters: [...watch.givenUp()],
            feedback: { rule: feedback.rule, voters: feedback.voters, pictures },
            examples,
          }),
          events$,
        },
      });
      say({ kind: 'listening', url: server.url, what: 'people' });
      return server;
    },
    note(event) {
      if (event.kind === 'progress') {
        const { kind: _, ...now } = event;
        progress = now;
        events$.next({ type: 'progress', ...now });
      } else if (event.kind === 'worked') {
        const { role, idleShare, groups } = event;
        worked.set(role, { idleShare, groups });
      }
    },
  };
}

/** Asks, and gives the same answer for a while. */
function atMostEvery<Roles>(milliseconds: number, ask: () => Promise<Roles>) {
  let asked = Number.NEGATIVE_INFINITY;
  let answer: Promise<{ readonly roles: Roles; readonly at: string }>;
  return () => {
    if (performance.now() - asked >= milliseconds) {
      asked = performance.now();
      answer = ask().then((roles) => ({ roles, at: new Date().toISOString() }));
    }
    return answer;
  };
}

/** Prompts that the model can draw; none where the files cannot be read here. */
async function examplesOf(config: ResolvedConfig): Promise<string[]> {
  try {
    return textsOf(gridPrompts(await readPromptLists(config)));
  } catch {
    return [];
  }
}
