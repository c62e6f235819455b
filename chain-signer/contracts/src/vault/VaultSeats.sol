// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Item, Kind, SeatView, Seating, TableConfig, TableView} from "../interfaces/IPurrVault.sol";
import {Header, Headers} from "../lib/Headers.sol";
import {SeatLanes} from "../lib/Lanes.sol";
import {VaultFunds} from "./VaultFunds.sol";

/// Tables and who sits at them: the only ways chips come to be at risk and back.
abstract contract VaultSeats is VaultFunds {
    using SeatLanes for uint256[5];

    bytes32 internal constant TABLE_TYPEHASH = keccak256(
        "PurrTable(uint256 chainId,address vault,bytes32 uid,uint8 seats,uint16 rakeBps,uint64 rakeCap,uint64 bigBlind)"
    );
    bytes32 internal constant SIT_PERMIT_TYPEHASH = keccak256(
        "SitPermit(bytes32 tableId,uint8 seat,address player,uint64 amount,uint64 maxTotalRake,uint64 expiry,uint64 nonce)"
    );
    bytes32 internal constant TOP_UP_PERMIT_TYPEHASH = keccak256(
        "TopUpPermit(bytes32 tableId,uint8 seat,address player,uint64 amount,uint64 maxTotalRake,uint64 expiry,uint64 nonce)"
    );
    uint256 internal constant SEATS_MAX = 10;
    uint256 internal constant RAKE_BPS_MAX = 1000;
    /// Bounds what one exit has to do.
    uint256 internal constant TABLES_PER_PLAYER_MAX = 16;

    mapping(address player => mapping(uint256 word => uint256 bits)) private _permitNonces;

    function cancelPermit(uint64 nonce) external {
        if (!_use(_permitNonces[msg.sender], nonce)) revert NonceUsed();
        emit PermitCancelled(msg.sender, nonce);
    }

    function tableIdOf(TableConfig calldata c) public view returns (bytes32) {
        return keccak256(
            abi.encode(
                TABLE_TYPEHASH, block.chainid, address(this), c.uid, c.seats, c.rakeBps, c.rakeCap, c.bigBlind
            )
        );
    }

    function tableOf(bytes32 tableId) external view returns (TableView memory) {
        Header memory h = Headers.unpack(_tables[tableId].header);
        return TableView(h.seats != 0, h.seq, h.rake, h.seats, h.rakeBps, h.rakeCap);
    }

    function seatOf(bytes32 tableId, uint8 seat) public view returns (SeatView memory view_) {
        Table storage t = _tables[tableId];
        Header memory h = Headers.unpack(t.header);
        if (seat >= h.seats) revert BadSeat();
        if (h.occupied & (1 << seat) == 0) return view_;
        SeatOwner memory owner = t.owners[seat];
        (uint256 stack, uint256 rakeLeft) = t.lanes.get(seat);
        bool exiting = h.exiting & (1 << seat) != 0;
        return SeatView(owner.player, uint64(stack), uint64(rakeLeft), exiting, owner.vacated);
    }

    function seatsOf(bytes32 tableId) external view returns (SeatView[] memory views) {
        views = new SeatView[](Headers.unpack(_tables[tableId].header).seats);
        for (uint8 seat = 0; seat < views.length; seat++) {
            views[seat] = seatOf(tableId, seat);
        }
    }

    function tablesOf(address player) external view returns (bytes32[] memory) {
        return _playerTables[player];
    }

    function permitVersion() external pure returns (uint8) {
        return 2;
    }

    function isPermitNonceUsed(address player, uint64 nonce) external view returns (bool) {
        return _isUsed(_permitNonces[player], nonce);
    }

    function _openTable(TableConfig calldata c) internal returns (bytes32 tableId) {
        bool sound = c.seats >= 2 && c.seats <= SEATS_MAX && c.rakeBps <= RAKE_BPS_MAX
            && c.rakeCap <= Headers.RAKE_CAP_MAX && c.bigBlind > 0;
        if (!sound) revert BadTableConfig();
        tableId = tableIdOf(c);
        if (_tables[tableId].header != 0) revert TableAlreadyOpen();
        Header memory h;
        (h.seats, h.rakeBps, h.rakeCap) = (c.seats, c.rakeBps, uint56(c.rakeCap));
        _tables[tableId].header = Headers.pack(h);
        emit TableOpened(tableId, c.uid, c.seats, c.rakeBps, c.rakeCap, c.bigBlind);
    }

    /// Sit and TopUp. What the player can cause never blocks the sequence: the number is used and nothing moves.
    function _seat(Item calldata item, Table storage t, Header memory h) internal {
        Seating memory s = abi.decode(item.data, (Seating));
        if (s.seat >= h.seats) revert BadSeat();
        bool taken = h.occupied & (1 << s.seat) != 0;
        if (item.kind == Kind.Sit) {
            if (taken) revert SeatTaken();
        } else {
            if (!taken) revert SeatEmpty();
            if (t.owners[s.seat].player != s.player) revert WrongPlayer();
        }
        if (s.amount == 0) revert ZeroAmount();
        _checkPermit(item, s);

        bytes4 refusal = _refusal(item, t, s);
        if (refusal != 0) {
            emit SeatingRefused(item.tableId, s.player, item.firstSeq, s.nonce, refusal);
            return;
        }
        _use(_permitNonces[s.player], s.nonce);
        _accounts[s.player].free -= s.amount;
        if (item.kind == Kind.Sit) {
            h.occupied |= uint16(1 << s.seat);
            t.owners[s.seat] = SeatOwner(s.player, 0, 0, false);
            t.lanes.set(s.seat, s.amount, s.maxTotalRake);
            _playerSeats[s.player][item.tableId] = PlayerSeat(s.seat + 1, uint8(_playerTables[s.player].length));
            _playerTables[s.player].push(item.tableId);
            emit Seated(item.tableId, s.player, item.firstSeq, s.seat, s.amount, s.maxTotalRake, s.nonce);
        } else {
            (uint256 stack, uint256 rakeLeft) = t.lanes.get(s.seat);
            rakeLeft += s.maxTotalRake;
            if (rakeLeft > type(uint64).max) rakeLeft = type(uint64).max;
            t.lanes.set(s.seat, stack + s.amount, rakeLeft);
            emit ToppedUp(item.tableId, s.player, item.firstSeq, s.seat, s.amount, s.maxTotalRake, s.nonce);
        }
    }

    function _leave(Item calldata item, Table storage t, Header memory h) internal {
        (uint8 seat, address player, uint64 stack) = abi.decode(item.data, (uint8, address, uint64));
        if (seat >= h.seats) revert BadSeat();
        if (h.occupied & (1 << seat) == 0) revert SeatEmpty();
        SeatOwner memory owner = t.owners[seat];
        if (owner.player != player) revert WrongPlayer();
        if (owner.vacated) {
            stack = 0;
        } else {
            (uint256 held,) = t.lanes.get(seat);
            if (stack != held) revert StackMismatch(uint64(held));
            _accounts[player].free += stack;
            _forgetSeat(player, item.tableId);
        }
        t.lanes.set(seat, 0, 0);
        delete t.owners[seat];
        uint16 others = ~uint16(1 << seat);
        h.occupied &= others;
        h.exiting &= others;
        emit Left(item.tableId, player, item.firstSeq, seat, stack);
    }

    /// Takes a seat's stack to its player's free balance. The seat stays theirs until its Leave entry, so that hands
    /// that were played before still find it.
    function _vacate(bytes32 tableId, Table storage t, uint8 seat, address player) internal {
        (uint256 stack, uint256 rakeLeft) = t.lanes.get(seat);
        t.lanes.set(seat, 0, rakeLeft);
        t.owners[seat].vacated = true;
        t.owners[seat].vacatedStack = uint64(stack);
        _accounts[player].free += uint64(stack);
        _forgetSeat(player, tableId);
        emit SeatVacated(tableId, player, seat, uint64(stack));
    }

    function _forgetSeat(address player, bytes32 tableId) private {
        bytes32[] storage list = _playerTables[player];
        uint8 index = _playerSeats[player][tableId].index;
        bytes32 last = list[list.length - 1];
        if (last != tableId) {
            list[index] = last;
            _playerSeats[player][last].index = index;
        }
        list.pop();
        delete _playerSeats[player][tableId];
    }

    function _checkPermit(Item calldata item, Seating memory s) private view {
        bytes32 kind = item.kind == Kind.Sit ? SIT_PERMIT_TYPEHASH : TOP_UP_PERMIT_TYPEHASH;
        bytes32 digest = _hashTypedDataV4(
            keccak256(
                abi.encode(kind, item.tableId, s.seat, s.player, s.amount, s.maxTotalRake, s.expiry, s.nonce)
            )
        );
        // tryRecover refuses high-s and the zero address.
        (address signer, ECDSA.RecoverError failure,) = ECDSA.tryRecover(digest, s.v, s.r, s.s);
        if (failure != ECDSA.RecoverError.NoError || signer != s.player) revert BadSignature();
    }

    function _refusal(Item calldata item, Table storage t, Seating memory s) private view returns (bytes4) {
        if (_house.paused) return SittingPaused.selector;
        if (_isUsed(_permitNonces[s.player], s.nonce)) return NonceUsed.selector;
        if (block.timestamp > s.expiry) return PermitExpired.selector;
        Account memory account = _accounts[s.player];
        if (account.exitReadyAt != 0 || t.owners[s.seat].vacated) return ExitPending.selector;
        if (account.free < s.amount) return InsufficientBalance.selector;
        if (item.kind == Kind.TopUp) return 0;
        if (_playerSeats[s.player][item.tableId].seatPlusOne != 0) return AlreadySeated.selector;
        if (_playerTables[s.player].length >= TABLES_PER_PLAYER_MAX) return TooManyTables.selector;
        return 0;
    }
}
