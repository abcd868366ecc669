// Questions and answers over a network that loses some of both: whoever hears no answer asks again.

import { all, createLatch, type Latch, type Operation, race, timeout, workflow } from '../../src/index.js';
import { type Endpoint, receiveDatagram, sendDatagram } from './datagrams.js';

interface Shouting {
  readonly endpoint: Endpoint;
  /** Plays the network: whether this datagram, which comes or goes, is lost. */
  loses(text: string): boolean;
}

/** Gives back in capitals what it is told, until it is cancelled. */
export const shouter = workflow({ name: 'shouter', durable: false }, function* ({ endpoint, loses }: Shouting) {
  for (;;) {
    const { port, text } = yield* receiveDatagram(endpoint);
    if (loses(text)) continue;
    const answer = { port, text: text.toUpperCase() };
    if (!loses(answer.text)) yield* sendDatagram(endpoint, answer);
  }
});

interface Asking {
  readonly endpoint: Endpoint;
  /** Of the one who is asked. */
  readonly port: number;
  readonly questions: readonly string[];
}

/** The answers that are waited for, by the number of their question. */
type Answers = Map<string, Latch<string>>;

/** Asks everything at once, over one socket, and gives the answers in the order of the questions. */
export const asker = workflow({ name: 'asker', durable: false }, function* (asking: Asking) {
  const answers: Answers = new Map();
  const asked = asking.questions.map((question) => ask(asking, question, answers));
  return yield* race([all(asked), hear(asking.endpoint, answers)]);
});

/** Asks, and asks again with twice the patience, until an answer comes. */
function* ask({ endpoint, port }: Asking, question: string, answers: Answers): Operation<string> {
  const number = String(answers.size);
  const answer = yield* createLatch<string>();
  answers.set(number, answer);
  for (let patienceMs = 50; patienceMs <= 800; patienceMs *= 2) {
    yield* sendDatagram(endpoint, { port, text: `${number} ${question}` });
    const heard = yield* timeout(patienceMs, answer.wait(), { orElse: null });
    if (heard !== null) return heard;
  }
  throw new Error(`There is no answer to "${question}".`);
}

/** Gives each answer to who waits for it. What was asked twice may be answered twice: the second answer is not heard. */
function* hear(endpoint: Endpoint, answers: Answers): Operation<never> {
  for (;;) {
    const { text } = yield* receiveDatagram(endpoint);
    const [number = '', ...words] = text.split(' ');
    const answer = answers.get(number);
    if (answer?.isOpen === false) yield* answer.open(words.join(' '));
  }
}
