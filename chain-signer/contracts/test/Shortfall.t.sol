// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPurrVault} from "../src/interfaces/IPurrVault.sol";
import {VaultTest} from "./base/VaultTest.sol";

/// Losses of seats whose exit was paid already.
contract ShortfallTest is VaultTest {
    function setUp() public override {
        super.setUp();
        sitSix(100 * USDC);
    }

    function exit(uint256 n) private {
        vm.prank(player(n));
        vault.requestExit();
        vm.warp(START + 1 hours);
        vault.finaliseExit(player(n));
    }

    function giveReserve(uint64 amount) private {
        token.mint(address(this), amount);
        token.approve(address(vault), amount);
        vault.fundReserve(amount);
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
