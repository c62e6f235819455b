// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// Two seats share a storage slot: of each 64 bits of stack, then 64 bits of rake left in its permits; the even
/// seat has the lower half.
library SeatLanes {
    function get(uint256[5] storage slots, uint256 seat) internal view returns (uint256 stack, uint256 rakeLeft) {
        return split(slots[seat >> 1], seat);
    }

    function set(uint256[5] storage slots, uint256 seat, uint256 stack, uint256 rakeLeft) internal {
        slots[seat >> 1] = join(slots[seat >> 1], seat, stack, rakeLeft);
    }

    function split(uint256 slot, uint256 seat) internal pure returns (uint256 stack, uint256 rakeLeft) {
        uint256 lane = slot >> ((seat & 1) << 7);
        return (uint64(lane), uint64(lane >> 64));
    }

    /// Both values must fit 64 bits.
    function join(uint256 slot, uint256 seat, uint256 stack, uint256 rakeLeft) internal pure returns (uint256) {
        uint256 shift = (seat & 1) << 7;
        return (slot & ~(uint256(type(uint128).max) << shift)) | ((stack | (rakeLeft << 64)) << shift);
    }
}

/// One seat's part of a range of hands: seat << 128 | rake paid << 64 | delta, the delta net of rake and in two's
/// complement of 64 bits. As an item's data they travel behind the record root, 17 bytes each.
library HandLanes {
    uint256 internal constant BYTES = 17;

    function seatOf(uint256 lane) internal pure returns (uint256) {
        return lane >> 128;
    }

    function rakeOf(uint256 lane) internal pure returns (uint256) {
        return uint64(lane >> 64);
    }

    function deltaOf(uint256 lane) internal pure returns (int256) {
        return int64(uint64(lane));
    }

    function make(uint256 seat, uint256 rake, int256 delta) internal pure returns (uint256) {
        return (seat << 128) | (rake << 64) | uint64(int64(delta));
    }

    /// No lanes where the data is anything else than a root and up to ten lanes.
    function decode(bytes calldata data) internal pure returns (bytes32 recordRoot, bytes memory lanes) {
        assembly ("memory-safe") {
            recordRoot := calldataload(data.offset)
            // Below 32 bytes it wraps and is too long.
            let size := sub(data.length, 32)
            if or(gt(size, 170), mod(size, 17)) { size := 0 }
            lanes := mload(0x40)
            mstore(lanes, size)
            calldatacopy(add(lanes, 32), add(data.offset, 32), size)
            // A word is read from where the last lane begins.
            mstore(0x40, add(lanes, 256))
        }
    }

    function count(bytes memory lanes) internal pure returns (uint256) {
        return lanes.length / BYTES;
    }

    function get(bytes memory lanes, uint256 i) internal pure returns (uint256 lane) {
        assembly ("memory-safe") {
            lane := shr(120, mload(add(add(lanes, 32), mul(i, 17))))
        }
    }

    function set(bytes memory lanes, uint256 i, uint256 lane) internal pure {
        assembly ("memory-safe") {
            let at := add(add(lanes, 32), mul(i, 17))
            mstore(at, or(shl(120, lane), shr(136, shl(136, mload(at)))))
        }
    }
}
