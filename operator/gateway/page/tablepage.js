// The page of one table: felt, actions, what one may do with one's chair, log and settlement.

import { actions } from './actions.js';
import { el } from './dom.js';
import { offer } from './fleets.js';
import { money } from './money.js';
import { felt, settlements } from './table.js';
import { tiles } from './tiles.js';
import { t } from './words.js';

/** `others` is the panel of the players' statistics, where there is one; `waiting` are the tables beside this one. */
export function tablePage(app, others, waiting) {
  const { info, link, session, notice, chain } = app;
  const view = link?.view ?? null;
  const table = view?.table ?? null;
  const blinds = table ?? info;
  // The table numbers its hands one by one; the running one has no record yet.
  const last = table === null ? 0 : table.hand === null ? table.lastHand : table.hand.number - 1;
  const head = el('div', { class: 'head' },
    el('h1', { id: 'title', tabindex: '-1' }, (table?.name || info?.name) ?? t.tablepage.table),
    blinds ? el('p', { class: 'soft' }, t.tablepage.blinds(money(blinds.smallBlind), money(blinds.bigBlind))) : null,
    el('button', { class: 'button small', type: 'button', 'data-do': 'options' }, t.tablepage.options),
    last > 0 ? el('a', { class: 'button small roomy', 'data-key': 'last-hand', href: `#/table/${app.route.uid}/hands/${last}` }, t.tablepage.lastHand) : null,
    el('a', { class: 'button small', href: `#/table/${app.route.uid}/hands` }, el('span', {}, t.tablepage.hands, el('span', { class: 'roomy' }, t.tablepage.played))));
  const troubles = [
    notice ? el('p', { class: 'panel warn', role: 'alert' }, notice) : null,
    session === null ? invitation() : null,
    view !== null ? trouble(link) : null,
    offer(app.fleets.seats, app.route.uid),
  ];
  // The same elements before and after the table is known: the focus stays at the title.
  if (table === null) {
    const looking = session !== null && link?.state.name !== 'ended';
    return el('div', { class: 'play' }, tiles(waiting),
      el('div', { class: 'stage', 'data-key': 'stage' },
        head, el('div', { class: 'trouble' }, troubles), looking ? el('p', { class: 'soft' }, t.tablepage.lookingAtTheTable) : null));
  }
  return el('div', { class: 'play' }, tiles(waiting),
    el('div', { class: 'stage', 'data-key': 'stage' },
      head,
      el('div', { class: 'trouble' }, troubles),
      felt(app.show.of(view), chain !== null && info?.state !== 'opening', app.notes, app.talk.bubbles(performance.now())),
      el('div', { class: 'bar' },
        el('section', { class: 'actions', 'aria-label': t.tablepage.actions },
          actions(view, app.choice, { settings: app.settings, wish: app.wish, wishFresh: app.wishFresh(), showFresh: app.showFresh(), row: app.show.running ? null : own(view), runOut: app.show.running })))),
    el('aside', { class: 'side', 'aria-label': t.tablepage.logAndSettlement }, story(app.log), app.talk.draw(view), others, settlements(view)));
}

function invitation() {
  return el('div', { class: 'panel invite' },
    el('p', {}, t.tablepage.signInToWatch),
    el('button', { class: 'button main', type: 'button', 'data-do': 'sign-in' }, t.tablepage.signIn));
}

function trouble({ state, view }) {
  if (state.name === 'ended') {
    return el('div', { class: 'panel warn', role: 'alert', 'data-key': 'ended' },
      el('p', {}, state.why),
      el('button', { class: 'button', type: 'button', 'data-do': 'restart' },
        state.code === 4001 ? t.tablepage.playInThisWindow : t.tablepage.connectAgain));
  }
  if (state.name === 'waiting') {
    return el('p', { class: 'panel warn', 'data-key': 'waiting' },
      t.tablepage.theConnectionIsLost);
  }
  if (view.table?.staffPaused) {
    return el('p', { class: 'panel warn', role: 'status', 'data-key': 'staff-paused' },
      t.tablepage.staffHasPausedThis(view.table.staffPaused));
  }
  if (view.stalled !== null || view.table?.paused) {
    return el('p', { class: 'panel warn', role: 'status', 'data-key': 'paused' },
      t.tablepage.theTableIsPaused(view.stalled ?? ''));
  }
  return null;
}

// What one may do with one's chair.
function own(view) {
  const chair = view.yourSeat;
  if (chair === null) return null;
  const room = view.table.buyInMax - chair.stack - chair.pending;
  const button = (what, label) => el('button', { class: 'button small', type: 'button', 'data-key': what, 'data-do': what }, label);
  return el('div', { class: 'row chair-row', 'data-key': 'chair', role: 'group', 'aria-label': t.tablepage.yourChair },
    chair.sittingOut
      ? chair.stack + chair.pending > 0 && [button('sit-in', t.tablepage.imBackPostNow), button('sit-in-wait', t.tablepage.imBackWaitFor)]
      : [chair.waits ? button('sit-in', t.tablepage.postAndPlayNow) : null, button('sit-out', view.hand?.players.has(view.you) ? t.tablepage.sitOutNextHand : t.tablepage.sitOut)],
    view.table.straddles && !chair.leaving
      ? el('button', {
          class: 'button small', type: 'button', 'data-key': 'straddle', 'data-do': 'straddle', 'data-with': chair.straddle ? 'off' : 'on',
          'aria-pressed': chair.straddle ? 'true' : 'false',
        }, t.tablepage.straddle)
      : null,
    room > 0 && !chair.leaving ? button('top-up', t.tablepage.addChips) : null,
    chair.leaving ? el('span', { class: 'tag' }, t.tablepage.leavingAfterThisHand) : button('leave', t.tablepage.leaveTable));
}

function story(log) {
  return el('section', { class: 'panel', 'aria-labelledby': 'log-title' },
    el('h2', { id: 'log-title' }, t.tablepage.whatHappened),
    el('ol', { class: 'log', tabindex: '0', 'aria-label': t.tablepage.whatHappenedNewestFirst },
      log.toReversed().map((text) => el('li', {}, text))));
}
