/** @file The thread in which a module of the user's judges what may be served. */

import { decode } from 'fast-png';
import { serveThread } from '../../../models/threads/thread.js';
import type { OwnSettings } from '../../../own-entries.js';
import { requireOwnEntry } from '../../../own-modules.js';
import { openedOnce } from '../shared/open-thread.js';
import { type AskedPrompt, createServingRule } from './own-serving-rule.js';

type Asked = Omit<AskedPrompt, 'signal'>;

export interface ServingService {
  open(settings: OwnSettings): Promise<void>;
  /** Why a prompt may not be drawn; null where it may. */
  prompt(asked: Asked, signal: AbortSignal): Promise<string | null>;
  /** Why pictures, as PNG, may not be shown; null where they may. */
  pictures(
    drawn: Asked & { readonly pngs: readonly Uint8Array[] },
    signal: AbortSignal,
  ): Promise<string | null>;
}

const opened = openedOnce('serving rule', async (settings: OwnSettings) => {
  await requireOwnEntry('serving rule', settings);
  return createServingRule(settings);
});

const service: ServingService = {
  async open(settings) {
    await opened.open(settings);
  },
  prompt: (asked, signal) => opened.value().prompt({ ...asked, signal }),
  pictures({ pngs, ...asked }, signal) {
    const images = pngs.map((png) => {
      const { width, height, data } = decode(png);
      return { width, height, data: Uint8Array.from(data) };
    });
    return opened.value().pictures({ ...asked, images, signal });
  },
};

serveThread(service, async () => undefined);
