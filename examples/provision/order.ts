// What comes from outside: an order, and the answer to it.

import { z } from 'zod';
import { event } from '../../src/index.js';

export const Order = z.object({
  id: z.string().min(1).max(64),
  model: z.string().min(1).max(64),
  domain: z.hostname(),
  approvalTimeout: z
    .string()
    .regex(/^\d+ ?(ms|s|seconds?|minutes?|hours?|days?)$/)
    .default('3 days'),
});

/** Somebody has decided. Its key is the address of the machine that it is about. */
export const approval = event('approval', z.object({ approved: z.boolean(), by: z.string(), reason: z.string().optional() }));
