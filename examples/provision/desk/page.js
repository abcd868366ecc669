// The desk's page: fetches what is asked, and posts what is answered. Whatever comes from outside is put on the page as
// text, never as markup. Cards are kept while they are open, so that the focus and a half-typed reason stay.

const lookEveryMs = 1_000;
const open = document.getElementById('open');
const settled = document.getElementById('settled');
const summary = document.getElementById('summary');
const by = document.getElementById('by');
const cards = new Map();

async function look() {
  try {
    const response = await fetch('approvals');
    if (!response.ok) throw new Error(`The desk answered ${response.status}.`);
    show(await response.json());
  } catch (error) {
    say(`The desk cannot be reached (${error.message}). It is tried again.`);
  }
}

function show(approvals) {
  const waiting = approvals.filter((approval) => approval.state === 'open');
  for (const approval of waiting) if (!cards.has(approval.ip)) addCard(approval);
  for (const ip of [...cards.keys()]) if (!waiting.some((approval) => approval.ip === ip)) removeCard(ip);
  const ended = approvals.filter((approval) => approval.state !== 'open');
  document.getElementById('settled-title').hidden = ended.length === 0;
  settled.replaceChildren(...ended.map(toLine));
  say(
    waiting.length === 0
      ? 'Nothing waits for you.'
      : `${waiting.length} ${waiting.length === 1 ? 'order waits' : 'orders wait'} for your answer.`,
  );
}

/** Only what has changed is written, because screen readers read out whatever is. */
function say(text) {
  if (summary.textContent !== text) summary.textContent = text;
}

function addCard(approval) {
  const card = document.getElementById('question').content.cloneNode(true).firstElementChild;
  for (const field of card.querySelectorAll('[data-field]')) field.textContent = approval[field.dataset.field];
  for (const button of card.querySelectorAll('button')) {
    button.setAttribute('aria-label', `${button.textContent} ${approval.domain}`);
    button.addEventListener('click', () => answer(approval.ip, card, button.value === 'approve'));
  }
  cards.set(approval.ip, card);
  open.append(card);
}

async function answer(ip, card, approved) {
  const buttons = [...card.querySelectorAll('button')];
  const problem = card.querySelector('.problem');
  if (!by.reportValidity()) return;
  const reason = card.querySelector('input').value.trim();
  for (const button of buttons) button.disabled = true;
  problem.textContent = '';
  try {
    const response = await fetch(`approvals/${encodeURIComponent(ip)}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ approved, by: by.value.trim(), ...(reason === '' ? {} : { reason }) }),
    });
    if (!response.ok) throw new Error((await response.json()).message);
    removeCard(ip, { moveFocus: true });
    await look();
  } catch (error) {
    problem.textContent = `Not sent: ${error.message}`;
    for (const button of buttons) button.disabled = false;
    buttons[approved ? 0 : 1].focus();
  }
}

/** Takes a card away. Whoever works with the keyboard goes on at the next one: not on a button, which a second Enter would press. */
function removeCard(ip, { moveFocus = cards.get(ip)?.contains(document.activeElement) ?? false } = {}) {
  const card = cards.get(ip);
  if (card === undefined) return;
  const next = card.nextElementSibling ?? card.previousElementSibling;
  card.remove();
  cards.delete(ip);
  if (moveFocus) (next?.querySelector('input') ?? summary).focus();
}

function toLine(approval) {
  const line = document.createElement('li');
  const { answer: given, telling } = approval;
  const verdict = given === undefined ? 'withdrawn' : `${given.approved ? 'approved' : 'rejected'} by ${given.by}`;
  const reason = given?.reason === undefined ? '' : `, “${given.reason}”`;
  const heard = telling === undefined || telling.outcome === 'delivered' ? '' : ` (telling the daemon: ${telling.outcome})`;
  line.textContent = `${approval.domain}: ${verdict}${reason}${heard}`;
  return line;
}

await look();
setInterval(() => document.visibilityState === 'visible' && look(), lookEveryMs);
