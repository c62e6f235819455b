// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPurrVault, Item, Kind, Limits, SeatView} from "../src/interfaces/IPurrVault.sol";
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
        l.outflowLimit = 0;
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

    function giveReserve(uint64 amount) private {
        token.mint(address(this), amount);
        token.approve(address(vault), amount);
        vault.fundReserve(amount);
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
            item(tableId, nextSeq(tableId), Kind.TopUp, abi.encode(permit(tableId, 0, 0, 10 * USDC, 0, 77)))
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
        settle(item(tableId, nextSeq(tableId), Kind.TopUp, abi.encode(permit(tableId, 0, 0, 10 * USDC, 0, 78))));
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

    function test_a_shortfall_is_paid_by_the_reserve_first() public {
        giveReserve(50 * USDC);
        exit(0);
        vm.expectEmit(address(vault));
        emit IPurrVault.Shortfall(tableId, nextSeq(tableId), nextSeq(tableId), 40 * USDC, 40 * USDC, 0, 0);
        settle(hands(1, two(lane(0, -40e6, 0), lane(1, 38e6, 2e6))));
        eq(stackOf(1), 138 * USDC, "the winner has it all");
        eq(vault.reserve(), 10 * USDC, "reserve");
        eq(vault.tableOf(tableId).rake, 2 * USDC, "rake");
        assertConserved();
    }

    function test_then_by_the_items_rake_and_then_by_the_winners_pro_rata() public {
        giveReserve(10 * USDC);
        exit(0);
        uint64 seq = nextSeq(tableId);
        vm.expectEmit(address(vault));
        emit IPurrVault.Shortfall(tableId, seq, seq, 40 * USDC, 10 * USDC, 2 * USDC, 28 * USDC);
        settle(hands(1, three(lane(0, -40e6, 0), lane(1, 28.5e6, 2e6), lane(2, 9.5e6, 0))));
        eq(stackOf(1), 107.5e6, "three quarters of 28 less");
        eq(stackOf(2), 102.5e6, "a quarter of 28 less");
        eq(vault.seatOf(tableId, 1).rakeLeft, 100 * USDC, "rake that was not taken is not charged");
        eq(vault.reserve(), 0, "reserve");
        eq(vault.tableOf(tableId).rake, 0, "rake");
        assertConserved();
    }

    function test_what_rounding_leaves_is_borne_too() public {
        exit(0);
        settle(hands(1, three(lane(0, -11, 0), lane(1, 6, 1), lane(2, 4, 0))));
        eq(stackOf(1), 100 * USDC, "won nothing");
        eq(stackOf(2), 100 * USDC, "won nothing");
        assertConserved();
    }

    function test_after_the_clock_an_exit_counts_even_if_nobody_finalised_it() public {
        request(0);
        vm.warp(READY);
        vm.expectEmit(address(vault));
        emit IPurrVault.SeatVacated(tableId, player(0), 0, 100 * USDC);
        settle(hands(1, two(lane(0, -40e6, 0), lane(1, 40e6, 0))));
        eq(stackOf(1), 100 * USDC, "nobody to win from");
        eq(vault.balanceOf(player(0)), 200 * USDC, "safe");
        vault.finaliseExit(player(0));
        eq(token.balanceOf(player(0)), 200 * USDC, "paid in full");
        assertConserved();
    }

    function test_late_losses_are_bounded_by_what_the_seat_held() public {
        giveReserve(1_000 * USDC);
        exit(0);
        rejects(hands(1, two(lane(0, -100e6 - 1, 0), lane(1, 100e6 + 1, 0))), IPurrVault.StackBelowZero.selector);
        settle(hands(1, two(lane(0, -60e6, 0), lane(1, 60e6, 0))));
        rejects(hands(1, two(lane(0, -40e6 - 1, 0), lane(1, 40e6 + 1, 0))), IPurrVault.StackBelowZero.selector);
        settle(hands(1, two(lane(0, 20e6, 0), lane(1, -20e6, 0))));
        settle(hands(1, two(lane(0, -60e6, 0), lane(1, 60e6, 0))));
        assertConserved();
    }

    function test_several_exits_in_one_hand() public {
        request(0);
        request(1);
        vm.warp(READY);
        vault.finaliseExit(player(0));
        settle(hands(1, three(lane(0, -40e6, 0), lane(1, 30e6, 1e6), lane(2, 9e6, 0))));
        // Nothing of 40 is there: rake gives 1, the winners all of their 39.
        eq(vault.balanceOf(player(1)), 200 * USDC, "no late win without money behind it");
        eq(stackOf(2), 100 * USDC, "nor here");
        assertConserved();
    }

    function testFuzz_a_shortfall_never_reverts_and_conserves(uint64 reserve, uint64 loss, uint64 split, uint64 rake)
        public
    {
        reserve = uint64(bound(reserve, 0, 120 * USDC));
        if (reserve != 0) giveReserve(reserve);
        exit(0);
        loss = uint64(bound(loss, 0, 100 * USDC));
        rake = uint64(bound(rake, 0, loss < 3 * USDC ? loss : 3 * USDC));
        uint64 first = uint64(bound(split, 0, loss - rake));
        uint64 seq = nextSeq(tableId);
        settle(
            hands(
                1,
                three(
                    lane(0, -int256(uint256(loss)), 0),
                    lane(1, int256(uint256(first)), rake),
                    lane(2, int256(uint256(loss - rake - first)), 0)
                )
            )
        );
        eq(vault.tableOf(tableId).seq, seq, "settled");
        eq(token.balanceOf(player(0)), 200 * USDC, "the exit stands");
        check(stackOf(1) >= 100 * USDC && stackOf(2) >= 100 * USDC, "no winner loses");
        assertConserved();
    }
}
