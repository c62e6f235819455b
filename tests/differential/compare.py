#!/usr/bin/env python3
"""Plays hands of the engine again in PokerKit and compares every turn, every bound, the showdown and the final stacks.

usage: compare.py [--jobs N] <hands.jsonl

A difference is accepted only where the rule book decides it for the engine (rules.py); those are counted. Anything
else is printed with its hand, and the program fails.
"""

import argparse
import collections
import itertools
import json
import multiprocessing
import sys
import time
import traceback
from importlib.metadata import version

from pokerkit import Automation, FixedLimitTexasHoldem, NoLimitTexasHoldem, StandardHighHand, State

from rules import REASONS, House, Judge, only_odd_chips, shares, showdown

AUTOMATIONS = (
    Automation.ANTE_POSTING,
    Automation.BET_COLLECTION,
    Automation.BLIND_OR_STRADDLE_POSTING,
)
SHOWN_MAX = 20


class Disagreement(Exception):
    """Engine and rule book differ, or PokerKit differs for no reason that is known."""


def create(hand):
    players = len(hand["stacks"])
    antes, bets = hand["antes"], hand["bets"]
    if players == 2:
        # PokerKit turns both round for two players: the small blind is named first and posted by the button.
        antes, bets = antes[::-1], bets[::-1]
    limit = hand["limit"]
    if limit:
        game, sizes = FixedLimitTexasHoldem, limit[:2]
    else:
        game, sizes = NoLimitTexasHoldem, [hand["min_bet"]]
    return game.create_state(AUTOMATIONS, hand["uniform"], antes, bets, *sizes, hand["stacks"], players)


class Replay:
    def __init__(self, hand, reasons):
        self.hand = hand
        self.reasons = reasons
        self.state = create(hand)
        self.judge = Judge(self.state, hand)
        self.board = hand["board"]
        # Who showed or mucked in PokerKit, and whether it turned all hands up.
        self.shown, self.all_up = [], False

    def deal(self):
        """Deals what is due; the cards are the engine's."""
        state = self.state
        while True:
            if state.can_deal_hole():
                state.deal_hole(self.hand["holes"][state.hole_dealee_index])
            elif state.can_burn_card():
                state.burn_card("??")
            elif state.can_deal_board():
                count = 2 * state.board_dealing_count
                state.deal_board(self.board[:count])
                self.board = self.board[count:]
            elif state.can_show_or_muck_hole_cards(True):
                self.all_up = self.all_up or state.all_in_status
                place = state.showdown_index
                self.shown.append((place, state.all_in_status or state.can_win_now(place)))
                # Everybody shows: who mucks does not change what a hand is worth.
                state.show_or_muck_hole_cards(True)
            else:
                return

    def ask(self):
        """PokerKit's own answer: who acts, what is there to call, and from where to where a raise can go."""
        state = self.state
        if state.actor_index is None:
            return None
        low = state.min_completion_betting_or_raising_to_amount
        high = state.max_completion_betting_or_raising_to_amount
        return state.actor_index, state.checking_or_calling_amount, None if low is None else (low, high)

    def carry_out(self, step):
        state, judge, player = self.state, self.judge, self.state.actor_index
        House.judge = judge
        state.__class__ = House
        if step["do"] == "fold":
            state.fold()
        elif step["do"] == "call":
            judge.called(player)
            state.check_or_call()
        else:
            judge.raised(player, step["to"])
            state.complete_bet_or_raise_to(step["to"])
        state.__class__ = State

    def skip_empty_turns(self, place):
        """Lets players check whom PokerKit asks though nobody can bet against them."""
        state = self.state
        self.deal()
        while state.actor_index not in (None, place):
            _, call, bounds = self.ask()
            # Nothing to call and nothing to raise with: no decision.
            if call or bounds:
                raise Disagreement(f"PokerKit asks place {state.actor_index}: call {call}, raise {bounds}")
            self.reasons["emptyTurn"] += 1
            self.judge.on_street()
            self.judge.called(state.actor_index)
            state.check_or_call()
            self.deal()

    def step(self, step):
        self.skip_empty_turns(step["place"])
        answer, judge = self.ask(), self.judge
        if answer is None:
            raise Disagreement("PokerKit asks nobody")
        player, call, bounds = answer
        judge.on_street()
        engine = (step["place"], step["call"], step["raise"] and tuple(step["raise"]))
        right = (player, judge.call(player), judge.raise_bounds(player))
        if engine != right:
            raise Disagreement(f"engine {engine}, rule book {right}, PokerKit {answer}")
        if call != right[1]:
            self.explain("shortBlind", judge.short_blind(), f"call {right[1]}, PokerKit {call}")
        if bounds != right[2]:
            self.explain_raise(player, bounds, right[2])
        if step["do"] == "fold" and not right[1]:
            self.reasons["openFold"] += 1
        judge.choice(player, step["to"])
        self.carry_out(step)

    def explain_raise(self, player, peer, right):
        """Why PokerKit's bounds of a raise are not the rule book's."""
        judge, state = self.judge, self.state
        text = f"place {player}: raise {right}, PokerKit {peer}"
        short = "halfBet" if judge.limit else "shortAllIn"
        if peer is None:
            highest = max(state.bets)
            if all(state.stacks[i] + state.bets[i] <= highest for i in judge.others_with_chips(player)):
                self.explain("emptyRaise", True, text)
            elif judge.inflated():
                self.explain("shortBlind", True, text)
            else:
                # Only a short all-in closes the betting; PokerKit adds the short ones up from the last, not from
                # what the player has matched.
                self.explain(short, judge.short_all_in, text)
        elif right is None:
            if judge.short_blind() and state.stacks[player] + state.bets[player] <= judge.bet():
                self.explain("shortBlind", True, text)
            elif judge.capped():
                self.explain("betsMax" if judge.street == 0 else short, judge.street == 0 or judge.short_all_in, text)
            else:
                self.explain(short, judge.short_all_in and judge.closed(player), text)
        elif judge.limit and judge.short_all_in:
            self.explain("halfBet", True, text)
        else:
            self.explain("shortBlind", judge.short_blind() and (judge.limit or peer[1] == right[1]), text)

    def explain(self, reason, holds, text):
        if not holds:
            raise Disagreement(f"not explained by {reason}: {text}")
        self.reasons[reason] += 1

    def compare_showdown(self, live, pots):
        """Who shows and who mucks, in order: the engine as the rule book says, PokerKit too or for a known reason."""
        judge, players = self.judge, len(self.hand["stacks"])
        ranks = {i: StandardHighHand.from_game(self.hand["holes"][i], self.hand["board"]) for i in live}
        first, all_up, right = showdown(judge, live, pots, ranks)
        engine, peer = [tuple(step) for step in self.hand["show"]], self.shown
        text = f"showdown: engine {engine}, rule book {right}, PokerKit {peer}"
        if engine != right:
            raise Disagreement(text)
        self.reasons["showdowns"] += 1
        around = [i % players for i in range(first, first + players) if i % players in live]
        if [place for place, _ in peer] != around:
            self.explain("pushedFirst", all_up, text)
        shown, peer_shown = ([place for place, shows in steps if shows] for steps in (right, peer))
        side_pots = sum(len(pot) > 1 for pot in pots) > 1
        if sorted(shown) != sorted(peer_shown):
            reason = "pushedFirst" if all_up else "riverMuck"
            self.explain(reason, all_up or (self.all_up and set(shown) < set(peer_shown)), text)
        if shown != [place for place in around if place in shown]:
            self.explain("sidePotFirst", side_pots, text)

    def finish(self):
        state = self.state
        self.skip_empty_turns(None)
        right = pots = None
        live = [i for i, status in enumerate(state.statuses) if status]
        if len(live) > 1:
            pots = list(state.pots)
            self.compare_showdown(live, [pot.player_indices for pot in pots])
            right = [stack + share for stack, share in zip(state.stacks, shares(state))]
        elif self.hand["show"]:
            raise Disagreement(f"engine shows {self.hand['show']}, and one is left")
        while state.can_kill_hand():
            state.kill_hand()
        while state.can_push_chips():
            state.push_chips()
        while state.can_pull_chips():
            state.pull_chips()
        if state.status:
            raise Disagreement("the hand is over, and not in PokerKit")
        engine, peer = self.hand["finish"], list(state.stacks)
        if right is None or peer == right:
            right = peer
        else:
            self.explain("oddChips", only_odd_chips(pots, peer, right), f"stacks {right}, PokerKit {peer}")
        if engine != right:
            raise Disagreement(f"stacks {engine}, rule book {right}, PokerKit {peer}")


