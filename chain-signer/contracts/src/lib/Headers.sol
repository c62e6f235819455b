// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// A table's header, unpacked. `exiting` and `occupied` have one bit a seat.
struct Header {
    uint40 seq;
    uint64 rake;
    /// When the table's budget of sequence numbers is whole again, in 1/sequencesPerSecond seconds.
    uint40 budgetAt;
    /// Seats whose player asked to exit, and seats that an exit emptied.
    uint16 exiting;
    uint16 occupied;
    uint8 seats;
    uint16 rakeBps;
    uint56 rakeCap;
}

/// Everything a hand needs of its table in exactly one storage slot, packed by hand because the compiler
/// writes a struct member by member.
library Headers {
    uint256 internal constant SEQ_MAX = type(uint40).max;
    uint256 internal constant RAKE_CAP_MAX = type(uint56).max;

    function unpack(uint256 word) internal pure returns (Header memory h) {
        h.seq = uint40(word);
        h.rake = uint64(word >> 40);
        h.budgetAt = uint40(word >> 104);
        h.exiting = uint16(word >> 144);
        h.occupied = uint16(word >> 160);
        h.seats = uint8(word >> 176);
        h.rakeBps = uint16(word >> 184);
        h.rakeCap = uint56(word >> 200);
    }

    function pack(Header memory h) internal pure returns (uint256) {
        return uint256(h.seq) | (uint256(h.rake) << 40) | (uint256(h.budgetAt) << 104) | (uint256(h.exiting) << 144)
            | (uint256(h.occupied) << 160) | (uint256(h.seats) << 176) | (uint256(h.rakeBps) << 184)
            | (uint256(h.rakeCap) << 200);
    }

    // Single fields of the word, for hands, which need neither all of them nor a copy in memory.

    function seq(uint256 word) internal pure returns (uint256) {
        return uint40(word);
    }

    function exiting(uint256 word) internal pure returns (uint256) {
        return uint16(word >> 144);
    }

    function occupied(uint256 word) internal pure returns (uint256) {
        return uint16(word >> 160);
    }

    function seats(uint256 word) internal pure returns (uint256) {
        return uint8(word >> 176);
    }

    function budgetAt(uint256 word) internal pure returns (uint256) {
        return uint40(word >> 104);
    }

    function rakeTerms(uint256 word) internal pure returns (uint256 bps, uint256 cap) {
        return (uint16(word >> 184), uint56(word >> 200));
    }

    /// The sum must fit 40 bits.
    function setSeq(uint256 word, uint256 value) internal pure returns (uint256) {
        return (word & ~uint256(type(uint40).max)) | value;
    }

    /// Both must fit 40 bits.
    function setSeqAndBudget(uint256 word, uint256 seq_, uint256 budget) internal pure returns (uint256) {
        uint256 fields = (uint256(type(uint40).max) << 104) | type(uint40).max;
        return (word & ~fields) | seq_ | (budget << 104);
    }

    /// All rake was somebody's stack, and what the vault holds stays below 2^63: it cannot overflow its 64 bits.
    function addRake(uint256 word, uint256 amount) internal pure returns (uint256) {
        unchecked {
            return word + (amount << 40);
        }
    }
}
