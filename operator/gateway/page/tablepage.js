// The page of one table: felt, actions, what one may do with one's chair, log and settlement.

import { actions } from './actions.js';
import { el } from './dom.js';
import { offer } from './fleets.js';
import { money } from './money.js';
import { felt, settlements } from './table.js';

/** `others` is the panel of the players' statistics, where there is one. */
export function tablePage(app, others) {
  const { info, link, session, notice, chain } = app;
  const view = link?.view ?? null;
  const table = view?.table ?? null;
  const blinds = table ?? info;
  // The table numbers its hands one by one; the running one has no record yet.
  const last = table === null ? 0 : table.hand === null ? table.lastHand : table.hand.number - 1;
  const head = el('div', { class: 'head' },
    el('h1', { id: 'title', tabindex: '-1' }, (table?.name || info?.name) ?? 'Table'),
    blinds ? el('p', { class: 'soft' }, `Blinds ${money(blinds.smallBlind)} / ${money(blinds.bigBlind)}`) : null,
    el('button', { class: 'button small', type: 'button', 'data-do': 'options' }, 'Options'),
    last > 0 ? el('a', { class: 'button small roomy', 'data-key': 'last-hand', href: `#/table/${app.route.uid}/hands/${last}` }, 'Last hand') : null,
    el('a', { class: 'button small', href: `#/table/${app.route.uid}/hands` }, el('span', {}, 'Hands', el('span', { class: 'roomy' }, ' played'))));
  const troubles = [
    notice ? el('p', { class: 'panel warn', role: 'alert' }, notice) : null,
    session === null ? invitation() : null,
    view !== null ? trouble(link) : null,
    offer(app.fleets.seats, app.route.uid),
  ];
  // The same elements before and after the table is known: the focus stays at the title.
  if (table === null) {
    const looking = session !== null && link?.state.name !== 'ended';
    return el('div', { class: 'play' },
      el('div', { class: 'stage' },
        head, el('div', { class: 'trouble' }, troubles), looking ? el('p', { class: 'soft' }, 'Looking at the table…') : null));
  }
  return el('div', { class: 'play' },
    el('div', { class: 'stage' },
      head,
      el('div', { class: 'trouble' }, troubles),
      felt(app.show.of(view), chain !== null && info?.state !== 'opening', app.notes),
      el('div', { class: 'bar' },
        el('section', { class: 'actions', 'aria-label': 'Actions' },
          actions(view, app.choice, { settings: app.settings, wish: app.wish, wishFresh: app.wishFresh(), row: app.show.running ? null : own(view), runOut: app.show.running })))),
    el('aside', { class: 'side', 'aria-label': 'Log and settlement' }, story(app.log), others, settlements(view)));
}

function invitation() {
  return el('div', { class: 'panel invite' },
    el('p', {}, 'Sign in to watch this table, and to sit down.'),
    el('button', { class: 'button main', type: 'button', 'data-do': 'sign-in' }, 'Sign in'));
}

function trouble({ state, view }) {
  if (state.name === 'ended') {
    return el('div', { class: 'panel warn', role: 'alert', 'data-key': 'ended' },
      el('p', {}, state.why),
      el('button', { class: 'button', type: 'button', 'data-do': 'restart' },
        state.code === 4001 ? 'Play in this window' : 'Connect again'));
  }
  if (state.name === 'waiting') {
    return el('p', { class: 'panel warn', 'data-key': 'waiting' },
      'The connection is lost. Your seat is kept, and this page comes back to the hand by itself.');
  }
  if (view.table?.staffPaused) {
    return el('p', { class: 'panel warn', role: 'status', 'data-key': 'staff-paused' },
      `Staff has paused this table: ${view.table.staffPaused}. A running hand is played to its end; no other starts until the pause is over.`);
  }
  if (view.stalled !== null || view.table?.paused) {
    return el('p', { class: 'panel warn', role: 'status', 'data-key': 'paused' },
      `The table is paused${view.stalled ? ` (${view.stalled})` : ''}. The clock stands still; your cards and chips are where they were.`);
  }
  return null;
}

// What one may do with one's chair.
function own(view) {
  const chair = view.yourSeat;
  if (chair === null) return null;
  const room = view.table.buyInMax - chair.stack - chair.pending;
  const button = (what, label) => el('button', { class: 'button small', type: 'button', 'data-key': what, 'data-do': what }, label);
  return el('div', { class: 'row chair-row', 'data-key': 'chair', role: 'group', 'aria-label': 'Your chair' },
    chair.sittingOut
      ? chair.stack + chair.pending > 0 && [button('sit-in', 'I’m back, post now'), button('sit-in-wait', 'I’m back, wait for the big blind')]
      : [chair.waits ? button('sit-in', 'Post and play now') : null, button('sit-out', view.hand?.players.has(view.you) ? 'Sit out next hand' : 'Sit out')],
    view.table.straddles && !chair.leaving
      ? el('button', {
          class: 'button small', type: 'button', 'data-key': 'straddle', 'data-do': 'straddle', 'data-with': chair.straddle ? 'off' : 'on',
          'aria-pressed': chair.straddle ? 'true' : 'false',
        }, 'Straddle')
      : null,
    room > 0 && !chair.leaving ? button('top-up', 'Add chips') : null,
    chair.leaving ? el('span', { class: 'tag' }, 'leaving after this hand') : button('leave', 'Leave table'));
}

function story(log) {
  return el('section', { class: 'panel', 'aria-labelledby': 'log-title' },
    el('h2', { id: 'log-title' }, 'What happened'),
    el('ol', { class: 'log', tabindex: '0', 'aria-label': 'What happened, newest first' },
      log.toReversed().map((text) => el('li', {}, text))));
}
