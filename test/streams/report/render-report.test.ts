import { describe, expect, test } from 'vitest';
import { renderReport } from '../../../src/streams/report/render-report.js';
import { alarm, evaluation, roundMetrics } from '../example-metrics.js';
import { content } from './example-report.js';
import { elementsOf } from './markup.js';

const textOf = (html: string) => html.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');

describe('renderReport', () => {
  test('should be one well-formed document that loads nothing', () => {
    const html = renderReport(content);
    const elements = elementsOf(html);
    for (const name of ['script', 'link', 'img', 'iframe']) expect(elements).not.toContain(name);
    for (const [, target] of html.matchAll(/(?:src|href|url)\s*[=(]\s*["']?([^"')]*)/g))
      expect(target).toMatch(/^(data:|#trees-)/);
    expect(html).not.toContain('undefined');
    expect(html).not.toContain('NaN');
  });

  test('should count late groups where rounds close by time, and not speak of them elsewhere', () => {
    const rounds = content.rounds.map((round) => ({ ...round, lateGroups: round.round }));
    expect(textOf(renderReport({ ...content, rounds }))).toContain('late groups 6 ');
    expect(renderReport(content)).not.toContain('late groups');
  });

  test('should tell rewards from outside from those of the model, and draw them on an axis of their own', () => {
    const people = content.rounds.map((round) => ({
      ...round,
      rewardQueries: 0,
      rewardMean: 4 + round.round / 10,
      outsideRewards: 128,
    }));
    const html = renderReport({ ...content, rounds: people });
    const text = textOf(html);
    expect(text).toContain('512 external rewards in 4 rounds');
    expect(text).not.toContain('reward queries');
    const chartOf = (title: string) =>
      html.split('<figure>').find((figure) => figure.includes(`<h3>${title}</h3>`)) ?? '';
    // The model's scores are below 1, and people's 4 and above.
    expect(textOf(chartOf('Reward'))).toMatch(/train .*held-out/);
    expect(chartOf('Reward')).not.toContain('in training');
    expect(chartOf('External rewards')).toContain('in training');
    expect(chartOf('External rewards')).not.toContain('held-out');
    expect(chartOf('External rewards')).toContain('>4.3<');
    const modeled = renderReport(content);
    expect(modeled).not.toContain('External rewards');
    expect(textOf(modeled)).toContain('512 reward queries in 4 rounds');
  });

  test('should show gold rewards in the table and in charts of their own', () => {
    const withGold = (round: number, mean: number) => {
      const gold = { 'taste<1>': { mean, std: 1 } };
      return evaluation(round, { train: { gold }, heldOut: { gold } });
    };
    const html = renderReport({ ...content, evaluations: [withGold(0, 2), withGold(4, 1.5)], best: null });
    expect(textOf(html)).toContain('gold: taste&lt;1&gt; 2.000 1.500 −0.500 2.000 1.500 −0.500');
    expect(html).toContain('<h3>Gold: taste&lt;1&gt;</h3>');
    expect(renderReport(content)).not.toContain('<h3>Gold');
  });

  test('should show the parts of a combined reward in the table and in charts of their own', () => {
    const withParts = (round: number, mean: number) =>
      evaluation(round, {
        train: { rewardParts: { red: mean } },
        heldOut: { rewardParts: { red: 2 * mean, late: 7 } },
      });
    const parts = { red: { groups: 8, mean: 0.5, std: 0.1 } };
    const rounds = content.rounds.map((round) => ({ ...round, rewardParts: parts }));
    const evaluations = [withParts(0, 1), withParts(4, 1.5)];
    const html = renderReport({ ...content, rounds, evaluations, best: null });
    expect(textOf(html)).toContain('part: red 1.000 1.500 +0.500 2.000 3.000 +1.000');
    // A prompt may name its parts, so a list may lack one.
    expect(textOf(html)).toContain('part: late – – – 7.000 7.000 ±0.000');
    expect(html).toContain('<h3>Reward: red</h3>');
  });

  test('should say why there is no drift where a round takes one step', () => {
    const rounds = content.rounds.map((round) => ({ ...round, optimizerSteps: 1 }));
    expect(textOf(renderReport({ ...content, rounds }))).toContain(
      'With one optimizer step a round there is no drift',
    );
    expect(renderReport(content)).not.toContain('there is no drift');
  });

  test('should not say of rewards from outside that the policy exploits the reward model', () => {
    const [base, tuned] = [
      evaluation(0, { train: { verifiedAlignment: 0.5, rewardMean: 0.1 } }),
      evaluation(4, { train: { verifiedAlignment: 0.3, rewardMean: 0.4 } }),
    ];
    const people = content.rounds.map((round) => ({ ...round, outsideRewards: 128 }));
    const exploits = 'exploits the reward model';
    expect(renderReport({ ...content, evaluations: [base, tuned] })).toContain(exploits);
    expect(renderReport({ ...content, rounds: people, evaluations: [base, tuned] })).not.toContain(exploits);
  });

  test('should say first what came of it', () => {
    expect(textOf(renderReport(content))).toContain(
      'After 4 rounds, 58.6 % of the images of training prompts show exactly what was asked for (before: 41.0 %), and 30.0 % of the images of held-out prompts (before: 40.0 %).',
    );
  });

  test('should compare base and tuned in a table', () => {
    const text = textOf(renderReport(content));
    expect(text).toContain('verified alignment 41.0 % 58.6 % +17.6 points 40.0 % 30.0 % −10.0 points');
    expect(text).toContain('diversity 0.500 0.470 94 % kept 0.500 0.500 100 % kept');
    expect(text).toContain('counting 50.0 % 62.0 % +12.0 points – – –');
  });

  test('should have every chart', () => {
    const html = renderReport(content);
    for (const title of [
      'Verified alignment',
      'Reward',
      'Verifier score',
      'Diversity',
      'Training interval',
      'Clip fraction by sampler step',
      'What the policy could learn from',
      'Gradient norm',
    ])
      expect(html).toContain(`<h3>${title}</h3>`);
    for (const label of ['train', 'held-out', 'in training', 'zero spread'])
      expect(html).toContain(`>${label}</text>`);
  });

  test('should leave steps that were not trained empty in the heat map', () => {
    const html = renderReport(content);
    expect(html.match(/class="heat"/g)).toHaveLength(2 * 3 + 2 * 6);
    expect(html).toContain('<title>round 3, step 4: 75.0 % clipped</title>');
  });

  test('should draw the trained steps, wherever they lie', () => {
    const steps = [[0, 1], [2, 5, 6], []];
    const rounds = steps.map((trainedSteps, round) => roundMetrics(round, { trainedSteps }));
    const html = renderReport({ ...content, rounds });
    expect(html.match(/class="heat"/g)).toHaveLength(2 + 3);
    // The plot is 202 high, for 10 steps: steps 0-1 of round 0, and 2 and 5-6 of round 1.
    expect(
      [...html.matchAll(/class="area".*? y="([\d.]+)".*? height="([\d.]+)"/g)].map(([, ...at]) => at),
    ).toEqual([
      ['14', '40.4'],
      ['54.4', '20.2'],
      ['115', '40.4'],
    ]);
  });

  test('should have charts of what is measured only', () => {
    const titles = ['KL to the pretrained model', 'Value loss', 'Learning rate after guards'];
    const html = renderReport(content);
    for (const title of titles) expect(html).not.toContain(title);
    const measured = { klToPretrained: 1.5, valueLoss: 0.2, learningRateScale: 0.5 };
    const rounds = content.rounds.map((round) => ({ ...round, ...measured }));
    const full = renderReport({ ...content, rounds });
    for (const title of titles) expect(full).toContain(`<h3>${title}</h3>`);
  });

  test('should say which policy was the best', () => {
    const best = evaluation(2, { heldOut: { rewardMean: 0.35 } });
    expect(textOf(renderReport({ ...content, best }))).toContain(
      'The best policy on held-out prompts is that after 2 rounds, reward 0.350 (+0.050); it is kept in best/ .',
    );
  });

  test('should list alarms, and compare with the best policy where a guard stopped the run', () => {
    const best = evaluation(2, { train: { verifiedAlignment: 0.5 } });
    const alarms = [alarm(3, { message: 'a < b' }), alarm(4, { action: 'stop', message: 'too far' })];
    const html = renderReport({ ...content, best, alarms });
    elementsOf(html);
    expect(textOf(html)).toContain('Alarms a &lt; b too far Before and after');
    expect(textOf(html)).toContain('After 2 rounds, 50.0 % of the images');
    expect(textOf(html)).toContain(
      'The guard ratioDrift stopped the run after 4 rounds, and this is what it ends with.',
    );
    const unimproved = renderReport({ ...content, best: evaluation(0), alarms });
    expect(textOf(unimproved)).toContain(
      'The best policy on held-out prompts is the base model, reward 0.300 (±0.000)',
    );
  });

  test('should show the prompts beside their pictures, each grid embedded once', () => {
    const html = renderReport(content);
    expect(html).toContain('a &lt;red&gt; circle');
    expect(html).toContain('aria-label="two &quot;blue&quot; squares, tuned"');
    // The sheet of the trees is the third.
    expect(html.match(/data:image\/png;base64,/g)).toHaveLength(3);
    expect(html).toContain('aspect-ratio:6 / 4;background-size:100% 200%');
  });

  test('should warn where the reward rose and the verified alignment fell', () => {
    const evaluations = [
      evaluation(0, { train: { rewardMean: 0.3, verifiedAlignment: 0.5 } }),
      evaluation(4, { train: { rewardMean: 0.6, verifiedAlignment: 0.4 } }),
    ];
    expect(renderReport({ ...content, evaluations })).toContain('the policy exploits the reward model');
    expect(renderReport(content)).not.toContain('exploits');
  });

  test('should do without a verifier', () => {
    const unverified = { verifiedAlignment: null, verifierScore: null };
    const html = renderReport({
      ...content,
      rounds: content.rounds.map((round) => ({ ...round, ...unverified })),
      evaluations: [0, 4].map((round) => evaluation(round, { train: unverified, heldOut: unverified })),
    });
    expect(html).not.toContain('<h3>Verified alignment</h3>');
    expect(textOf(html)).toContain('the reward is 0.300 for training prompts (before: 0.300)');
    elementsOf(html);
  });

  test('should stand at any time of a run', () => {
    for (const part of [
      { rounds: [], evaluations: [], grids: null },
      { rounds: [], evaluations: content.evaluations.slice(0, 1), grids: null },
      { rounds: content.rounds.slice(0, 1), evaluations: content.evaluations.slice(0, 1), grids: null },
    ]) {
      const html = renderReport({ ...content, ...part });
      expect(html).toContain('No tuned policy has been evaluated yet.');
      expect(html).not.toContain('NaN');
      elementsOf(html);
    }
  });

  test('should stay small after many rounds, and show the last one', () => {
    const html = renderReport({
      ...content,
      rounds: Array.from({ length: 5000 }, (_, round) => roundMetrics(round)),
    });
    expect(html.length).toBeLessThan(600_000);
    expect(html).toContain('round 4999, step 9');
  });
});
