// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Item, Kind} from "../src/interfaces/IPurrVault.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {VaultTest} from "./base/VaultTest.sol";

/// gasUsed of whole transactions, 21,000 and calldata included, all slots already non-zero: run with --isolate, as
/// build.sh --gas does, or the numbers leave both out.
contract GasTest is VaultTest {
    function setUp() public override {
        super.setUp();
        sitSix(100 * USDC);
        settle(six(1));
    }

    /// One hand of six seats, raked from the winner.
    function six(uint64 count) private view returns (Item memory) {
        uint256[] memory lanes = new uint256[](6);
        lanes[0] = lane(0, -1_234_567, 0);
        lanes[1] = lane(1, -2_345_678, 0);
        lanes[2] = lane(2, 9_000_000, 500_000);
        lanes[3] = lane(3, -3_456_789, 0);
        lanes[4] = lane(4, -1_000_000, 0);
        lanes[5] = lane(5, -1_462_966, 0);
        return hands(count, lanes);
    }

    function measure(string memory what, Item[] memory items, uint256 share) private {
        vm.prank(operator);
        vault.settleEntries(items);
        emit log_named_uint(what, vm.lastCallGas().gasTotalUsed / share);
    }

    function _one(Item memory item_) private pure returns (Item[] memory items) {
        items = new Item[](1);
        items[0] = item_;
    }

    /// What netting saves, hand by hand: the plot in gas.md.
    function test_gas_by_hands_netted() public {
        uint64[9] memory counts = [uint64(1), 2, 3, 5, 10, 20, 50, 100, 256];
        for (uint256 i = 0; i < counts.length; i++) {
            string memory what = string.concat("gas: a hand of 6 seats, ", Strings.toString(counts[i]), " netted, plotted");
            // So low that no seat runs out over all of them.
            uint256[] memory lanes = new uint256[](6);
            for (uint256 seat = 0; seat < 6; seat++) {
                lanes[seat] = lane(seat, seat % 2 == 0 ? int256(1_234) : -int256(1_234 + 2 * 333), 333);
            }
            measure(what, _one(hands(counts[i], lanes)), counts[i]);
        }
    }

    function test_gas_of_settlements() public {
        Item[] memory one = new Item[](1);
        one[0] = six(1);
        measure("gas: one hand of 6 seats", one, 1);
        one[0] = six(10);
        measure("gas: a hand of 6 seats, 10 netted", one, 10);
        uint256[] memory raked = new uint256[](6);
        for (uint256 seat = 0; seat < 6; seat++) {
            raked[seat] = lane(seat, seat % 2 == 0 ? int256(1_234_567) : -int256(1_234_567 + 2 * 333_333), 333_333);
        }
        measure("gas: a hand of 6 seats, 10 netted, rake from all", _one(hands(10, raked)), 10);
        one[0] = hands(1, two(lane(0, -1_000_000, 0), lane(1, 950_000, 50_000)));
        measure("gas: one hand of 2 seats", one, 1);

        Item[] memory batch = new Item[](10);
        uint64 first = nextSeq(tableId);
        for (uint64 i = 0; i < 10; i++) {
            batch[i] = six(1);
            (batch[i].firstSeq, batch[i].lastSeq) = (first + i, first + i);
        }
        measure("gas: a hand of 6 seats, 10 of one table in a batch", batch, 10);

        fund(6, 100 * USDC);
        one[0] = leaving(5, 5, stackOf(5));
        measure("gas: leave", one, 1);
        one[0] = item(tableId, nextSeq(tableId), Kind.Sit, abi.encode(permit(tableId, 6, 5, 50 * USDC, 1, 1)));
        measure("gas: sit", one, 1);
        one[0] = item(tableId, nextSeq(tableId), Kind.TopUp, abi.encode(refill(tableId, 6, 5, 5 * USDC, 1, 2)));
        measure("gas: top up", one, 1);
    }
}
