// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPurrVault, Item, Kind, TableConfig} from "../src/interfaces/IPurrVault.sol";
import {VaultTest} from "./base/VaultTest.sol";

contract HandsTest is VaultTest {
    function setUp() public override {
        super.setUp();
        sitSix(100 * USDC);
    }

    function test_a_hand_moves_stacks_and_accrues_rake() public {
        uint64 seq = nextSeq(tableId);
        vm.expectEmit(address(vault));
        emit IPurrVault.HandsSettled(tableId, seq, seq, 1 * USDC, keccak256("root"));
        settle(hands(1, three(lane(0, -20e6, 0), lane(3, 39e6, 1e6), lane(5, -20e6, 0))));
        eq(stackOf(0), 80 * USDC, "loser");
        eq(stackOf(3), 139 * USDC, "winner");
        eq(stackOf(5), 80 * USDC, "other loser");
        eq(vault.seatOf(tableId, 3).rakeLeft, 99 * USDC, "the winner's permits have paid");
        eq(vault.tableOf(tableId).rake, 1 * USDC, "rake");
        eq(vault.tableOf(tableId).seq, seq, "sequence");
        assertConserved();
    }

    function test_netted_hands_take_a_range() public {
        uint64 seq = nextSeq(tableId);
        settle(hands(10, two(lane(0, -20e6, 0), lane(3, 15e6, 5e6))));
        eq(vault.tableOf(tableId).seq, seq + 9, "sequence");
        assertConserved();
    }

    function test_only_the_next_number_is_taken() public {
        Item memory late = hands(1, two(lane(0, -1, 0), lane(1, 1, 0)));
        settle(late);
        rejects(late, IPurrVault.BadSequence.selector);
        Item memory early = hands(1, two(lane(0, -1, 0), lane(1, 1, 0)));
        (early.firstSeq, early.lastSeq) = (early.firstSeq + 1, early.lastSeq + 1);
        rejects(early, IPurrVault.BadSequence.selector);
        early.firstSeq = type(uint64).max;
        rejects(early, IPurrVault.BadSequence.selector);
    }

    function test_a_range_has_a_length() public {
        rejects(hands(257, two(lane(0, -1, 0), lane(1, 1, 0))), IPurrVault.BadRange.selector);
        Item memory backwards = hands(1, two(lane(0, -1, 0), lane(1, 1, 0)));
        backwards.lastSeq = backwards.firstSeq - 1;
        rejects(backwards, IPurrVault.BadRange.selector);
        settle(hands(256, two(lane(0, -1, 0), lane(1, 1, 0))));
    }

    function test_sequences_are_limited_by_block_time() public {
        settle(hands(256, two(lane(0, -1, 0), lane(1, 1, 0))));
        settle(hands(256, two(lane(0, -1, 0), lane(1, 1, 0))));
        settle(hands(256, two(lane(0, -1, 0), lane(1, 1, 0))));
        rejects(hands(256, two(lane(0, -1, 0), lane(1, 1, 0))), IPurrVault.TooFast.selector);
        // 6 sits and 768 hands are used, 256 more need 1030 - 1000 numbers: 8 seconds.
        vm.warp(START + 7);
        rejects(hands(256, two(lane(0, -1, 0), lane(1, 1, 0))), IPurrVault.TooFast.selector);
        vm.warp(START + 8);
        settle(hands(256, two(lane(0, -1, 0), lane(1, 1, 0))));
    }

    function test_deltas_and_rake_sum_to_zero() public {
        rejects(hands(1, two(lane(0, -10, 0), lane(1, 11, 0))), IPurrVault.NotZeroSum.selector);
        rejects(hands(1, two(lane(0, -10, 0), lane(1, 9, 0))), IPurrVault.NotZeroSum.selector);
        rejects(hands(1, two(lane(0, -10, 0), lane(1, 10, 1))), IPurrVault.NotZeroSum.selector);
    }

    function test_no_stack_falls_below_zero() public {
        rejects(hands(1, two(lane(0, -100e6 - 1, 0), lane(1, 100e6 + 1, 0))), IPurrVault.StackBelowZero.selector);
        settle(hands(1, two(lane(0, -100e6, 0), lane(1, 100e6, 0))));
        eq(stackOf(0), 0, "all in and lost");
    }

    function test_amounts_at_the_edge_of_64_bits_are_refused() public {
        int256 huge = type(int64).max;
        rejects(hands(1, two(lane(0, -huge, 0), lane(1, huge, 0))), IPurrVault.StackBelowZero.selector);
        rejects(hands(1, two(lane(0, huge, 0), lane(1, -huge, 0))), IPurrVault.TooMuchHeld.selector);
        rejects(
            hands(1, two(lane(0, type(int64).min, 0), lane(1, 0, uint256(1) << 63))), IPurrVault.RakeAboveCap.selector
        );
        rejects(hands(1, two(lane(0, 0, type(uint64).max), lane(1, 0, 0))), IPurrVault.NotZeroSum.selector);
    }

    function test_rake_stays_within_the_tables_cap() public {
        rejects(hands(1, two(lane(0, -80e6, 0), lane(1, 80e6 - 3e6 - 1, 3e6 + 1))), IPurrVault.RakeAboveCap.selector);
        settle(hands(1, two(lane(0, -80e6, 0), lane(1, 77e6, 3e6))));
        settle(hands(2, two(lane(1, -80e6, 0), lane(2, 74e6, 6e6))));
    }

    function test_rake_stays_within_the_tables_percentage_of_what_could_be_in_the_pot() public {
        // Seats 0 and 1 have 1 each after this.
        settle(hands(1, three(lane(0, -99e6, 0), lane(1, -99e6, 0), lane(2, 198e6, 0))));
        // 5% of a pot of 2 is 0.1, and one unit for rounding.
        rejects(hands(1, two(lane(0, -1e6, 0), lane(1, 899_998, 100_002))), IPurrVault.RakeAboveCap.selector);
        settle(hands(1, two(lane(0, -1e6, 0), lane(1, 899_999, 100_001))));
    }

    function test_a_table_without_rake_takes_none() public {
        vm.prank(operator);
        tableId = vault.openTable(unraked("free"));
        fund(7, 10 * USDC);
        fund(8, 10 * USDC);
        sit(7, 0, 10 * USDC);
        sit(8, 1, 10 * USDC);
        rejects(hands(1, two(lane(0, -1, 0), lane(1, 0, 1))), IPurrVault.RakeAboveCap.selector);
    }

    function test_rake_stays_within_each_seats_permit() public {
        fund(7, 100 * USDC);
        settle(leaving(0, 0, 100 * USDC));
        sitWithRake(7, 0, 100 * USDC, 2 * USDC);
        settle(hands(1, two(lane(0, 18e6, 2e6), lane(1, -20e6, 0))));
        rejects(hands(1, two(lane(0, 20e6 - 1, 1), lane(1, -20e6, 0))), IPurrVault.RakeAbovePermit.selector);
        settle(hands(1, two(lane(0, 20e6, 0), lane(1, -20e6, 0))));
    }

    function test_lanes_are_in_order_and_of_seats_that_are_taken() public {
        rejects(hands(1, two(lane(1, -1, 0), lane(0, 1, 0))), IPurrVault.BadLane.selector);
        rejects(hands(1, two(lane(1, -1, 0), lane(1, 1, 0))), IPurrVault.BadLane.selector);
        rejects(hands(1, two(lane(1, -1, 0), lane(6, 1, 0))), IPurrVault.BadLane.selector);
        rejects(hands(1, two(lane(1, -1, 0), lane(200, 1, 0))), IPurrVault.BadLane.selector);
        rejects(hands(1, new uint256[](0)), IPurrVault.BadLane.selector);
        rejects(hands(1, new uint256[](7)), IPurrVault.BadLane.selector);
        settle(leaving(5, 5, 100 * USDC));
        rejects(hands(1, two(lane(1, -1, 0), lane(5, 1, 0))), IPurrVault.SeatEmpty.selector);
    }

    function test_data_that_is_not_a_root_and_whole_lanes_is_refused() public {
        Item memory good = hands(1, two(lane(0, -1, 0), lane(1, 1, 0)));
        bytes memory data = good.data;
        Item memory bad = good;
        bad.data = "";
        rejects(bad, IPurrVault.BadLane.selector);
        bad.data = new bytes(31);
        rejects(bad, IPurrVault.BadLane.selector);
        bad.data = bytes.concat(data, hex"00");
        rejects(bad, IPurrVault.BadLane.selector);
        bad.data = bytes.concat(data, new bytes(17 * 9));
        rejects(bad, IPurrVault.BadLane.selector);
        bad.data = data;
        settle(bad);
    }

    function test_a_bad_item_never_stops_the_others() public {
        bytes32 other = openTable("other");
        uint64 seq = nextSeq(tableId);
        Item[] memory items = new Item[](5);
        items[0] = hands(1, two(lane(0, -10, 0), lane(1, 11, 0)));
        items[1] = Item(other, 1, 1, Kind.Sit, "garbage");
        items[2] = Item(keccak256("nowhere"), 1, 1, Kind.Hands, "");
        items[3] = Item(other, 1, 1, Kind.Sit, abi.encode(permit(other, 4, 2, 50 * USDC, USDC, 999)));
        items[4] = hands(1, two(lane(0, -10, 0), lane(1, 10, 0)));
        vm.expectEmit(address(vault));
        emit IPurrVault.ItemRejected(tableId, seq, IPurrVault.NotZeroSum.selector);
        vm.expectEmit(address(vault));
        emit IPurrVault.ItemRejected(other, 1, bytes4(0));
        vm.expectEmit(address(vault));
        emit IPurrVault.ItemRejected(keccak256("nowhere"), 1, IPurrVault.UnknownTable.selector);
        vm.expectEmit(address(vault));
        emit IPurrVault.Seated(other, player(4), 1, 2, 50 * USDC, USDC, 999);
        vm.prank(operator);
        vault.settleEntries(items);
        eq(vault.tableOf(other).seq, 1, "the other table went on");
        eq(stackOf(1), 100 * USDC + 10, "and so did this one");
    }

    function test_a_batch_has_a_length() public {
        vm.prank(operator);
        vm.expectRevert(IPurrVault.TooManyItems.selector);
        vault.settleEntries(new Item[](65));
    }

    function test_only_the_operators_key_settles_and_opens() public {
        vm.expectRevert(IPurrVault.NotOperator.selector);
        vault.settleEntries(new Item[](0));
        vm.expectRevert(IPurrVault.NotOperator.selector);
        vault.openTable(config("x"));
        Item memory one = hands(1, two(lane(0, -10, 0), lane(1, 10, 0)));
        vm.prank(operator);
        vm.expectRevert(IPurrVault.NotSelf.selector);
        vault.settleItem(one);
    }

    /// forge-config: default.fuzz.runs = 2000
    function testFuzz_any_hand_is_applied_exactly_or_not_at_all(
        int64[6] memory deltas,
        uint64[6] memory rakes,
        bool exiting
    ) public {
        // Goes the other way through the vault, and until the clock ends to the same end.
        if (exiting) {
            vm.prank(player(0));
            vault.requestExit();
        }
        uint256[] memory lanes = new uint256[](6);
        int256 sum;
        uint256 rake;
        for (uint256 i = 0; i < 6; i++) {
            int256 delta = i < 5 ? int256(deltas[i]) % 120e6 : -sum;
            uint256 paid = rakes[i] % 600_000;
            if (i == 5) delta -= int256(rake + paid);
            (sum, rake) = (sum + delta, rake + paid);
            lanes[i] = lane(i, delta, paid);
        }
        bool sound = rake <= 3e6;
        for (uint256 i = 0; i < 6; i++) {
            if (int64(uint64(lanes[i])) < -100e6) sound = false;
        }
        uint64 seq = vault.tableOf(tableId).seq;
        bytes32 state = stateOf(tableId);
        settle(hands(1, lanes));
        eq(vault.tableOf(tableId).seq, sound ? seq + 1 : seq, "taken if and only if sound");
        if (!sound) check(stateOf(tableId) == state, "nothing changed");
        for (uint8 i = 0; sound && i < 6; i++) {
            eq(stackOf(i), uint256(int256(100e6) + int64(uint64(lanes[i]))), "stack");
        }
        assertConserved();
    }

    function unraked(bytes32 uid) private pure returns (TableConfig memory c) {
        c = config(uid);
        c.rakeBps = 0;
        c.rakeCap = 0;
    }
}
