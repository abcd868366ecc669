// Random ids: nanoid's, with 126 bits for instances and 192 for tokens that must not be guessed.

import { randomUUID } from 'node:crypto';
import { nanoid } from 'nanoid';
import type { Ids } from '../../runtime/ports.js';

const ID_LENGTH = 21;
const TOKEN_LENGTH = 32;

export function randomIds(): Ids {
  return {
    id: () => nanoid(ID_LENGTH),
    token: () => nanoid(TOKEN_LENGTH),
    uuid: () => randomUUID(),
    random: () => Math.random(),
  };
}
