// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {KeyRole} from "../interfaces/IPurrVault.sol";
import {Header, Headers} from "../lib/Headers.sol";
import {VaultKeys} from "./VaultKeys.sol";

/// Deposits, vouchers and the house's own money.
abstract contract VaultFunds is VaultKeys {
    bytes32 internal constant VOUCHER_TYPEHASH =
        keccak256("Voucher(address player,uint64 amount,uint64 nonce,uint64 deadline)");

    mapping(address player => mapping(uint256 word => uint256 bits)) private _voucherNonces;

    function deposit(uint64 amount) external {
        _deposit(msg.sender, amount);
    }

    function depositFor(address player, uint64 amount) external {
        _deposit(player, amount);
    }

    function withdraw(address player, uint64 amount, uint64 nonce, uint64 deadline, bytes calldata signature)
        external
        nonReentrant
    {
        if (amount == 0) revert ZeroAmount();
        if (block.timestamp > deadline) revert VoucherExpired();
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(VOUCHER_TYPEHASH, player, amount, nonce, deadline)));
        (address signer, ECDSA.RecoverError failure,) = ECDSA.tryRecover(digest, signature);
        if (failure != ECDSA.RecoverError.NoError || !isActive(signer, KeyRole.Voucher)) revert BadSignature();
        if (!_use(_voucherNonces[player], nonce)) revert NonceUsed();
        uint64 free = _accounts[player].free;
        if (amount > free) revert InsufficientBalance();
        _spendOutflow(amount);
        _accounts[player].free = free - amount;
        emit Withdrawn(player, amount, nonce);
        _push(player, amount);
    }

    function fundReserve(uint64 amount) external nonReentrant {
        _pull(msg.sender, amount);
        _house.reserve += amount;
        emit ReserveFunded(msg.sender, amount);
    }

    /// The table's rake, from then on, backs shortfalls and may be paid out.
    function sweepRake(bytes32 tableId) external {
        Header memory h = Headers.unpack(_tables[tableId].header);
        uint64 amount = h.rake;
        if (amount == 0) revert ZeroAmount();
        h.rake = 0;
        _tables[tableId].header = Headers.pack(h);
        _house.reserve += amount;
        emit RakeSwept(tableId, amount);
    }

    function payHouse(address to, uint64 amount) external nonReentrant returns (bool executed) {
        if (to == address(0)) revert ZeroAddress();
        if (amount == 0) revert ZeroAmount();
        if (!_seconded()) return false;
        if (amount > _house.reserve) revert InsufficientReserve();
        _house.reserve -= amount;
        emit HousePaid(to, amount);
        _push(to, amount);
        return true;
    }

    function outflowLeft() public view returns (uint64) {
        bool current = _house.outflowPeriodIndex == block.timestamp / OUTFLOW_PERIOD;
        return current ? OUTFLOW_LIMIT - _house.outflowSpent : OUTFLOW_LIMIT;
    }

    function isVoucherNonceUsed(address player, uint64 nonce) external view returns (bool) {
        return _isUsed(_voucherNonces[player], nonce);
    }

    function _deposit(address player, uint64 amount) private nonReentrant {
        if (_house.paused) revert DepositsPaused();
        if (player == address(0)) revert ZeroAddress();
        _pull(msg.sender, amount);
        _accounts[player].free += amount;
        emit Deposited(player, msg.sender, amount);
    }

    function _spendOutflow(uint64 amount) private {
        uint64 left = outflowLeft();
        if (amount > left) revert OutflowLimitReached(left);
        _house.outflowSpent = OUTFLOW_LIMIT - left + amount;
        _house.outflowPeriodIndex = uint40(block.timestamp / OUTFLOW_PERIOD);
    }

    /// Marks a number as used; false where it was. Numbers need no order, as in Permit2.
    function _use(mapping(uint256 word => uint256 bits) storage nonces, uint64 nonce) internal returns (bool) {
        uint256 bit = 1 << (nonce & 0xff);
        uint256 word = nonces[nonce >> 8];
        if (word & bit != 0) return false;
        nonces[nonce >> 8] = word | bit;
        return true;
    }

    function _isUsed(mapping(uint256 word => uint256 bits) storage nonces, uint64 nonce) internal view returns (bool) {
        return nonces[nonce >> 8] & (1 << (nonce & 0xff)) != 0;
    }
}
