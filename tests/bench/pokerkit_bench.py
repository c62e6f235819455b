#!/usr/bin/env python3
"""Times PokerKit on hands that the engine's bench has written. usage: pokerkit_bench.py FOLDER

Prints one JSON line a number of players: hands, actions and seconds of processor time (the best of three rounds, one process). The
state's creation, the deal, every action and the showdown are timed; parsing the cards' text is not to be avoided.
"""

import json
import sys
import time
from importlib.metadata import version

from pokerkit import Automation, NoLimitTexasHoldem

# All but the deal: the cards are the engine's.
AUTOMATIONS = tuple(
    automation
    for automation in Automation
    if automation not in (Automation.HOLE_DEALING, Automation.BOARD_DEALING, Automation.CARD_BURNING)
)
HANDS_MAX = 60


def play(hand, players):
    state = NoLimitTexasHoldem.create_state(
        AUTOMATIONS,
        True,
        0,
        (5, 10),
        10,
        10_000,
        players,
    )
    for cards in hand["holes"]:
        state.deal_hole(cards)
    board, folds = hand["board"], hand["folds"]
    for number, total in enumerate(hand["steps"]):
        if state.can_burn_card():
            state.burn_card("??")
            count = 2 * state.board_dealing_count
            state.deal_board(board[:count])
            board = board[count:]
        if number in folds:
            state.fold()
        elif total is None:
            state.check_or_call()
        else:
            state.complete_bet_or_raise_to(total)
    if state.status:
        raise AssertionError("the hand is not over")
    return list(state.stacks)


def main():
    for players in (2, 6, 10):
        with open(f"{sys.argv[1]}/hands-{players}.jsonl", encoding="utf-8") as file:
            hands = [json.loads(line) for line in file][:HANDS_MAX]
        best = float("inf")
        for _ in range(3):
            began = time.process_time()
            for hand in hands:
                # One odd chip goes elsewhere (WSOP 148); all else must be the same hand.
                if any(abs(a - b) > players for a, b in zip(play(hand, players), hand["finish"])):
                    raise AssertionError(f"PokerKit played another hand: {hand}")
            best = min(best, time.process_time() - began)
        actions = sum(len(hand["steps"]) for hand in hands)
        print(json.dumps({"players": players, "hands": len(hands), "actions": actions, "seconds": best,
                          "version": version("pokerkit")}), flush=True)


if __name__ == "__main__":
    main()
