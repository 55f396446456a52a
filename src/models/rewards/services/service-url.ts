/** @file Addresses of services in a config. */
import { z } from 'zod';

const PHRASE = 'an http or https URL without user, password or fragment';

/** A password would end up in every copy of the config. */
function isServiceUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, hash } = new URL(text);
  return /^https?:$/.test(protocol) && username === '' && password === '' && hash === '';
}

export const serviceUrlField = (description: string) =>
  z.string({ error: PHRASE }).refine(isServiceUrl, { error: PHRASE }).describe(description);
