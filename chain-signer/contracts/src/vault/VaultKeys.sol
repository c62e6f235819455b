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
    mapping(address admin => bool) public isAdmin;
    mapping(address key => Key) internal _keys;
    mapping(bytes32 action => Approval) internal _approvals;

    constructor(Roles memory roles) {
        if (roles.operator == roles.voucherKey || roles.guardian == address(0)) revert BadRoles();
        _addKey(roles.operator, KeyRole.Operator, block.timestamp);
        _addKey(roles.voucherKey, KeyRole.Voucher, block.timestamp);
        guardian = roles.guardian;
        emit GuardianChanged(roles.guardian);
        for (uint256 i = 0; i < roles.admins.length; i++) {
            address admin = roles.admins[i];
            if (admin == address(0) || isAdmin[admin]) revert BadRoles();
            isAdmin[admin] = true;
            emit AdminReplaced(address(0), admin);
        }
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
        if (msg.sender != guardian && !isAdmin[msg.sender]) revert NotGuardian();
        Key storage k = _keys[key];
        if (k.role == KeyRole.None) revert UnknownKey();
        k.revoked = true;
        emit KeyRevoked(key, k.role, msg.sender);
    }

    function pause() external {
        if (msg.sender != guardian) revert NotGuardian();
        _house.paused = true;
        emit PausedSet(true, msg.sender);
    }

    function unpause() external returns (bool executed) {
        if (!_seconded()) return false;
        _house.paused = false;
        emit PausedSet(false, msg.sender);
        return true;
    }

    function addKey(address key, KeyRole role) external returns (bool executed) {
        if (!_seconded()) return false;
        _addKey(key, role, block.timestamp + KEY_DELAY);
        return true;
    }

    function setGuardian(address guardian_) external returns (bool executed) {
        if (guardian_ == address(0)) revert ZeroAddress();
        if (!_seconded()) return false;
        guardian = guardian_;
        emit GuardianChanged(guardian_);
        return true;
    }

    function replaceAdmin(address old, address replacement) external returns (bool executed) {
        if (replacement == address(0) || !isAdmin[old] || isAdmin[replacement]) revert BadRoles();
        if (!_seconded()) return false;
        isAdmin[old] = false;
        isAdmin[replacement] = true;
        emit AdminReplaced(old, replacement);
        return true;
    }

    /// True on the second of two admins' same call; the first is only remembered.
    function _seconded() internal returns (bool) {
        if (!isAdmin[msg.sender]) revert NotAdmin();
        bytes32 action = keccak256(msg.data);
        Approval memory first = _approvals[action];
        bool counts = first.admin != msg.sender && isAdmin[first.admin] && block.timestamp <= first.givenAt + APPROVAL_LIFE;
        if (counts) {
            delete _approvals[action];
            return true;
        }
        _approvals[action] = Approval(msg.sender, uint40(block.timestamp));
        emit AdminApproved(action, msg.sender);
        return false;
    }

    /// A key has one role for ever: a revoked one cannot come back, and no key both settles and pays out.
    function _addKey(address key, KeyRole role, uint256 activeFrom) private {
        if (key == address(0)) revert ZeroAddress();
        if (role == KeyRole.None) revert BadRoles();
        if (_keys[key].role != KeyRole.None) revert KeyInUse();
        _keys[key] = Key(role, uint40(activeFrom), false);
        emit KeyAdded(key, role, uint64(activeFrom));
    }
}
