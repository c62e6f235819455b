// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Item} from "../interfaces/IPurrVault.sol";
import {Headers} from "../lib/Headers.sol";
import {HandLanes} from "../lib/Lanes.sol";
import {VaultSeats} from "./VaultSeats.sol";

/// Ranges of hands, netted: checked as a whole, then written a slot (two seats) at a time.
abstract contract VaultHands is VaultSeats {
    /// Hands at a table where no exit is under way, as almost all are. All is checked before the first write, so the
    /// item needs no call of its own that could be taken back: what is wrong with it is returned, and nothing changed.
    function _settleQuietHands(Item calldata item, Table storage t, uint256 header)
        internal
        returns (bytes32 failure)
    {
        (uint64 firstSeq, uint64 lastSeq) = (item.firstSeq, item.lastSeq);
        uint256 hands;
        (header, hands, failure) = _take(header, firstSeq, lastSeq);
        if (failure != 0) return failure;
        (bytes32 recordRoot, bytes memory lanes) = HandLanes.decode(item.data);
        (uint256 rake,, bytes32 misfit, bytes32 unpaid, uint256 turnover, uint256[] memory writes) =
            _walk(t, header, lanes);
        if (misfit != 0) return misfit;
        if (rake > _rakeMax(header, hands, turnover)) return RakeAboveCap.selector;
        if (unpaid != 0) return unpaid;
        _write(writes);
        t.header = Headers.addRake(header, rake);
        emit HandsSettled(item.tableId, firstSeq, lastSeq, uint64(rake), recordRoot);
    }

    /// The same where seats are on their way out, in a call of its own: `_exits` writes before all is checked.
    function _settleHands(Item calldata item, Table storage t, uint256 header, uint256 hands) internal {
        (bytes32 recordRoot, bytes memory lanes) = HandLanes.decode(item.data);
        (uint256 rake, uint256 seats, bytes32 misfit, bytes32 unpaid, uint256 turnover, uint256[] memory writes) =
            _walk(t, header, lanes);
        _fail(misfit);
        (uint256 rakeKept, uint256 late) = (rake, 0);
        if (seats & Headers.exiting(header) != 0) {
            (rakeKept, late) = _exits(item, t, Headers.exiting(header), lanes, rake);
            (,,, unpaid, turnover, writes) = _walk(t, header, lanes);
        }
        if (rake > _rakeMax(header, hands, late + turnover)) revert RakeAboveCap();
        _fail(unpaid);
        _write(writes);
        t.header = Headers.addRake(header, rakeKept);
        emit HandsSettled(item.tableId, item.firstSeq, item.lastSeq, uint64(rakeKept), recordRoot);
    }

    /// One pass over lanes and stacks, which writes nothing. `misfit`: the lanes are not in order, of occupied seats,
    /// or do not sum to zero with the rake. `unpaid`: a seat would pay more than it has, in chips or in rake. In
    /// assembly, because it is most of what a hand costs beyond its storage.
    /// `writes` are pairs of a slot's place in storage and its new word; the length is that of all of it in bytes.
    function _walk(Table storage t, uint256 header, bytes memory lanes)
        private
        view
        returns (
            uint256 rake,
            uint256 seats,
            bytes32 misfit,
            bytes32 unpaid,
            uint256 turnover,
            uint256[] memory writes
        )
    {
        uint256[5] storage slots = t.lanes;
        uint256 net;
        // 1 order, 2 rake, 4 too much held, 8 below zero.
        uint256 flaws;
        assembly ("memory-safe") {
            let to := add(mload(0x40), 32)
            let slot := 0
            let key := 0
            let at := add(lanes, 32)
            for { let end := add(at, mload(lanes)) } lt(at, end) { at := add(at, 17) } {
                let lane := mload(at)
                {
                    let bit := shl(byte(0, lane), 1)
                    flaws := or(flaws, iszero(gt(bit, seats)))
                    seats := or(seats, bit)
                    let own := add(slots.slot, shr(249, lane))
                    if iszero(eq(own, key)) {
                        if key {
                            mstore(to, key)
                            mstore(add(to, 32), slot)
                            to := add(to, 64)
                        }
                        key := own
                        slot := sload(key)
                    }
                }
                let shift := and(shr(241, lane), 128)
                let part := shr(shift, slot)
                let paid := and(shr(184, lane), 0xffffffffffffffff)
                // Few seats pay rake.
                if paid {
                    rake := add(rake, paid)
                    if gt(paid, and(shr(64, part), 0xffffffffffffffff)) { flaws := or(flaws, 2) }
                    slot := sub(slot, shl(add(shift, 64), paid))
                }
                part := and(part, 0xffffffffffffffff)
                turnover := add(turnover, part)
                lane := signextend(7, shr(120, lane))
                // Ten lanes of 64 bits stay far from 256.
                net := add(net, lane)
                // As an unsigned number, so it is too much or below zero; the first one counts.
                part := add(part, lane)
                if gt(part, HELD_MAX) {
                    if lt(flaws, 4) { flaws := or(flaws, shl(add(2, shr(255, part)), 1)) }
                }
                // Where all is well both fields stay within their 64 bits, so nothing is carried into the next one.
                slot := add(slot, shl(shift, lane))
            }
            mstore(to, key)
            mstore(add(to, 32), slot)
            to := add(to, 64)
            writes := mload(0x40)
            mstore(writes, sub(to, writes))
            mstore(0x40, to)
            // One seat alone, or none, is no hand.
            flaws := or(flaws, iszero(and(seats, sub(seats, 1))))
        }
        unchecked {
            net += rake;
        }
        if (flaws & 1 != 0 || seats >> Headers.seats(header) != 0) misfit = BadLane.selector;
        else if (seats & ~Headers.occupied(header) != 0) misfit = SeatEmpty.selector;
        else if (net != 0) misfit = NotZeroSum.selector;
        if (flaws & 2 != 0) unpaid = RakeAbovePermit.selector;
        else if (flaws > 1) unpaid = flaws & 8 != 0 ? StackBelowZero.selector : TooMuchHeld.selector;
    }

    function _write(uint256[] memory writes) private {
        assembly ("memory-safe") {
            let end := add(writes, mload(writes))
            for { let at := add(writes, 32) } lt(at, end) { at := add(at, 64) } {
                sstore(mload(at), mload(add(at, 32)))
            }
        }
    }

    /// No pot is larger than all stacks dealt in; each hand's rake is rounded to at most one unit more.
    function _rakeMax(uint256 header, uint256 hands, uint256 turnover) private pure returns (uint256 most) {
        (uint256 bps, uint256 cap) = Headers.rakeTerms(header);
        if (bps == 0) return 0;
        // All factors are below 2^70.
        unchecked {
            most = turnover * bps / 10_000 + 1;
            if (cap != 0 && cap < most) most = cap;
            return most * hands;
        }
    }

    /// The header once these numbers are used, and how many they are.
    function _take(uint256 header, uint256 firstSeq, uint256 lastSeq)
        internal
        view
        returns (uint256 next, uint256 count, bytes32 failure)
    {
        failure = _order(header, firstSeq, lastSeq);
        // Numbers are below 2^40, and so are a time in fractions of a second and a burst.
        unchecked {
            count = lastSeq - firstSeq + 1;
            // A token bucket in one number (GCRA): a stolen key cannot play years of hands in a minute.
            uint256 time = block.timestamp * SEQUENCES_PER_SECOND;
            uint256 budget = Headers.budgetAt(header);
            budget = (budget < time ? time : budget) + count;
            if (failure == 0 && budget > time + SEQUENCE_BURST) failure = TooFast.selector;
            next = Headers.setSeqAndBudget(header, lastSeq, budget);
        }
    }

    function _order(uint256 header, uint256 firstSeq, uint256 lastSeq) private view returns (bytes32) {
        unchecked {
            if (Headers.seats(header) == 0) return UnknownTable.selector;
            if (firstSeq != Headers.seq(header) + 1) return BadSequence.selector;
            // Backwards is very long.
            if (lastSeq - firstSeq >= MAX_RANGE || lastSeq > Headers.SEQ_MAX) return BadRange.selector;
        }
        return 0;
    }

    function _advance(uint256 header, uint256 firstSeq, uint256 lastSeq)
        internal
        view
        returns (uint256 next, uint256 count)
    {
        bytes32 failure;
        (next, count, failure) = _take(header, firstSeq, lastSeq);
        _fail(failure);
    }

    function _inOrder(uint256 header, uint256 firstSeq, uint256 lastSeq) internal view {
        bytes32 failure = _order(header, firstSeq, lastSeq);
        if (failure == BadSequence.selector) revert BadSequence(uint64(Headers.seq(header) + 1));
        _fail(failure);
    }

    /// Reverts with an error that is its selector alone, if there is one.
    function _fail(bytes32 failure) private pure {
        if (failure == 0) return;
        assembly ("memory-safe") {
            mstore(0, failure)
            revert(0, 4)
        }
    }

    /// Seats whose exit was asked for: each number of the sequence uses up some of what may still touch them. Those
    /// whose exit was finalised hold no stack any more: their wins go to the free balance, their losses are a
    /// shortfall. A clock that has ended changes nothing by itself: what was played before still counts until somebody
    /// finalises, and anybody may.
    /// Changes `lanes` to what is left to write.
    function _exits(Item calldata item, Table storage t, uint256 exiting, bytes memory lanes, uint256 rake)
        private
        returns (uint256 rakeKept, uint256 turnover)
    {
        uint256 gone;
        uint256 missing;
        for (uint256 i = 0; i < HandLanes.count(lanes); i++) {
            uint256 seat = HandLanes.seatOf(HandLanes.get(lanes, i));
            if (exiting & (1 << seat) == 0) continue;
            SeatOwner storage owner = t.owners[seat];
            _spendExitBudget(owner, item.lastSeq - item.firstSeq + 1);
            if (!owner.vacated) continue;
            gone |= 1 << seat;
            uint256 stack = owner.vacatedStack;
            turnover += stack;
            int256 delta = HandLanes.deltaOf(HandLanes.get(lanes, i));
            // Nobody can lose more than was there, or a stolen key could empty the reserve.
            if (int256(stack) + delta < 0) revert StackBelowZero();
            owner.vacatedStack = uint64(uint256(int256(stack) + delta));
            if (delta < 0) {
                missing += uint256(-delta);
                HandLanes.set(lanes, i, HandLanes.make(seat, HandLanes.rakeOf(HandLanes.get(lanes, i)), 0));
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

    /// A shortfall is borne by the house's reserve as far as the table's share goes, then by this item's rake, then by its winners pro rata.
    function _bear(Item calldata item, bytes memory lanes, uint256 rake, uint256 missing)
        private
        returns (uint256 rakeKept)
    {
        uint256 fromReserve = _bearFromReserve(item.tableId, missing);
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

    function _cutRake(bytes memory lanes, uint256 cut) private pure {
        for (uint256 i = 0; i < HandLanes.count(lanes) && cut != 0; i++) {
            uint256 rake = HandLanes.rakeOf(HandLanes.get(lanes, i));
            uint256 part = _min(rake, cut);
            cut -= part;
            HandLanes.set(lanes, i, HandLanes.make(HandLanes.seatOf(HandLanes.get(lanes, i)), rake - part, HandLanes.deltaOf(HandLanes.get(lanes, i))));
        }
    }

    /// What rounding leaves is taken from the first winners that still have it.
    function _cutWinners(bytes memory lanes, uint256 cut) private pure {
        uint256 won;
        for (uint256 i = 0; i < HandLanes.count(lanes); i++) {
            int256 delta = HandLanes.deltaOf(HandLanes.get(lanes, i));
            if (delta > 0) won += uint256(delta);
        }
        uint256 rest = cut;
        for (uint256 round = 0; round < 2; round++) {
            for (uint256 i = 0; i < HandLanes.count(lanes) && rest != 0; i++) {
                int256 delta = HandLanes.deltaOf(HandLanes.get(lanes, i));
                if (delta <= 0) continue;
                uint256 part = round == 0 ? uint256(delta) * cut / won : _min(rest, uint256(delta));
                rest -= part;
                HandLanes.set(lanes, i, HandLanes.make(
                    HandLanes.seatOf(HandLanes.get(lanes, i)), HandLanes.rakeOf(HandLanes.get(lanes, i)), delta - int256(part)
                ));
            }
        }
    }

    function _payLate(Item calldata item, Table storage t, bytes memory lanes, uint256 gone) private {
        for (uint256 i = 0; i < HandLanes.count(lanes); i++) {
            uint256 seat = HandLanes.seatOf(HandLanes.get(lanes, i));
            int256 delta = HandLanes.deltaOf(HandLanes.get(lanes, i));
            if (gone & (1 << seat) == 0 || delta <= 0) continue;
            address player = t.owners[seat].player;
            _accounts[player].free += uint64(int64(delta));
            HandLanes.set(lanes, i, HandLanes.make(seat, HandLanes.rakeOf(HandLanes.get(lanes, i)), 0));
            emit LateWinnings(item.tableId, player, item.firstSeq, item.lastSeq, uint64(int64(delta)));
        }
    }
}
