// A serving rule of one's own: a prompt with one of these words is not drawn, and pictures that are nearly black are not
// shown.

import { defineServingRule, number, text } from 'tributary-rl';

export default defineServingRule({
  fields: {
    words: text('words with spaces between them').default('gun blood'),
    darkest: number({ from: '[0', to: '1]' }).default(0.02),
  },
  create: ({ words, darkest }) => ({
    prompt: ({ prompt }) => {
      const word = words.split(' ').find((one) => prompt.toLowerCase().includes(one));
      return word === undefined ? null : `the word "${word}"`;
    },
    pictures: ({ images }) => {
      const brightness = images.map(
        ({ data }) => data.reduce((sum, value) => sum + value, 0) / (255 * data.length),
      );
      return Math.min(...brightness) < darkest ? 'a picture that is nearly black' : null;
    },
  }),
});
