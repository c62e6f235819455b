// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {KeyRole, Roles} from "../interfaces/IPurrVault.sol";
import {VaultState} from "./VaultState.sol";

/// Who may act: keys that wait before they work and stop at once, a guardian who can only stop, admins in pairs.
abstract contract VaultKeys is VaultState {
    struct Key {
        KeyRole role;
        uint40 activeFrom;
        bool revoked;
    }

    struct Approval {
        address admin;
        uint40 givenAt;
    }

    /// An approval that nobody seconded in this time is void.
    uint256 internal constant APPROVAL_LIFE = 7 days;

    address public guardian;
    /// Of the next action that two admins execute.
    uint64 public actionNumber;
    mapping(address admin => bool) public isAdmin;
    mapping(address key => Key) internal _keys;
    mapping(bytes32 action => Approval) internal _approvals;
    /// Operator keys that are not revoked; zero: a free place.
    address[4] internal _operators;

    constructor(Roles memory roles) {
        _addKey(roles.operator, KeyRole.Operator, block.timestamp);
        if (roles.standby != address(0)) _addKey(roles.standby, KeyRole.Operator, block.timestamp);
        _addKey(roles.voucherKey, KeyRole.Voucher, block.timestamp);
        for (uint256 i = 0; i < roles.admins.length; i++) {
            address admin = roles.admins[i];
            if (admin == address(0) || isAdmin[admin] || _keys[admin].role != KeyRole.None) revert BadRoles();
            isAdmin[admin] = true;
            emit AdminReplaced(address(0), admin);
        }
        _setGuardian(roles.guardian);
    }

    function keyOf(address key) external view returns (KeyRole role, uint64 activeFrom, bool revoked) {
        Key memory k = _keys[key];
        return (k.role, k.activeFrom, k.revoked);
    }

    function isActive(address key, KeyRole role) public view returns (bool active) {
        Key storage k = _keys[key];
        // One read: of the role's byte, 40 bits of activeFrom and the byte that says revoked, nothing else may differ
        // from the role but the time.
        assembly ("memory-safe") {
            let word := sload(k.slot)
            let since := and(shr(8, word), 0xffffffffff)
            active := and(eq(xor(word, shl(8, since)), role), iszero(gt(since, timestamp())))
            active := and(active, iszero(iszero(role)))
        }
    }

    function revokeKey(address key) external {
        if (msg.sender != guardian) {
            if (!isAdmin[msg.sender]) revert NotGuardian();
            // A stop of settlement costs winners what was not settled yet: no admin decides that alone.
            if (_isLastOperator(key)) revert LastOperator();
        }
        _revoke(key);
    }

    function revokeLastOperator(address key, uint64 number) external returns (bool executed) {
        if (!_seconded(number)) return false;
        _revoke(key);
        return true;
    }

    function pause() external {
        if (msg.sender != guardian) revert NotGuardian();
        _house.paused = true;
        emit PausedSet(true, msg.sender);
    }

    function unpause(uint64 number) external returns (bool executed) {
        if (!_seconded(number)) return false;
        _house.paused = false;
        emit PausedSet(false, msg.sender);
        return true;
    }

    function addKey(address key, KeyRole role, uint64 number) external returns (bool executed) {
        if (isAdmin[key] || key == guardian) revert BadRoles();
        if (!_seconded(number)) return false;
        _addKey(key, role, block.timestamp + KEY_DELAY);
        return true;
    }

    function setGuardian(address guardian_, uint64 number) external returns (bool executed) {
        if (!_seconded(number)) return false;
        _setGuardian(guardian_);
        return true;
    }

    function replaceAdmin(address old, address replacement, uint64 number) external returns (bool executed) {
        if (!isAdmin[old] || isAdmin[replacement] || replacement == guardian) revert BadRoles();
        if (replacement == address(0) || _keys[replacement].role != KeyRole.None) revert BadRoles();
        if (!_seconded(number)) return false;
        isAdmin[old] = false;
        isAdmin[replacement] = true;
        emit AdminReplaced(old, replacement);
        return true;
    }

    function withdrawApproval(bytes32 action) external {
        if (_approvals[action].admin != msg.sender) revert NoApproval();
        delete _approvals[action];
        emit ApprovalWithdrawn(action, msg.sender);
    }

    /// True on the second of two admins' same call; the first is only remembered. The number is part of the call and
    /// rises with each execution, as a Safe's nonce does: no approval outlives one.
    function _seconded(uint64 number) internal returns (bool) {
        if (!isAdmin[msg.sender]) revert NotAdmin();
        if (number != actionNumber) revert WrongAction(actionNumber);
        bytes32 action = keccak256(msg.data);
        Approval memory first = _approvals[action];
        bool counts = first.admin != msg.sender && isAdmin[first.admin] && block.timestamp <= first.givenAt + APPROVAL_LIFE;
        if (counts) {
            delete _approvals[action];
            actionNumber = number + 1;
            return true;
        }
        _approvals[action] = Approval(msg.sender, uint40(block.timestamp));
        emit AdminApproved(action, msg.sender, number);
        return false;
    }

    /// A key has one role for ever: a revoked one cannot come back, and no key both settles and pays out.
    function _addKey(address key, KeyRole role, uint256 activeFrom) private {
        if (key == address(0)) revert ZeroAddress();
        if (role == KeyRole.None) revert BadRoles();
        if (_keys[key].role != KeyRole.None) revert KeyInUse();
        _keys[key] = Key(role, uint40(activeFrom), false);
        if (role == KeyRole.Operator) _replaceOperator(address(0), key);
        emit KeyAdded(key, role, uint64(activeFrom));
    }

    function _revoke(address key) private {
        Key storage k = _keys[key];
        if (k.role == KeyRole.None) revert UnknownKey();
        if (k.role == KeyRole.Operator && !k.revoked) _replaceOperator(key, address(0));
        k.revoked = true;
        emit KeyRevoked(key, k.role, msg.sender);
    }

    function _replaceOperator(address old, address replacement) private {
        for (uint256 i = 0; i < _operators.length; i++) {
            if (_operators[i] == old) {
                _operators[i] = replacement;
                return;
            }
        }
        revert TooManyKeys();
    }

    function _isLastOperator(address key) private view returns (bool) {
        if (!isActive(key, KeyRole.Operator)) return false;
        for (uint256 i = 0; i < _operators.length; i++) {
            if (_operators[i] != key && isActive(_operators[i], KeyRole.Operator)) return false;
        }
        return true;
    }

    function _setGuardian(address guardian_) private {
        if (guardian_ == address(0) || isAdmin[guardian_] || _keys[guardian_].role != KeyRole.None) revert BadRoles();
        guardian = guardian_;
        emit GuardianChanged(guardian_);
    }
}
