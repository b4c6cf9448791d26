// The pages. Text of messages only ever becomes text: nothing here makes HTML of it.
import { html, render, useEffect, useState } from '/vendor/htm-preact.js';
import { languages } from '/words.js';

// --- words and figures ---

const store = { get: (key) => { try { return localStorage.getItem(key); } catch { return null; } },
  set: (key, value) => { try { localStorage.setItem(key, value); } catch { /* a private window */ } } };
let language = store.get('language') || (navigator.language.startsWith('zh') ? 'zh-CN' : 'en');
const t = (key) => languages[language][key];
const number = (value) => value.toLocaleString(language);
// Text of others: what would turn its direction or hide in it is shown as its number.
const hidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
const plain = (text) => text.replace(hidden, (c) => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'));
const time = (ms) => new Date(ms).toLocaleString(language, { dateStyle: 'short', timeStyle: 'medium' });

// --- the server ---

async function ask(path) {
  const answer = await fetch('/api/v1' + path);
  const body = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(body.message), { status: answer.status });
  return body;
}
async function openSession(token) {
  const answer = await fetch('/api/v1/session',
    { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ token }) });
  return answer.ok;
}

// --- where one is: all of it in the address ---

function place() {
  const [path, query] = location.hash.slice(1).split('?');
  return { parts: path.split('/').filter(Boolean).map(decodeURIComponent), query: new URLSearchParams(query || '') };
}
const link = (...parts) => '#/' + parts.map(encodeURIComponent).join('/');
function usePlace() {
  const [at, set] = useState(place());
  useEffect(() => {
    const change = () => set(place());
    addEventListener('hashchange', change);
    return () => removeEventListener('hashchange', change);
  }, []);
  return at;
}

// --- what comes by itself ---

// The newest state, and the one before it for rates. Hidden pages do not listen.
function useOverview() {
  const [states, set] = useState({ now: null, before: null, away: false });
  useEffect(() => {
    let events = null;
    const open = () => {
      if (document.hidden || events) return;
      events = new EventSource('/api/v1/events');
      events.onmessage = (event) => {
        const state = JSON.parse(event.data);
        set((old) => state.error ? { ...old, away: false, stale: state }
          : { now: state, before: old.now, away: false, stale: null });
      };
      events.onerror = () => set((old) => ({ ...old, away: true }));
    };
    const close = () => { if (events) events.close(); events = null; };
    const change = () => (document.hidden ? close() : open());
    document.addEventListener('visibilitychange', change);
    open();
    return () => { document.removeEventListener('visibilitychange', change); close(); };
  }, []);
  return states;
}

// What was asked for once, anew when `path` changes.
function useAnswer(path) {
  const [answer, set] = useState({ path: null });
  useEffect(() => {
    let current = true;
    ask(path).then((value) => current && set({ path, value }), (error) => current && set({ path, error }));
    return () => { current = false; };
  }, [path]);
  return answer.path === path ? answer : { path };
}
const Waiting = ({ answer }) => answer.error ? html`<p role="alert">${answer.error.message}</p>`
  : html`<p class="soft">${t('loading')}</p>`;

// --- pages ---

const columns = ['waiting', 'delayed', 'held', 'dead', 'consumers'];

function rates(now, before, topic, name) {
  const old = before && before.topics.find((each) => each.topic === topic.topic);
  const seconds = before ? (now.at - before.at) / 1000 : 0;
  return old && seconds > 0 ? Math.max(0, Math.round((topic[name] - old[name]) / seconds)) : null;
}

function problems(topics) {
  const found = [];
  for (const each of topics) {
    if (each.waiting > 0 && each.consumers === 0) found.push({ level: 'critical', topic: each.topic, text: `${number(each.waiting)} ${t('nobody')}` });
    if (each.dead > 0) found.push({ level: 'warning', topic: each.topic, text: `${number(each.dead)} ${t('has_dead')}` });
  }
  return found.sort((a, b) => a.level.localeCompare(b.level));
}

