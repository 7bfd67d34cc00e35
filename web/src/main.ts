// The page: a bar on top, the chat below it or the metrics. The metrics and their charts are loaded when they are
// first looked at.
import 'uplot/dist/uPlot.min.css';
import './style/page.css';
import './style/chat.css';
import './style/message.css';
import './style/dialog.css';
import './style/metrics.css';
import { chooseModel, currentModel, modelNames, onModels, refreshModels } from './chat/models';
import { ChatView } from './chat/view';
import { failureOf } from './api/failure';
import type { MetricsView } from './metrics/view';
import { askKey, showSettings } from './settings/dialogs';
import { h, iconButton } from './ui/dom';

const chat = new ChatView();
let metrics: MetricsView | undefined;

const model = h('select', { class: 'model', title: 'Model', disabled: true, aria: { label: 'Model' } });
model.addEventListener('change', () => chooseModel(model.value));
onModels(() => {
  const names = modelNames();
  model.replaceChildren(...names.map((name) => h('option', { value: name, selected: name === currentModel() }, name)));
  model.disabled = names.length === 0;
});

const links = { chat: h('a', { href: '#chat' }, 'Chat'), metrics: h('a', { href: '#metrics' }, 'Metrics') };
const menu = iconButton('menu', 'Conversations', () => undefined, 'menu');
chat.setMenu(menu);
const views = h('div', { class: 'views' }, chat.root);
document.body.append(
  h('a', { class: 'skip', href: '#main', on: { click: skip } }, 'Skip to the message'),
  h('header', { class: 'bar' }, menu,
    h('h1', {}, h('img', { src: './favicon.svg', alt: '', width: 22, height: 22 }), h('span', {}, 'Wring')),
    h('nav', { class: 'tabs', aria: { label: 'Views' } }, links.chat, links.metrics),
    model, iconButton('settings', 'Settings', () => void showSettings(() => void models()))),
  views);

function skip(event: MouseEvent): void {
  event.preventDefault();
  if (location.hash === '#metrics') metrics?.root.focus();
  else chat.focus();
}

async function models(): Promise<void> {
  try {
    await refreshModels();
  } catch (error) {
    // Other failures are told by the answer that meets them.
    if (failureOf(error).kind === 'key' && (await askKey())) await models();
  }
}

async function route(): Promise<void> {
  const shown = location.hash === '#metrics' ? 'metrics' : 'chat';
  for (const [name, link] of Object.entries(links)) {
    if (name === shown) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  menu.hidden = shown !== 'chat';
  document.title = shown === 'chat' ? 'Wring' : 'Metrics – Wring';
  if (shown === 'chat') {
    metrics?.hide();
    views.replaceChildren(chat.root);
    chat.shown();
  } else {
    metrics ??= new (await import('./metrics/view')).MetricsView();
    if (location.hash !== '#metrics') return; // left again while it was loading
    views.replaceChildren(metrics.root);
    metrics.show();
  }
}

// Safari's keyboard covers the page instead of shrinking it; the visual viewport is what is left.
function fitToKeyboard(): void {
  const viewport = window.visualViewport;
  if (!viewport || viewport.scale > 1.01) return; // zoomed in by hand
  document.documentElement.style.setProperty('--visible-height', `${viewport.height}px`);
  if (document.activeElement instanceof HTMLTextAreaElement) window.scrollTo(0, 0);
}
window.visualViewport?.addEventListener('resize', fitToKeyboard);
fitToKeyboard();

window.addEventListener('hashchange', () => void route());
void route();
void models();
