// Instances that start instances: some are called and waited for, all at once; one goes on by itself and sends word.
//   npx tsx examples/05-children.ts

import assert from 'node:assert/strict';
import { all, call, createRuntime, event, instanceId, memoryStore, receive, send, sleep, startChild, workflow } from '../src/index.js';

const onTheWay = event<{ truck: string }>('on-the-way');

const pack = workflow('pack', function* (item: string) {
  yield* sleep('20ms');
  return `[${item}]`;
});

const deliver = workflow('deliver', function* (order: { id: string; parcels: string[] }) {
  yield* send(order.id, onTheWay, { truck: 'truck 9' });
  yield* sleep('20ms');
  return `${order.parcels.length} parcels delivered`;
});

const order = workflow('order', function* (items: string[]) {
  const id = yield* instanceId();
  const parcels = yield* all(items.map((item) => call(pack, item)));
  const delivery = yield* startChild(deliver, { id, parcels });
  const { truck } = yield* receive(onTheWay);
  return { parcels, truck, delivered: yield* delivery.result() };
});

const runtime = await createRuntime({ workflows: [order, pack, deliver], store: memoryStore() });
const result = await (await runtime.start(order, ['lamp', 'desk', 'chair'])).result();
await runtime.stop();

assert.deepEqual(result, { parcels: ['[lamp]', '[desk]', '[chair]'], truck: 'truck 9', delivered: '3 parcels delivered' });
console.log(`✓ ${result.parcels.join(' ')} by ${result.truck}: ${result.delivered}`);
