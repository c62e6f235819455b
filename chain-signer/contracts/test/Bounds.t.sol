// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPurrVault, Item, Kind, TableConfig} from "../src/interfaces/IPurrVault.sol";
import {VaultTest} from "./base/VaultTest.sol";

/// What an item can cost at most, and that a lack of gas is no verdict on it. A test is one transaction, so the vault's
/// storage is made cold before each measured call, as it is for the signer's.
contract BoundsTest is VaultTest {
    /// A call that ran out of gas leaves a 64th; the contract takes more than this for another failure.
    uint256 private constant GAS_LEFT_MIN = 40_000;

    function setUp() public override {
        super.setUp();
        tableId = openTen();
        for (uint8 n = 0; n < 10; n++) {
            fund(n, 200 * USDC);
            sit(n, n, 100 * USDC);
        }
    }

    function openTen() private returns (bytes32 id) {
        TableConfig memory c = config("ten");
        c.seats = 10;
        vm.prank(operator);
        return vault.openTable(c);
    }

    /// Five lose, five win and are raked, each.
    function full() private view returns (Item memory) {
        uint256[] memory lanes = new uint256[](10);
        for (uint256 i = 0; i < 10; i++) {
            lanes[i] = i % 2 == 0 ? lane(i, -1e6, 0) : lane(i, 950_000, 50_000);
        }
        return hands(1, lanes);
    }

    function exits(bool finalised) private {
        for (uint256 n = 0; n < 10; n++) {
            vm.prank(player(n));
            vault.requestExit();
        }
        if (!finalised) return;
        vm.warp(START + 1 hours);
        for (uint256 n = 0; n < 10; n++) {
            vault.finaliseExit(player(n));
        }
    }

    function cost(Item memory one) private returns (uint256) {
        Item[] memory items = new Item[](1);
        items[0] = one;
        uint64 seq = vault.tableOf(tableId).seq;
        vm.cool(address(vault));
        vm.prank(operator);
        uint256 before = gasleft();
        vault.settleEntries(items);
        uint256 used = before - gasleft();
        eq(vault.tableOf(tableId).seq, seq + 1, "settled");
        return used;
    }

    function test_a_quiet_hand_of_ten_stays_within_its_bound() public {
        check(cost(full()) < 100_000, "quiet");
    }

    function test_a_hand_of_ten_exiting_seats_stays_within_its_bound() public {
        exits(false);
        check(cost(full()) < 16 * GAS_LEFT_MIN, "exiting");
    }

    function test_a_hand_of_ten_seats_whose_exits_were_paid_stays_within_its_bound() public {
        token.mint(address(this), 100 * USDC);
        token.approve(address(vault), 100 * USDC);
        vault.fundReserve(1 * USDC);
        exits(true);
        check(cost(full()) < 16 * GAS_LEFT_MIN, "paid");
    }

    /// The most expensive hand: nine exits were paid, and each of these players wins into an empty balance.
    function nineLateWinners() private returns (Item memory) {
        for (uint256 n = 0; n < 9; n++) {
            vm.prank(player(n));
            vault.requestExit();
        }
        vm.warp(START + 1 hours);
        for (uint256 n = 0; n < 9; n++) {
            vault.finaliseExit(player(n));
        }
        uint256[] memory lanes = new uint256[](10);
        for (uint256 i = 0; i < 9; i++) {
            lanes[i] = lane(i, 950_000, 50_000);
        }
        lanes[9] = lane(9, -9e6, 0);
        return hands(1, lanes);
    }

    function test_a_hand_of_nine_late_winners_stays_within_its_bound() public {
        uint256 used = cost(nineLateWinners());
        check(used < 16 * GAS_LEFT_MIN, "late winners");
        eq(vault.balanceOf(player(8)), 950_000, "paid");
    }

    function test_a_lack_of_gas_rejects_no_hand_of_late_winners() public {
        neverRejects(nineLateWinners());
    }

    /// An exit pays from all the tables that one player may sit at, within the smallest block that the vault is meant for.
    function test_an_exit_from_sixteen_tables_fits_into_a_block_of_two_million() public {
        // One seat is there already.
        fund(9, 150 * USDC);
        for (uint256 i = 0; i < 15; i++) {
            tableId = openTable(bytes32(i + 1));
            sit(9, 0, 10 * USDC);
        }
        vm.cool(address(vault));
        vm.prank(player(9));
        vault.requestExit{gas: 1_950_000}();
        vm.warp(START + 1 hours);
        vm.cool(address(vault));
        vault.finaliseExit{gas: 1_950_000}(player(9));
        eq(token.balanceOf(player(9)), 350 * USDC, "all of it");
    }

    /// Whatever the gas: it settles, or the batch reverts and the signer tries again.
    function neverRejects(Item memory one) private {
        Item[] memory items = new Item[](1);
        items[0] = one;
        uint64 seq = vault.tableOf(tableId).seq;
        for (uint256 gas_ = 21_000; gas_ < 700_000; gas_ += 1_777) {
            vm.cool(address(vault));
            vm.prank(operator);
            (bool done,) = address(vault).call{gas: gas_}(abi.encodeCall(vault.settleEntries, (items)));
            if (!done) continue;
            eq(vault.tableOf(tableId).seq, seq + 1, "a good item was rejected for want of gas");
            return;
        }
        revert Fails("never settled");
    }

    function test_a_lack_of_gas_rejects_no_quiet_hand() public {
        neverRejects(full());
    }

    function test_a_lack_of_gas_rejects_no_hand_with_exits() public {
        exits(false);
        neverRejects(full());
    }

    function test_a_lack_of_gas_rejects_no_hand_after_exits() public {
        exits(true);
        neverRejects(full());
    }

    function test_a_lack_of_gas_rejects_no_seat() public {
        settle(leaving(9, 9, 100 * USDC));
        neverRejects(item(tableId, nextSeq(tableId), Kind.Sit, abi.encode(permit(tableId, 9, 9, 50 * USDC, 1, 1))));
        neverRejects(item(tableId, nextSeq(tableId), Kind.TopUp, abi.encode(refill(tableId, 9, 9, 5 * USDC, 1, 2))));
        neverRejects(leaving(9, 9, 55 * USDC));
    }

    /// The signer's estimate must not need more than the item: it was 400,000 for a hand of 55,000.
    function test_a_quiet_hand_settles_with_little_more_gas_than_it_uses() public {
        Item[] memory items = new Item[](1);
        items[0] = full();
        vm.cool(address(vault));
        vm.prank(operator);
        vault.settleEntries{gas: 100_000}(items);
    }

    function test_data_that_does_not_decode_is_still_rejected_and_named() public {
        Item memory bad = item(tableId, nextSeq(tableId), Kind.Sit, "garbage");
        rejects(bad, bytes4(0));
        Item[] memory items = new Item[](1);
        items[0] = bad;
        vm.prank(operator);
        vm.expectRevert(IPurrVault.NotEnoughGas.selector);
        vault.settleEntries{gas: 30_000}(items);
    }
}