def compare(line):
    """One hand: the reasons met in it, and the disagreement if there is one."""
    reasons = collections.Counter()
    hand = json.loads(line)
    try:
        replay = Replay(hand, reasons)
        for step in hand["steps"]:
            replay.step(step)
        replay.finish()
    except Disagreement as disagreement:
        return reasons, f"hand {hand['hand']}: {disagreement}\n  {line.strip()}", len(hand["steps"])
    except Exception:  # PokerKit refused what the rules allow, or this program is wrong: both fail the test.
        return reasons, f"hand {hand['hand']}: {traceback.format_exc()}\n  {line.strip()}", len(hand["steps"])
    return reasons, None, len(hand["steps"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--expect", type=int, default=None, help="how many hands there must be")
    options = parser.parse_args()
    started = last = time.monotonic()
    reasons, hands, actions, wrong = collections.Counter(), 0, 0, []
    with multiprocessing.Pool(options.jobs) as pool:
        for met, problem, steps in pool.imap_unordered(compare, sys.stdin, chunksize=50):
            hands, actions = hands + 1, actions + steps
            reasons.update(met)
            if problem:
                wrong.append(problem)
            if time.monotonic() - last > 10:
                last = time.monotonic()
                print(f"[{last - started:4.0f}s] {hands} hands, {len(wrong)} disagreements", flush=True)
    for problem in itertools.islice(wrong, SHOWN_MAX):
        print(problem)
    for reason, text in REASONS.items():
        print(f"  {reasons[reason]:6} x {reason}: {text}")
    print(f"  {reasons['showdowns']:6} showdowns, each in the order of the rule book")
    print(
        f"{hands} hands, {actions} actions against PokerKit {version('pokerkit')}: "
        f"{len(wrong)} disagreements that no rule decides, {time.monotonic() - started:.0f} s"
    )
    if wrong or not hands or options.expect not in (None, hands):
        sys.exit(1)


if __name__ == "__main__":
    main()
