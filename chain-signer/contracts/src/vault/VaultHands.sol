// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Item} from "../interfaces/IPurrVault.sol";
import {Header} from "../lib/Headers.sol";
import {HandLanes, SeatLanes} from "../lib/Lanes.sol";
import {VaultSeats} from "./VaultSeats.sol";

/// Ranges of hands, netted: checked as a whole, then written a slot (two seats) at a time.
abstract contract VaultHands is VaultSeats {
    using SeatLanes for uint256[5];

    function _settleHands(Item calldata item, Table storage t, Header memory h) internal {
        (bytes32 recordRoot, uint256[] memory lanes) = abi.decode(item.data, (bytes32, uint256[]));
        uint256 hands = item.lastSeq - item.firstSeq + 1;
        (uint256 rake, uint256 seats) = _check(lanes, h);
        if (h.rakeCap != 0 && rake > hands * h.rakeCap) revert RakeAboveCap();
        uint256 turnover;
        uint256 rakeKept = rake;
        if (seats & h.exiting != 0) (rakeKept, turnover) = _exits(item, t, h, lanes, rake);
        turnover += _apply(t, lanes);
        // No pot is larger than all stacks dealt in; each hand's rake is rounded to at most one unit more.
        if (rake > hands * (turnover * h.rakeBps / 10_000 + 1) || (rake != 0 && h.rakeBps == 0)) revert RakeAboveCap();
        h.rake += uint64(rakeKept);
        emit HandsSettled(item.tableId, item.firstSeq, item.lastSeq, uint64(rakeKept), recordRoot);
    }

    /// Lanes in order, of occupied seats, and with the rake they sum to zero.
    function _check(uint256[] memory lanes, Header memory h) private pure returns (uint256 rake, uint256 seats) {
        int256 sum;
        uint256 count = lanes.length;
        if (count < 2 || count > h.seats) revert BadLane();
        uint256 next;
        for (uint256 i = 0; i < count; i++) {
            uint256 lane = lanes[i];
            uint256 seat = HandLanes.seatOf(lane);
            if (seat < next || seat >= h.seats) revert BadLane();
            next = seat + 1;
            seats |= 1 << seat;
            // Ten lanes of 64 bits stay far from 256.
            unchecked {
                sum += HandLanes.deltaOf(lane);
                rake += HandLanes.rakeOf(lane);
            }
        }
        if (seats & ~uint256(h.occupied) != 0) revert SeatEmpty();
        if (sum + int256(rake) != 0) revert NotZeroSum();
    }

    function _apply(Table storage t, uint256[] memory lanes) private returns (uint256 turnover) {
        uint256 index;
        uint256 slot = t.lanes[0];
        for (uint256 i = 0; i < lanes.length; i++) {
            uint256 lane = lanes[i];
            uint256 seat = HandLanes.seatOf(lane);
            if (seat >> 1 != index) {
                t.lanes[index] = slot;
                index = seat >> 1;
                slot = t.lanes[index];
            }
            (uint256 stack, uint256 rakeLeft) = SeatLanes.split(slot, seat);
            uint256 rake = HandLanes.rakeOf(lane);
            if (rake > rakeLeft) revert RakeAbovePermit();
            turnover += stack;
            int256 result = int256(stack) + HandLanes.deltaOf(lane);
            if (result < 0) revert StackBelowZero();
            if (result > int256(uint256(HELD_MAX))) revert TooMuchHeld();
            slot = SeatLanes.join(slot, seat, uint256(result), rakeLeft - rake);
        }
        t.lanes[index] = slot;
    }

    /// Seats whose exit was asked for: each number of the sequence uses up some of what may still touch them. Those
    /// whose clock has ended hold no stack any more: their wins go to the free balance, their losses are a shortfall.
    /// Changes `lanes` to what is left to write.
    function _exits(Item calldata item, Table storage t, Header memory h, uint256[] memory lanes, uint256 rake)
        private
        returns (uint256 rakeKept, uint256 turnover)
    {
        uint256 gone;
        uint256 missing;
        for (uint256 i = 0; i < lanes.length; i++) {
            uint256 seat = HandLanes.seatOf(lanes[i]);
            if (h.exiting & (1 << seat) == 0) continue;
            SeatOwner storage owner = t.owners[seat];
            _spendExitBudget(owner, item.lastSeq - item.firstSeq + 1);
            if (!owner.vacated && block.timestamp >= _accounts[owner.player].exitReadyAt) {
                _vacate(item.tableId, t, uint8(seat), owner.player);
            }
            if (!owner.vacated) continue;
            gone |= 1 << seat;
            uint256 stack = owner.vacatedStack;
            turnover += stack;
            int256 delta = HandLanes.deltaOf(lanes[i]);
            // Nobody can lose more than was there, or a stolen key could empty the reserve.
            if (int256(stack) + delta < 0) revert StackBelowZero();
            owner.vacatedStack = uint64(uint256(int256(stack) + delta));
            if (delta < 0) {
                missing += uint256(-delta);
                lanes[i] = HandLanes.make(seat, HandLanes.rakeOf(lanes[i]), 0);
            }
        }
        rakeKept = missing == 0 ? rake : _bear(item, lanes, rake, missing);
        _payLate(item, t, lanes, gone);
    }

    function _spendExitBudget(SeatOwner storage owner, uint256 count) private {
        uint16 budget = owner.exitBudget;
        if (count > budget) revert ExitBudgetSpent();
        owner.exitBudget = budget - uint16(count);
    }

    /// A shortfall is borne by the house's reserve, then by this item's rake, then by its winners pro rata.
    function _bear(Item calldata item, uint256[] memory lanes, uint256 rake, uint256 missing)
        private
        returns (uint256 rakeKept)
    {
        uint256 fromReserve = _min(missing, _house.reserve);
        if (fromReserve != 0) _house.reserve -= uint64(fromReserve);
        uint256 fromRake = _min(missing - fromReserve, rake);
        uint256 fromWinners = missing - fromReserve - fromRake;
        if (fromRake != 0) _cutRake(lanes, fromRake);
        if (fromWinners != 0) _cutWinners(lanes, fromWinners);
        emit Shortfall(
            item.tableId,
            item.firstSeq,
            item.lastSeq,
            uint64(missing),
            uint64(fromReserve),
            uint64(fromRake),
            uint64(fromWinners)
        );
        return rake - fromRake;
    }

    function _cutRake(uint256[] memory lanes, uint256 cut) private pure {
        for (uint256 i = 0; i < lanes.length && cut != 0; i++) {
            uint256 rake = HandLanes.rakeOf(lanes[i]);
            uint256 part = _min(rake, cut);
            cut -= part;
            lanes[i] = HandLanes.make(HandLanes.seatOf(lanes[i]), rake - part, HandLanes.deltaOf(lanes[i]));
        }
    }

    /// What rounding leaves is taken from the first winners that still have it.
    function _cutWinners(uint256[] memory lanes, uint256 cut) private pure {
        uint256 won;
        for (uint256 i = 0; i < lanes.length; i++) {
            int256 delta = HandLanes.deltaOf(lanes[i]);
            if (delta > 0) won += uint256(delta);
        }
        uint256 rest = cut;
        for (uint256 round = 0; round < 2; round++) {
            for (uint256 i = 0; i < lanes.length && rest != 0; i++) {
                int256 delta = HandLanes.deltaOf(lanes[i]);
                if (delta <= 0) continue;
                uint256 part = round == 0 ? uint256(delta) * cut / won : _min(rest, uint256(delta));
                rest -= part;
                lanes[i] = HandLanes.make(
                    HandLanes.seatOf(lanes[i]), HandLanes.rakeOf(lanes[i]), delta - int256(part)
                );
            }
        }
    }

    function _payLate(Item calldata item, Table storage t, uint256[] memory lanes, uint256 gone) private {
        for (uint256 i = 0; i < lanes.length; i++) {
            uint256 seat = HandLanes.seatOf(lanes[i]);
            int256 delta = HandLanes.deltaOf(lanes[i]);
            if (gone & (1 << seat) == 0 || delta <= 0) continue;
            address player = t.owners[seat].player;
            _accounts[player].free += uint64(int64(delta));
            lanes[i] = HandLanes.make(seat, HandLanes.rakeOf(lanes[i]), 0);
            emit LateWinnings(item.tableId, player, item.firstSeq, item.lastSeq, uint64(int64(delta)));
        }
    }

    function _min(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
