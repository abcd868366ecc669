// Asking a JSON interface.

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** Sends a request and gives the answer, whatever its status. Rejects when there is nobody to answer. */
export async function ask(
  request: string,
  options: { body?: unknown; headers?: Record<string, string>; signal?: AbortSignal } = {},
): Promise<Answer> {
  const [method = 'GET', url = ''] = request.split(' ');
  const response = await fetch(url, {
    method,
    headers: { 'content-type': 'application/json', ...options.headers },
    body: options.body === undefined ? null : JSON.stringify(options.body),
    signal: options.signal ?? null,
  });
  return { status: response.status, body: await response.json() };
}

/** As `ask`, for who has no use for a refusal: rejects unless the status is 2xx. */
export async function askOk(request: string, options: Parameters<typeof ask>[1] = {}): Promise<unknown> {
  const answer = await ask(request, options);
  if (answer.status >= 300) throw new Error(`${request} was answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}
