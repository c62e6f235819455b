// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {KeyRole} from "../interfaces/IPurrVault.sol";
import {Header, Headers} from "../lib/Headers.sol";
import {VaultKeys} from "./VaultKeys.sol";

/// Deposits, vouchers and the house's own money.
abstract contract VaultFunds is VaultKeys {
    using SafeERC20 for IERC20;

    bytes32 internal constant VOUCHER_TYPEHASH =
        keccak256("Voucher(address player,uint64 amount,uint64 nonce,uint64 deadline)");

    mapping(address player => mapping(uint256 word => uint256 bits)) private _voucherNonces;
    mapping(address player => Flow) private _flows;
    mapping(bytes32 tableId => Borne) private _borne;

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
        _spendFlow(player, amount);
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

    function payHouse(address to, uint64 amount, uint64 number) external nonReentrant returns (bool executed) {
        if (to == address(0)) revert ZeroAddress();
        if (amount == 0) revert ZeroAmount();
        if (!_seconded(number)) return false;
        if (amount > _house.reserve) revert InsufficientReserve();
        _house.reserve -= amount;
        emit HousePaid(to, amount);
        _push(to, amount);
        return true;
    }

    /// What was sent here without a deposit belongs to nobody.
    function sweepStray(address stray, address to, uint64 number) external nonReentrant returns (bool executed) {
        if (to == address(0)) revert ZeroAddress();
        if (!_seconded(number)) return false;
        uint256 amount = IERC20(stray).balanceOf(address(this));
        if (stray == address(token)) amount -= _house.totalHeld;
        if (amount == 0) revert ZeroAmount();
        emit StraySwept(stray, to, amount);
        IERC20(stray).safeTransfer(to, amount);
        // Another address may be a second door to the same token.
        if (token.balanceOf(address(this)) < _house.totalHeld) revert BadToken();
        return true;
    }

    function outflowLeft() public view returns (uint64) {
        return OUTFLOW_LIMIT - uint64(_refilled(_house.outflowSpent, _house.outflowAt, OUTFLOW_LIMIT));
    }

    function withdrawable(address player) external view returns (uint64) {
        uint64 free = _accounts[player].free;
        (Flow memory flow, uint64 room) = _flowOf(player);
        return uint64(_min(free, uint256(flow.brought) + room));
    }

    function isVoucherNonceUsed(address player, uint64 nonce) external view returns (bool) {
        return _isUsed(_voucherNonces[player], nonce);
    }

    function _deposit(address player, uint64 amount) private nonReentrant {
        if (_house.paused) revert DepositsPaused();
        if (player == address(0)) revert ZeroAddress();
        if (!_signs(player)) revert ContractWallet();
        _pull(msg.sender, amount);
        (Flow memory flow,) = _flowOf(player);
        flow.brought += amount;
        _flows[player] = flow;
        _accounts[player].free += amount;
        emit Deposited(player, msg.sender, amount);
    }

    /// Whether the account can sign permits: it has no code, or EIP-7702's 0xef0100 and an address.
    function _signs(address account) private view returns (bool signs) {
        assembly ("memory-safe") {
            let size := extcodesize(account)
            signs := iszero(size)
            if eq(size, 23) {
                mstore(0, 0)
                extcodecopy(account, 0, 0, 3)
                signs := eq(shr(232, mload(0)), 0xef0100)
            }
        }
    }

    /// A player's flow as of now, and what a voucher may pay beyond what the player brought.
    function _flowOf(address player) private view returns (Flow memory flow, uint64 room) {
        flow = _flows[player];
        flow.spent = uint64(_refilled(flow.spent, flow.at, PLAYER_OUTFLOW));
        flow.brought = uint64(_refilled(flow.brought, flow.at, flow.brought));
        flow.at = uint40(block.timestamp);
        room = uint64(_min(PLAYER_OUTFLOW - flow.spent, outflowLeft()));
    }

    /// Money that comes and goes uses up no limit, so nobody can block others by cycling it.
    function _spendFlow(address player, uint64 amount) private {
        (Flow memory flow, uint64 room) = _flowOf(player);
        uint64 own = uint64(_min(amount, flow.brought));
        uint64 beyond = amount - own;
        if (beyond > room) revert OutflowLimitReached(room + flow.brought);
        flow.brought -= own;
        flow.spent += beyond;
        _flows[player] = flow;
        if (beyond != 0) _spendOutflow(beyond);
    }

    function _spendOutflow(uint64 amount) private {
        _house.outflowSpent = OUTFLOW_LIMIT - outflowLeft() + amount;
        _house.outflowAt = uint40(block.timestamp);
    }

    /// An exit is paid whatever the limits say, and takes with it what the player brought.
    function _exitFlow(address player, uint64 amount) internal {
        (Flow memory flow,) = _flowOf(player);
        flow.brought -= uint64(_min(flow.brought, amount));
        _flows[player] = flow;
    }

    /// Takes from the reserve what it may bear of a table's shortfall.
    function _bearFromReserve(bytes32 tableId, uint256 missing) internal returns (uint256 part) {
        Borne memory borne = _borne[tableId];
        uint64 spent = uint64(_refilled(borne.spent, borne.at, TABLE_RESERVE));
        part = _min(_min(missing, _house.reserve), _min(TABLE_RESERVE - spent, outflowLeft()));
        if (part == 0) return 0;
        _house.reserve -= uint64(part);
        _borne[tableId] = Borne(spent + uint64(part), uint40(block.timestamp));
        _spendOutflow(uint64(part));
    }

    function _min(uint256 a, uint256 b) internal pure returns (uint256) {
        return a < b ? a : b;
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
