// A reward of one's own: how red the pictures are, as the mean of red minus green and blue, in units of `gain`.

import { defineReward, number } from 'tributary-rl';

export default defineReward({
  fields: { gain: number({ from: '(0', to: 'Infinity)' }).default(1) },
  create: ({ gain }) => ({
    score: ({ images }) =>
      images.map(({ data }) => {
        const sums = [0, 0, 0];
        for (const [index, value] of data.entries()) sums[index % 3] += value / 255;
        const [red, green, blue] = sums.map((sum) => sum / (data.length / 3));
        return gain * (red - (green + blue) / 2);
      }),
  }),
});
