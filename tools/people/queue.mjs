/**
 * @file How a studio answers a crowd: as many requests at once as may wait, and meanwhile others that are one too many.
 *
 *     node tools/people/queue.mjs [--address http://127.0.0.1:8080]
 *
 * Prints the time of the last of those that wait, and how fast the others get their 429, in milliseconds.
 */
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { address: { type: 'string', default: 'http://127.0.0.1:8080' } } });
const MOST_WAITING = 50;
const TOO_MANY = 500;

async function ask() {
  const start = performance.now();
  const body = JSON.stringify({ prompt: 'two red circles', user: 'crowd', response_format: 'url' });
  const headers = { 'content-type': 'application/json' };
  const { status } = await fetch(`${values.address}/v1/images/generations`, {
    method: 'POST',
    headers,
    body,
  });
  return { status, ms: performance.now() - start };
}

function quantile(sorted, share) {
  return Math.round(10 * sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]) / 10;
}

/** As many as may wait, each asking again as soon as it was served, until the others have asked. */
let isOver = false;
const firstServed = [];
async function waitAgain() {
  for (let isFirst = true; isFirst || !isOver; ) {
    const { status, ms } = await ask();
    if (status !== 200) await setTimeout(50);
    else if (isFirst) firstServed.push(ms);
    if (status === 200) isFirst = false;
  }
}
const crowd = Array.from({ length: MOST_WAITING }, waitAgain);
const refused = [];
while (refused.length < TOO_MANY) {
  const answer = await Promise.race([ask(), setTimeout(200)]);
  if (answer?.status === 429) refused.push(answer.ms);
  await setTimeout(5);
}
isOver = true;
await Promise.all(crowd);
const sorted = refused.sort((a, b) => a - b);
console.log({
  lastServedMs: Math.round(Math.max(...firstServed)),
  median: quantile(sorted, 0.5),
  p99: quantile(sorted, 0.99),
  most: quantile(sorted, 1),
});
