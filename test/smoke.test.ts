import { expect, test } from 'vitest';
import { activity, event, receive, sleep, step, workflow } from '../src/index.js';
import { createTestRuntime } from '../src/testing.js';

const approval = event<{ approved: boolean }>('approval');
test('a process runs, sleeps, survives a crash and ends', async () => {
  let calls = 0;
  const request = activity('request', async (a: { model: string }) => {
    calls++;
    return `ip-${a.model}`;
  });
  const provision = workflow('provision', function* (o: { model: string }) {
    const ip = yield* request({ model: o.model });
    const answer = yield* receive(approval, { key: ip, timeout: '3 days' });
    yield* sleep('1 day');
    const n = yield* step('two', () => 2);
    return { ip, answer, n };
  });
  const { runtime, advance, runUntilIdle, crash } = await createTestRuntime({ workflows: [provision] });
  const i = await runtime.start(provision, { model: 'm' }, { id: 'a' });
  await runUntilIdle();
  expect(await i.info()).toMatchObject({ status: 'sleeping', waitingFor: [{ kind: 'receive', name: 'approval', key: 'ip-m' }] });
  const again = await crash();
  expect(await again.publish(approval, 'ip-m', { approved: true })).toEqual({ status: 'delivered' });
  await advance('1 day');
  expect(await again.instance('a').result()).toEqual({ ip: 'ip-m', answer: { approved: true }, n: 2 });
  expect(calls).toBe(1);
  void runtime;
});
