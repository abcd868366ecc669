// What comes from outside: an alert, and what can happen to it.

import { z } from 'zod';
import { event } from '../../src/index.js';

const Duration = z.string().regex(/^\d+ ?(ms|s|seconds?|minutes?|hours?|days?)$/);

export const Alert = z.object({
  id: z.string().min(1).max(64),
  summary: z.string().max(200),
  /** Who is asked, in this order. */
  rota: z.array(z.string().min(1)).min(1).max(10),
  /** How long a person has to answer. */
  patience: Duration,
  /** How long a person who answered is left in peace to put it right. */
  repairTime: Duration,
});
export type Alert = z.infer<typeof Alert>;

/** A person's answer to a page: I am on it. */
export const Taken = z.object({ by: z.string().min(1).max(64) });
export type Taken = z.infer<typeof Taken>;

/** Somebody does not want to hear of it for a while. */
export const muted = event('muted', z.object({ by: z.string(), duration: Duration }));

/** All is well again, says a person or the monitoring. */
export const resolved = event('resolved', z.object({ by: z.string() }));
