// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IPurrVault, Limits} from "../interfaces/IPurrVault.sol";

/// What the vault keeps, and the only functions that move the token.
abstract contract VaultState is IPurrVault, EIP712, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    struct Account {
        uint64 free;
        /// Zero: no exit asked for.
        uint40 exitReadyAt;
    }

    struct SeatOwner {
        address player;
        /// What the seat would hold, had no exit emptied it: bounds its late losses and the pots it is part of.
        uint64 vacatedStack;
        uint16 exitBudget;
        bool vacated;
    }

    struct Table {
        /// See Headers.
        uint256 header;
        /// See SeatLanes.
        uint256[5] lanes;
        SeatOwner[10] owners;
    }

    struct PlayerSeat {
        uint8 seatPlusOne;
        /// Its place in the player's list.
        uint8 index;
    }

    struct House {
        uint64 totalHeld;
        uint64 reserve;
        /// See _refilled.
        uint64 outflowSpent;
        uint40 outflowAt;
        bool paused;
    }

    /// A player's vouchers, to be read through _refilled.
    struct Flow {
        /// Of the player's share of the outflow limit.
        uint64 spent;
        /// What the player brought lately and may take away again without using up anybody's limit.
        uint64 brought;
        uint40 at;
    }

    /// What the reserve bore for a table, to be read through _refilled.
    struct Borne {
        uint64 spent;
        uint40 at;
    }

    /// All sums of held amounts stay below 2^63, so that no addition of 64-bit amounts can overflow.
    uint64 internal constant HELD_MAX = 0x7fffffffffffffff;
    /// With 18 decimals HELD_MAX would be nine tokens.
    uint256 private constant DECIMALS_MAX = 8;

    IERC20 public immutable token;
    uint32 internal immutable EXIT_DELAY;
    uint32 internal immutable KEY_DELAY;
    uint32 internal immutable OUTFLOW_PERIOD;
    uint64 internal immutable OUTFLOW_LIMIT;
    uint16 internal immutable MAX_RANGE;
    uint16 internal immutable EXIT_SEQUENCES;
    uint8 internal immutable SEQUENCES_PER_SECOND;
    uint32 internal immutable SEQUENCE_BURST;
    uint64 internal immutable PLAYER_OUTFLOW;
    uint64 internal immutable TABLE_RESERVE;

    House internal _house;
    mapping(address player => Account) internal _accounts;
    mapping(bytes32 tableId => Table) internal _tables;
    mapping(address player => bytes32[]) internal _playerTables;
    mapping(address player => mapping(bytes32 tableId => PlayerSeat)) internal _playerSeats;

    constructor(IERC20 token_, Limits memory l) EIP712("Purr Poker", "1") {
        if (address(token_).code.length == 0) revert ZeroAddress();
        if (IERC20Metadata(address(token_)).decimals() > DECIMALS_MAX) revert BadToken();
        // A new key may not act before everybody who distrusts it could have left.
        bool clocks = l.exitDelay >= 60 && l.exitDelay <= 30 days && l.keyDelay >= l.exitDelay && l.outflowPeriod > 0;
        // Any one range may still settle after an exit was asked for, and no limit forbids what another allows.
        bool ranges = l.maxRange > 0 && l.exitSequences >= l.maxRange && l.sequencesPerSecond > 0
            && l.sequenceBurst >= l.maxRange;
        bool shares = l.playerOutflow <= l.outflowLimit && l.tableReserve <= l.outflowLimit && l.outflowLimit <= HELD_MAX;
        if (!clocks || !ranges || !shares) revert BadLimits();
        token = token_;
        EXIT_DELAY = l.exitDelay;
        KEY_DELAY = l.keyDelay;
        OUTFLOW_PERIOD = l.outflowPeriod;
        OUTFLOW_LIMIT = l.outflowLimit;
        MAX_RANGE = l.maxRange;
        EXIT_SEQUENCES = l.exitSequences;
        SEQUENCES_PER_SECOND = l.sequencesPerSecond;
        SEQUENCE_BURST = l.sequenceBurst;
        PLAYER_OUTFLOW = l.playerOutflow;
        TABLE_RESERVE = l.tableReserve;
    }

    function limits() external view returns (Limits memory) {
        return Limits({
            exitDelay: EXIT_DELAY,
            keyDelay: KEY_DELAY,
            outflowPeriod: OUTFLOW_PERIOD,
            outflowLimit: OUTFLOW_LIMIT,
            maxRange: MAX_RANGE,
            exitSequences: EXIT_SEQUENCES,
            sequencesPerSecond: SEQUENCES_PER_SECOND,
            sequenceBurst: SEQUENCE_BURST,
            playerOutflow: PLAYER_OUTFLOW,
            tableReserve: TABLE_RESERVE
        });
    }

    function totalHeld() external view returns (uint64) {
        return _house.totalHeld;
    }

    function reserve() external view returns (uint64) {
        return _house.reserve;
    }

    function paused() external view returns (bool) {
        return _house.paused;
    }

    function balanceOf(address player) external view returns (uint64) {
        return _accounts[player].free;
    }

    /// What is still spent of a limit that refills evenly over OUTFLOW_PERIOD.
    function _refilled(uint256 spent, uint256 at, uint256 limit) internal view returns (uint256) {
        // All factors are below 2^64.
        unchecked {
            uint256 back = (block.timestamp - at) * limit / OUTFLOW_PERIOD;
            return spent > back ? spent - back : 0;
        }
    }

    function _pull(address from, uint64 amount) internal {
        if (amount == 0) revert ZeroAmount();
        if (amount > HELD_MAX - _house.totalHeld) revert TooMuchHeld();
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(from, address(this), amount);
        // A token that takes a fee would leave the vault short.
        if (token.balanceOf(address(this)) - before != amount) revert TokenTookFee();
        _house.totalHeld += amount;
    }

    function _push(address to, uint64 amount) internal {
        // Some tokens refuse to move nothing.
        if (amount == 0) return;
        _house.totalHeld -= amount;
        token.safeTransfer(to, amount);
    }
}
