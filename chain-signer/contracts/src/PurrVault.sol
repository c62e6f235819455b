// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Item, Kind, KeyRole, Limits, Roles, TableConfig} from "./interfaces/IPurrVault.sol";
import {Header, Headers} from "./lib/Headers.sol";
import {VaultHands} from "./vault/VaultHands.sol";
import {VaultKeys} from "./vault/VaultKeys.sol";
import {VaultState} from "./vault/VaultState.sol";

/// The players' money. An operator key settles what was played and can at worst move what is seated: a player's loss
/// is bounded by the buy-ins they signed for, the rake by what the permits allow, and an exit by a clock that no key
/// can stop. There is no proxy and no upgrade.
contract PurrVault is VaultHands {
    bytes32 internal constant RECEIPT_TYPEHASH =
        keccak256("HandReceipt(bytes32 tableId,uint64 seq,bytes32 deltasHash,bytes32 recordHash)");
    uint256 internal constant ITEMS_MAX = 64;
    /// A call that ran out of gas leaves a 64th of what there was (EIP-150) and says nothing. Where it leaves more
    /// than this it had 64 times as much, several times what the most expensive item uses.
    uint256 internal constant GAS_LEFT_MIN = 40_000;

    constructor(IERC20 token_, Roles memory roles, Limits memory limits_)
        VaultState(token_, limits_)
        VaultKeys(roles)
    {}

    function openTable(TableConfig calldata config) external returns (bytes32 tableId) {
        if (!isActive(msg.sender, KeyRole.Operator)) revert NotOperator();
        return _openTable(config);
    }

    function settleEntries(Item[] calldata items) external {
        if (!isActive(msg.sender, KeyRole.Operator)) revert NotOperator();
        uint256 count = items.length;
        if (count > ITEMS_MAX) revert TooManyItems();
        for (uint256 i = 0; i < count; ++i) {
            Item calldata item = items[i];
            Table storage t = _tables[item.tableId];
            uint256 header = t.header;
            bytes32 reason;
            if (item.kind == Kind.Hands && Headers.exiting(header) == 0) {
                reason = _settleQuietHands(item, t, header);
                if (reason == 0) continue;
            } else {
                try this.settleItem(item) {
                    continue;
                } catch (bytes memory failure) {
                    // Data that does not decode says nothing, either; in doubt the whole batch is taken back.
                    if (failure.length == 0 && gasleft() < GAS_LEFT_MIN) revert NotEnoughGas();
                    reason = bytes4(failure);
                }
            }
            emit ItemRejected(item.tableId, item.firstSeq, bytes4(reason));
        }
    }

    /// One item, called by the vault itself, so that a bad one takes back all it did and nothing else.
    function settleItem(Item calldata item) external {
        if (msg.sender != address(this)) revert NotSelf();
        Table storage t = _tables[item.tableId];
        (uint256 header, uint256 hands) = _advance(t.header, item.firstSeq, item.lastSeq);
        if (item.kind == Kind.Hands) {
            _settleHands(item, t, header, hands);
            return;
        }
        if (hands != 1) revert BadRange();
        Header memory h = Headers.unpack(header);
        if (item.kind == Kind.Leave) _leave(item, t, h);
        else _seat(item, t, h);
        t.header = Headers.pack(h);
    }

    /// Two admins pass over numbers that can never settle: no chip moves.
    function voidRange(bytes32 tableId, uint64 firstSeq, uint64 lastSeq, uint64 number)
        external
        returns (bool executed)
    {
        uint256 header = _tables[tableId].header;
        _inOrder(header, firstSeq, lastSeq);
        if (!_seconded(number)) return false;
        _tables[tableId].header = Headers.setSeq(header, lastSeq);
        emit RangeVoided(tableId, firstSeq, lastSeq);
        return true;
    }

    /// Starts the player's own clock. The seats may finish what was dealt, and no new one can be taken.
    function requestExit() external {
        if (_accounts[msg.sender].exitReadyAt != 0) revert ExitPending();
        uint40 readyAt = uint40(block.timestamp + EXIT_DELAY);
        _accounts[msg.sender].exitReadyAt = readyAt;
        _markExiting(msg.sender, true);
        emit ExitRequested(msg.sender, readyAt);
    }

    function cancelExit() external {
        if (_accounts[msg.sender].exitReadyAt == 0) revert NoExitPending();
        _accounts[msg.sender].exitReadyAt = 0;
        _markExiting(msg.sender, false);
        emit ExitCancelled(msg.sender);
    }

    function finaliseExit(address player) external nonReentrant {
        uint256 readyAt = _accounts[player].exitReadyAt;
        if (readyAt == 0) revert NoExitPending();
        if (block.timestamp < readyAt) revert ExitNotReady(uint64(readyAt));
        bytes32[] memory tableIds = _playerTables[player];
        for (uint256 i = 0; i < tableIds.length; i++) {
            uint8 seat = _playerSeats[player][tableIds[i]].seatPlusOne - 1;
            _vacate(tableIds[i], _tables[tableIds[i]], seat, player);
        }
        uint64 amount = _accounts[player].free;
        _accounts[player] = Account(0, 0);
        _exitFlow(player, amount);
        emit ExitFinalised(player, amount);
        _push(player, amount);
    }

    function exitReadyAt(address player) external view returns (uint64) {
        return _accounts[player].exitReadyAt;
    }

    function verifyReceipt(
        bytes32 tableId,
        uint64 seq,
        bytes32 deltasHash,
        bytes32 recordHash,
        bytes calldata signature
    ) external view returns (bool valid, address signer) {
        bytes32 digest =
            _hashTypedDataV4(keccak256(abi.encode(RECEIPT_TYPEHASH, tableId, seq, deltasHash, recordHash)));
        ECDSA.RecoverError failure;
        (signer, failure,) = ECDSA.tryRecover(digest, signature);
        valid = failure == ECDSA.RecoverError.NoError && _keys[signer].role == KeyRole.Operator;
    }

    function verifyHand(
        bytes32 recordRoot,
        uint64 seq,
        bytes32 deltasHash,
        bytes32 recordHash,
        bytes32[] calldata proof
    ) external pure returns (bool) {
        // 96 bytes, so no inner node of 64 can pass for a leaf.
        return MerkleProof.verifyCalldata(proof, recordRoot, keccak256(abi.encode(uint256(seq), deltasHash, recordHash)));
    }

    function _markExiting(address player, bool exiting) private {
        bytes32[] memory tableIds = _playerTables[player];
        for (uint256 i = 0; i < tableIds.length; i++) {
            Table storage t = _tables[tableIds[i]];
            uint8 seat = _playerSeats[player][tableIds[i]].seatPlusOne - 1;
            Header memory h = Headers.unpack(t.header);
            uint16 bit = uint16(1 << seat);
            h.exiting = exiting ? h.exiting | bit : h.exiting & ~bit;
            t.header = Headers.pack(h);
            t.owners[seat].exitBudget = exiting ? EXIT_SEQUENCES : 0;
        }
    }
}