function Overview({ states, query }) {
  const { now, before } = states;
  if (!now) return states.stale ? null : html`<p class="soft">${t('loading')}</p>`;
  const filter = query.get('filter') || '';
  const shown = now.topics.filter((each) => each.topic.includes(filter));
  const found = problems(now.topics);
  const change = (event) => { history.replaceState(null, '', '#/?filter=' + encodeURIComponent(event.target.value)); dispatchEvent(new HashChangeEvent('hashchange')); };
  return html`<h1>${t('overview')}</h1>
    <section aria-label=${t('problems')}>${found.length === 0 ? html`<p class="soft">${t('no_problems')}</p>` : html`<ul class="list">
      ${found.slice(0, 20).map((each) => html`<li class=${each.level}><span class="word">${t(each.level)}</span>
        <a href=${link('topic', each.topic)}>${each.topic}</a>: ${each.text}</li>`)}</ul>`}</section>
    <div class="row"><h2>${t('topics')}</h2><label>${t('filter')} <input value=${filter} onInput=${change}/></label></div>
    ${now.topics.length === 0 ? html`<p>${t('no_topics')}</p>` : html`<div class="wide"><table><thead><tr><th scope="col">${t('topic')}</th>
      ${columns.map((each) => html`<th scope="col" class="number">${t(each)}</th>`)}
      <th scope="col" class="number">${t('in_rate')}</th><th scope="col" class="number">${t('out_rate')}</th></tr></thead>
      <tbody>${shown.map((each) => html`<tr key=${each.topic}><td class="text"><a href=${link('topic', each.topic)}>${each.topic}</a></td>
        ${columns.map((name) => html`<td class="number">${number(each[name])}</td>`)}
        ${['produced', 'completed'].map((name) => { const rate = rates(now, before, each, name);
          return html`<td class="number">${rate === null ? '–' : number(rate)}</td>`; })}</tr>`)}</tbody></table></div>`}`;
}

const Tile = ({ name, value }) => html`<div class="tile"><span>${t(name)}</span><strong>${number(value)}</strong></div>`;

function Topic({ name, states }) {
  const answer = useAnswer('/topics/' + encodeURIComponent(name));
  const live = states.now && states.now.topics.find((each) => each.topic === name);
  const topic = live || answer.value;
  if (!topic) return html`<h1>${name}</h1><${Waiting} answer=${answer}/>`;
  return html`<h1>${name}</h1><h2>${t('now')}</h2><div class="tiles">
    ${['waiting', 'suspects', 'delayed', 'held', 'dead', 'consumers'].map((each) => html`<${Tile} name=${each} value=${topic[each]}/>`)}
    ${answer.value && html`<${Tile} name="partitions" value=${answer.value.partitions}/>`}</div>
    <h2>${t('counters')}</h2><div class="tiles">
    ${['produced', 'completed', 'retried', 'became_dead', 'expired', 'cancelled', 'recovered', 'lease_lost']
      .map((each) => html`<${Tile} name=${each} value=${topic[each]}/>`)}</div>
    <p><a href=${link('topic', name, 'dead')}>${t('dead_letters')} (${number(topic.dead)})</a></p>`;
}

function Dead({ name, query }) {
  const offset = Math.max(0, Number(query.get('offset')) || 0);
  const base = '/topics/' + encodeURIComponent(name);
  const groups = useAnswer(base + '/dead-groups?window=1000');
  const page = useAnswer(`${base}/dead?offset=${offset}&limit=50`);
  const at = (to) => link('topic', name, 'dead') + '?offset=' + to;
  return html`<p><a href=${link('topic', name)}>${name}</a></p><h1>${t('dead_letters')}</h1>
    <h2>${t('groups')}</h2>${!groups.value ? html`<${Waiting} answer=${groups}/>` : groups.value.groups.length === 0 ? html`<p>${t('none_dead')}</p>`
    : html`<p class="soft">${t('looked_at').replace('{n}', number(groups.value.looked_at))}</p>
      <div class="wide"><table><thead><tr><th scope="col" class="number">${t('count')}</th><th scope="col">${t('error')}</th><th scope="col">${t('reason')}</th>
      <th scope="col">${t('newest')}</th></tr></thead><tbody>${groups.value.groups.map((each) => html`<tr><td class="number">${number(each.count)}</td>
        <td class="text"><a href=${link('topic', name, 'dead', each.sample)}>${plain(each.error) || '–'}</a></td><td>${each.reason}</td>
        <td class="time">${time(each.newest)}</td></tr>`)}</tbody></table></div>`}
    <h2>${t('show_all')}</h2>${!page.value ? html`<${Waiting} answer=${page}/>` : html`<div class="wide"><table><thead><tr><th scope="col">${t('id')}</th>
      <th scope="col">${t('died')}</th><th scope="col">${t('reason')}</th><th scope="col">${t('error')}</th></tr></thead>
      <tbody>${page.value.letters.map((each) => html`<tr key=${each.id}><td class="id"><a href=${link('topic', name, 'dead', each.id)}>${each.id}</a></td>
        <td class="time">${time(each.dead_at)}</td><td>${each.reason}</td><td class="text">${plain(each.error)}</td></tr>`)}</tbody></table></div>
      <div class="row">${offset > 0 && html`<a href=${at(Math.max(0, offset - 50))}>← ${t('newer')}</a>`}
        ${page.value.letters.length === 50 && html`<a href=${at(offset + 50)}>${t('older')} →</a>`}</div>`}`;
}

