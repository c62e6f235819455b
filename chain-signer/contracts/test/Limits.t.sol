// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPurrVault, Kind, Limits} from "../src/interfaces/IPurrVault.sol";
import {VaultTest} from "./base/VaultTest.sol";

/// What bounds vouchers and the reserve over time.
contract LimitsTest is VaultTest {
    uint64 private constant UNTIL = uint64(START + 30 days);
    uint64 private nonces;

    function limits() internal pure override returns (Limits memory l) {
        l = super.limits();
        l.playerOutflow = 2_000 * USDC;
        l.tableReserve = 30 * USDC;
    }

    function pay(uint256 n, uint64 amount) private {
        vault.withdraw(player(n), amount, ++nonces, UNTIL, voucher(VOUCHER_KEY, n, amount, nonces, UNTIL));
    }

    function refused(uint256 n, uint64 amount, uint64 left) private {
        bytes memory signature = voucher(VOUCHER_KEY, n, amount, ++nonces, UNTIL);
        vm.expectRevert(abi.encodeWithSelector(IPurrVault.OutflowLimitReached.selector, left));
        vault.withdraw(player(n), amount, nonces, UNTIL, signature);
    }

    /// Money that the vault has had for so long that it is nobody's recent deposit.
    function old(uint256 n, uint64 amount) private {
        fund(n, amount);
        vm.warp(START + 2 days);
    }

    function test_cycling_money_uses_up_no_limit() public {
        for (uint256 i = 0; i < 80; i++) {
            fund(0, 100 * USDC);
            pay(0, 100 * USDC);
        }
        eq(vault.outflowLeft(), 5_000 * USDC, "nothing went out beyond what came in");
        fund(1, 3_000 * USDC);
        pay(1, 3_000 * USDC);
        assertConserved();
    }

    function test_one_player_has_a_share_of_the_outflow_limit() public {
        fund(1, 2_000 * USDC);
        old(0, 10_000 * USDC);
        eq(vault.withdrawable(player(0)), 2_000 * USDC, "the share");
        refused(0, 2_000 * USDC + 1, 2_000 * USDC);
        pay(0, 2_000 * USDC);
        refused(0, 1, 0);
        eq(vault.outflowLeft(), 3_000 * USDC, "left for others");
        pay(1, 2_000 * USDC);
        assertConserved();
    }

    function test_the_limit_refills_evenly_and_midnight_is_like_any_other_time() public {
        for (uint256 n = 0; n < 5; n++) {
            fund(n, n == 0 ? 4_000 * USDC : 2_000 * USDC);
        }
        vm.warp(START + 2 days);
        uint256 midnight = (block.timestamp / 1 days + 1) * 1 days;
        vm.warp(midnight - 1);
        pay(0, 2_000 * USDC);
        pay(1, 2_000 * USDC);
        pay(2, 1_000 * USDC);
        vm.warp(midnight);
        // 5,000 a day are 57,870 units a second.
        refused(3, 100_000, 57_870);
        vm.warp(midnight - 1 + 6 hours);
        eq(vault.outflowLeft(), 1_250 * USDC, "a quarter of a day");
        refused(0, 500 * USDC + 1, 500 * USDC);
        pay(0, 500 * USDC);
        vm.warp(midnight + 2 days);
        eq(vault.outflowLeft(), 5_000 * USDC, "never more than the limit");
        assertConserved();
    }

    function test_an_exit_takes_along_what_the_player_brought() public {
        fund(0, 1_000 * USDC);
        vm.prank(player(0));
        vault.requestExit();
        vm.warp(START + 1 hours);
        vault.finaliseExit(player(0));
        fund(1, 3_000 * USDC);
        tableId = openTable("other");
        sit(1, 0, 3_000 * USDC);
        fund(0, 1);
        sit(0, 1, 1);
        settle(hands(1, two(lane(0, -3_000e6, 0), lane(1, 3_000e6, 0))));
        settle(leaving(0, 1, 3_000 * USDC + 1));
        eq(vault.withdrawable(player(0)), 2_000 * USDC + 1, "the share and the one unit");
    }

    function test_what_was_brought_is_forgotten_over_a_period() public {
        fund(0, 4_000 * USDC);
        eq(vault.withdrawable(player(0)), 4_000 * USDC, "all of it");
        vm.warp(START + 18 hours);
        eq(vault.withdrawable(player(0)), 3_000 * USDC, "a quarter of it, and the share");
    }

    /// Of two friends one is paid by an exit, and then loses hands that were played before.
    function goes() private {
        fund(0, 100 * USDC);
        fund(1, 100 * USDC);
        sit(0, 0, 100 * USDC);
        sit(1, 1, 100 * USDC);
        vm.prank(player(0));
        vault.requestExit();
        vm.warp(block.timestamp + 1 hours);
        vault.finaliseExit(player(0));
    }

    function loses(uint64 loss) private {
        uint64 seq = nextSeq(tableId);
        settle(hands(1, two(lane(0, -int256(uint256(loss)), 0), lane(1, int256(uint256(loss)), 0))));
        eq(vault.tableOf(tableId).seq, seq, "settled");
    }

    function giveReserve(uint64 amount) private {
        token.mint(address(this), amount);
        token.approve(address(vault), amount);
        vault.fundReserve(amount);
    }

    function test_the_reserve_bears_a_tables_share_and_no_more() public {
        giveReserve(50_000 * USDC);
        goes();
        loses(80 * USDC);
        eq(vault.reserve(), 49_970 * USDC, "30 of 80");
        eq(stackOf(1), 130 * USDC, "the winner bears the rest");
        eq(vault.outflowLeft(), 4_970 * USDC, "counted as outflow");
        loses(20 * USDC);
        eq(vault.reserve(), 49_970 * USDC, "nothing more of this table");
        assertConserved();
    }

    function test_the_share_of_a_table_refills_over_the_period() public {
        giveReserve(50_000 * USDC);
        goes();
        loses(40 * USDC);
        vm.warp(block.timestamp + 12 hours);
        loses(40 * USDC);
        eq(vault.reserve(), 49_955 * USDC, "half a day gives half of it");
        assertConserved();
    }

    function test_the_reserve_bears_nothing_beyond_the_outflow_limit() public {
        giveReserve(50_000 * USDC);
        fund(5, 2_000 * USDC);
        fund(6, 2_000 * USDC);
        old(7, 2_000 * USDC);
        goes();
        pay(5, 2_000 * USDC);
        pay(6, 2_000 * USDC);
        pay(7, 990 * USDC);
        loses(25 * USDC);
        eq(vault.reserve(), 49_990 * USDC, "all that the limit still allowed");
        eq(vault.outflowLeft(), 0, "of the same limit");
        assertConserved();
    }
}

contract NoReserveTest is VaultTest {
    function limits() internal pure override returns (Limits memory l) {
        l = super.limits();
        l.tableReserve = 0;
    }

    /// A stolen operator key with a stake of its own, over as many tables as it likes.
    function test_without_a_share_nothing_reaches_the_reserve() public {
        token.mint(address(this), 50_000 * USDC);
        token.approve(address(vault), 50_000 * USDC);
        vault.fundReserve(50_000 * USDC);
        fund(0, 10_000 * USDC);
        fund(1, 10 * USDC);
        sit(0, 0, 10_000 * USDC);
        sit(1, 1, 10 * USDC);
        vm.prank(player(0));
        vault.requestExit();
        vm.warp(START + 1 hours);
        vault.finaliseExit(player(0));
        settle(hands(1, two(lane(0, -10_000e6, 0), lane(1, 10_000e6, 0))));
        eq(vault.reserve(), 50_000 * USDC, "untouched");
        eq(stackOf(1), 10 * USDC, "and nothing was won");
        assertConserved();
    }
}
