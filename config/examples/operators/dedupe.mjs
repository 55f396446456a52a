import { filter } from 'rxjs';

/** Drops a prompt whose words came before, as far as it remembers: the newest `remember` prompts. */
export default ({ remember = 10_000 }) => {
  const seen = new Set();
  return filter(({ prompt }) => {
    const words = prompt.trim().toLowerCase();
    if (seen.has(words)) return false;
    seen.add(words);
    if (seen.size > remember) seen.delete(seen.values().next().value);
    return true;
  });
};