function Letter({ name, id }) {
  const answer = useAnswer(`/topics/${encodeURIComponent(name)}/dead/${encodeURIComponent(id)}`);
  const letter = answer.value;
  return html`<p><a href=${link('topic', name, 'dead')}>${t('dead_letters')}: ${name}</a></p><h1>${plain(id)}</h1>
    ${letter === undefined ? html`<${Waiting} answer=${answer}/>` : letter === null ? html`<p>${t('not_found')}</p>` : html`
      <p><span class="word">${letter.reason}</span> ${time(letter.dead_at)}</p><pre>${plain(letter.error)}</pre>
      <h2>${t('payload')}</h2><pre>${plain(letter.payload)}</pre>${letter.payload_cut && html`<p class="soft">${t('payload_cut')}</p>`}
      ${Object.keys(letter.headers).length > 0 && html`<h2>${t('headers')}</h2><div class="wide"><table><tbody>
        ${Object.entries(letter.headers).map(([key, value]) => html`<tr><th scope="row">${plain(key)}</th><td class="text">${plain(value)}</td></tr>`)}</tbody></table></div>`}`}`;
}

function Doctor() {
  const answer = useAnswer('/doctor');
  return html`<h1>${t('doctor')}</h1>${!answer.value ? html`<${Waiting} answer=${answer}/>` : html`<ul class="list">
    ${answer.value.findings.map((each) => html`<li class=${each.level}><span class="word">${t(each.level)}</span>
      ${each.server && html`<span class="soft">${each.server} </span>`}${each.subject}: ${plain(each.seen)}
      ${each.remedy && html`<div class="soft">→ ${each.remedy}</div>`}</li>`)}</ul>`}`;
}

function Login({ done }) {
  const open = async (event) => {
    event.preventDefault();
    if (await openSession(new FormData(event.target).get('token'))) done();
  };
  return html`<main><h1>${t('login')}</h1><p>${t('login_how')}</p>
    <form onSubmit=${open} class="row"><label>${t('token')} <input name="token" type="password" autocomplete="off"/></label><button>${t('open')}</button></form></main>`;
}

function Pages() {
  const at = usePlace();
  const states = useOverview();
  const [page, name, what, id] = at.parts;
  const other = () => { language = language === 'en' ? 'zh-CN' : 'en'; store.set('language', language); document.documentElement.lang = language; dispatchEvent(new HashChangeEvent('hashchange')); };
  const here = page === 'doctor' ? 'doctor' : 'overview';
  const tab = (to, word) => html`<a href=${to} aria-current=${here === word ? 'page' : undefined}>${t(word)}</a>`;
  return html`<header><b>mx-rmq</b><nav>${tab('#/', 'overview')}${tab('#/doctor', 'doctor')}</nav>
      <button onClick=${other} lang=${language === 'en' ? 'zh-CN' : 'en'}>${t('language')}</button></header>
    <div aria-live="polite">${states.stale && html`<div class="banner">${t('stale')} ${time(states.stale.stale_since)} – ${states.stale.error}</div>`}
      ${states.away && html`<div class="banner">${t('reconnecting')}</div>`}</div>
    <main>${page === 'doctor' ? html`<${Doctor}/>`
    : page === 'topic' && what === 'dead' && id ? html`<${Letter} name=${name} id=${id}/>`
    : page === 'topic' && what === 'dead' ? html`<${Dead} name=${name} query=${at.query}/>`
    : page === 'topic' ? html`<${Topic} name=${name} states=${states}/>`
    : html`<${Overview} states=${states} query=${at.query}/>`}</main>`;
}

function App() {
  const [state, set] = useState('asking');
  useEffect(() => {
    (async () => {
      const token = location.hash.startsWith('#token=') ? location.hash.slice(7) : null;
      if (token) {
        history.replaceState(null, '', '#/');  // so that it stays neither in the address nor in the history
        await openSession(token);
      }
      const known = await fetch('/api/v1/overview').then((answer) => answer.status !== 401, () => true);
      set(known ? 'in' : 'out');
    })();
  }, []);
  document.documentElement.lang = language;
  return state === 'asking' ? null : state === 'in' ? html`<${Pages}/>` : html`<${Login} done=${() => set('in')}/>`;
}

render(html`<${App}/>`, document.getElementById('page'));
