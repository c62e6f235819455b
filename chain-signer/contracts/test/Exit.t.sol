// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPurrVault, Kind, Limits, SeatView} from "../src/interfaces/IPurrVault.sol";
import {VaultTest} from "./base/VaultTest.sol";

contract ExitTest is VaultTest {
    uint256 private constant READY = START + 1 hours;

    function setUp() public override {
        super.setUp();
        sitSix(100 * USDC);
    }

    /// The outflow limit is zero and every exit below still pays.
    function limits() internal pure override returns (Limits memory l) {
        l = super.limits();
        (l.outflowLimit, l.playerOutflow, l.tableReserve) = (0, 0, 0);
    }

    function request(uint256 n) private {
        vm.prank(player(n));
        vault.requestExit();
    }

    function exit(uint256 n) private {
        request(n);
        vm.warp(READY);
        vault.finaliseExit(player(n));
    }

    function test_one_exit_pays_the_free_balance_and_every_table() public {
        bytes32 home = tableId;
        tableId = openTable("second");
        sit(0, 3, 30 * USDC);
        tableId = home;
        vm.expectEmit(address(vault));
        emit IPurrVault.ExitRequested(player(0), uint64(READY));
        request(0);
        eq(vault.exitReadyAt(player(0)), READY, "clock");
        vm.warp(READY);
        vm.expectEmit(address(vault));
        emit IPurrVault.SeatVacated(home, player(0), 0, 100 * USDC);
        vm.expectEmit(address(vault));
        emit IPurrVault.ExitFinalised(player(0), 200 * USDC);
        vm.prank(address(0xBEEF));
        vault.finaliseExit(player(0));
        eq(token.balanceOf(player(0)), 200 * USDC, "to the last unit");
        eq(vault.balanceOf(player(0)), 0, "nothing kept");
        eq(vault.tablesOf(player(0)).length, 0, "at no table");
        assertConserved();
    }

    function test_an_exit_waits_for_its_clock() public {
        vm.expectRevert(IPurrVault.NoExitPending.selector);
        vault.finaliseExit(player(0));
        request(0);
        vm.prank(player(0));
        vm.expectRevert(IPurrVault.ExitPending.selector);
        vault.requestExit();
        vm.warp(READY - 1);
        vm.expectRevert(abi.encodeWithSelector(IPurrVault.ExitNotReady.selector, READY));
        vault.finaliseExit(player(0));
        vm.warp(READY);
        vault.finaliseExit(player(0));
        vm.expectRevert(IPurrVault.NoExitPending.selector);
        vault.finaliseExit(player(0));
    }

    function test_no_key_stops_an_exit() public {
        request(0);
        vm.prank(GUARDIAN);
        vault.pause();
        vm.prank(GUARDIAN);
        vault.revokeKey(operator);
        vm.prank(GUARDIAN);
        vault.revokeKey(vm.addr(VOUCHER_KEY));
        vm.warp(READY);
        vault.finaliseExit(player(0));
        eq(token.balanceOf(player(0)), 200 * USDC, "paid with every key gone");
    }

    function test_open_hands_still_settle_until_the_clock_ends() public {
        request(0);
        vm.warp(READY - 1);
        settle(hands(1, two(lane(0, -40e6, 0), lane(1, 40e6, 0))));
        eq(stackOf(0), 60 * USDC, "lost what was played");
        vm.warp(READY);
        vault.finaliseExit(player(0));
        eq(token.balanceOf(player(0)), 160 * USDC, "paid the rest");
        assertConserved();
    }

    function test_a_bounded_number_of_sequences_touches_an_exiting_seat() public {
        request(0);
        settle(hands(256, two(lane(0, -1, 0), lane(1, 1, 0))));
        rejects(hands(45, two(lane(0, -1, 0), lane(1, 1, 0))), IPurrVault.ExitBudgetSpent.selector);
        settle(hands(44, two(lane(0, -1, 0), lane(1, 1, 0))));
        rejects(hands(1, two(lane(0, -1, 0), lane(1, 1, 0))), IPurrVault.ExitBudgetSpent.selector);
        settle(hands(100, two(lane(1, -1, 0), lane(2, 1, 0))));
    }

    function test_a_cancelled_exit_lets_the_player_go_on() public {
        request(0);
        vm.prank(player(0));
        vault.cancelExit();
        vm.prank(player(0));
        vm.expectRevert(IPurrVault.NoExitPending.selector);
        vault.cancelExit();
        check(!vault.seatOf(tableId, 0).exiting, "the seat plays on");
        vm.warp(READY);
        settle(hands(256, two(lane(0, -1, 0), lane(1, 1, 0))));
        vm.expectRevert(IPurrVault.NoExitPending.selector);
        vault.finaliseExit(player(0));
        settle(
            item(tableId, nextSeq(tableId), Kind.TopUp, abi.encode(refill(tableId, 0, 0, 10 * USDC, 0, 77)))
        );
        eq(stackOf(0), 110 * USDC - 256 + 255, "topped up");
    }

    function test_a_leave_before_the_clock_ends_is_covered_by_the_same_exit() public {
        request(0);
        settle(leaving(0, 0, 100 * USDC));
        eq(vault.balanceOf(player(0)), 200 * USDC, "free");
        vm.warp(READY);
        vault.finaliseExit(player(0));
        eq(token.balanceOf(player(0)), 200 * USDC, "paid");
        assertConserved();
    }

    function test_a_vacated_seat_stays_its_players_until_the_leave() public {
        exit(0);
        SeatView memory seat = vault.seatOf(tableId, 0);
        check(seat.vacated && seat.player == player(0) && seat.stack == 0, "vacated");
        fund(0, 50 * USDC);
        rejects(
            item(tableId, nextSeq(tableId), Kind.Sit, abi.encode(permit(tableId, 0, 0, 10 * USDC, 0, 77))),
            IPurrVault.SeatTaken.selector
        );
        vm.expectEmit(address(vault));
        emit IPurrVault.SeatingRefused(tableId, player(0), nextSeq(tableId), 78, IPurrVault.ExitPending.selector);
        settle(item(tableId, nextSeq(tableId), Kind.TopUp, abi.encode(refill(tableId, 0, 0, 10 * USDC, 0, 78))));
        vm.expectEmit(address(vault));
        emit IPurrVault.Left(tableId, player(0), nextSeq(tableId), 0, 0);
        settle(leaving(0, 0, 99 * USDC));
        sit(0, 0, 10 * USDC);
        check(!vault.seatOf(tableId, 0).exiting, "a fresh start");
        assertConserved();
    }

    function test_a_late_win_goes_to_the_free_balance() public {
        exit(0);
        vm.expectEmit(address(vault));
        emit IPurrVault.LateWinnings(tableId, player(0), nextSeq(tableId), nextSeq(tableId), 39 * USDC);
        settle(hands(1, two(lane(0, 39e6, 1e6), lane(1, -40e6, 0))));
        eq(vault.balanceOf(player(0)), 39 * USDC, "free");
        eq(stackOf(0), 0, "nothing on the seat");
        assertConserved();
    }

    function test_hands_count_after_the_clock_until_somebody_finalises() public {
        request(0);
        vm.warp(READY + 1 days);
        settle(hands(1, two(lane(0, -40e6, 0), lane(1, 40e6, 0))));
        eq(stackOf(0), 60 * USDC, "lost what was played");
        eq(stackOf(1), 140 * USDC, "and the winner has it");
        vault.finaliseExit(player(0));
        eq(token.balanceOf(player(0)), 160 * USDC, "paid the rest");
        rejects(hands(1, two(lane(0, -60e6 - 1, 0), lane(1, 60e6 + 1, 0))), IPurrVault.StackBelowZero.selector);
        assertConserved();
    }

    /// The clock's end frees nobody from the count of sequences either.
    function test_the_count_of_sequences_still_bounds_what_follows_the_clock() public {
        request(0);
        settle(hands(256, two(lane(0, -1, 0), lane(1, 1, 0))));
        vm.warp(READY + 1 days);
        settle(hands(44, two(lane(0, -1, 0), lane(1, 1, 0))));
        rejects(hands(1, two(lane(0, -1, 0), lane(1, 1, 0))), IPurrVault.ExitBudgetSpent.selector);
    }

    function test_several_exits_in_one_hand() public {
        request(0);
        request(1);
        vm.warp(READY);
        vault.finaliseExit(player(0));
        vault.finaliseExit(player(1));
        settle(hands(1, three(lane(0, -40e6, 0), lane(1, 30e6, 1e6), lane(2, 9e6, 0))));
        // Nothing of 40 is there: rake gives 1, the winners all of their 39.
        eq(vault.balanceOf(player(1)), 0, "no late win without money behind it");
        eq(stackOf(2), 100 * USDC, "nor here");
        assertConserved();
    }
}
