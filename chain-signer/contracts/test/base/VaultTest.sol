// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPurrVault, Item, Kind, Limits, Roles, Seating, SeatView, TableConfig} from "../../src/interfaces/IPurrVault.sol";
import {HandLanes} from "../../src/lib/Lanes.sol";
import {PurrVault} from "../../src/PurrVault.sol";
import {TestUSDC} from "../demo/TestUSDC.sol";
import {Cheats} from "./Cheats.sol";

/// A vault with one open table and six players with money, and short words for what is done with them.
abstract contract VaultTest is Cheats {
    uint64 internal constant USDC = 1e6;
    uint256 internal constant START = 1_800_000_000;
    uint256 internal constant OPERATOR_KEY = 0xA11CE;
    uint256 internal constant VOUCHER_KEY = 0xB0B;
    address internal constant GUARDIAN = address(0x6A);
    address internal constant ADMIN_A = address(0xA1);
    address internal constant ADMIN_B = address(0xA2);
    address internal constant ADMIN_C = address(0xA3);

    TestUSDC internal token;
    PurrVault internal vault;
    address internal operator;
    bytes32 internal tableId;
    /// Kept, because deriving an address costs far more than a call of the vault.
    address[10] private players;
    uint64 private permitsSigned;

    function setUp() public virtual {
        vm.warp(START);
        operator = vm.addr(OPERATOR_KEY);
        for (uint256 n = 0; n < players.length; n++) {
            players[n] = vm.addr(key(n));
        }
        token = new TestUSDC();
        vault = newVault();
        tableId = openTable("main");
    }

    function newVault() internal returns (PurrVault) {
        return newVault(address(token), roles(), limits());
    }

    function newVault(address token_, Roles memory roles_, Limits memory limits_) internal returns (PurrVault) {
        (PurrVault made, bytes4 failure) = tryVault(token_, roles_, limits_);
        check(failure == 0, "the vault is deployed");
        return made;
    }

    /// Out of its artifact: `new` would have the compiler optimise the vault once more for every test contract.
    function tryVault(address token_, Roles memory roles_, Limits memory limits_)
        private
        returns (PurrVault made, bytes4 failure)
    {
        bytes memory code =
            bytes.concat(vm.getCode("PurrVault.sol:PurrVault"), abi.encode(token_, roles_, limits_));
        assembly ("memory-safe") {
            made := create(0, add(code, 32), mload(code))
            if iszero(made) {
                returndatacopy(0, 0, 4)
                failure := shl(224, shr(224, mload(0)))
            }
        }
    }

    function refusesVault(address token_, Roles memory roles_, Limits memory limits_, bytes4 reason) internal {
        (PurrVault made, bytes4 failure) = tryVault(token_, roles_, limits_);
        check(address(made) == address(0) && failure == reason, "the constructor refuses it for this reason");
    }

    function roles() internal pure returns (Roles memory) {
        return Roles(vm.addr(OPERATOR_KEY), address(0), vm.addr(VOUCHER_KEY), GUARDIAN, [ADMIN_A, ADMIN_B, ADMIN_C]);
    }

    function limits() internal pure virtual returns (Limits memory) {
        return Limits({
            exitDelay: 1 hours,
            keyDelay: 1 days,
            outflowPeriod: 1 days,
            outflowLimit: 5_000 * USDC,
            maxRange: 256,
            exitSequences: 300,
            sequencesPerSecond: 4,
            sequenceBurst: 1000,
            playerOutflow: 5_000 * USDC,
            tableReserve: 5_000 * USDC
        });
    }

    function config(bytes32 uid) internal pure returns (TableConfig memory) {
        return TableConfig({uid: uid, seats: 6, rakeBps: 500, rakeCap: 3 * USDC, bigBlind: 1 * USDC});
    }

    function openTable(bytes32 uid) internal returns (bytes32) {
        vm.prank(operator);
        return vault.openTable(config(uid));
    }

    function key(uint256 n) internal pure returns (uint256) {
        return 0x1000 + n;
    }

    function player(uint256 n) internal view returns (address) {
        return players[n];
    }

    function fund(uint256 n, uint64 amount) internal {
        token.mint(player(n), amount);
        vm.prank(player(n));
        token.approve(address(vault), amount);
        vm.prank(player(n));
        vault.deposit(amount);
    }

    function hashTyped(bytes32 structHash) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Purr Poker"),
                keccak256("1"),
                block.chainid,
                address(vault)
            )
        );
        return keccak256(abi.encodePacked("\x19\x01", domain, structHash));
    }

    function permit(bytes32 table, uint256 n, uint8 seat, uint64 amount, uint64 maxRake, uint64 nonce)
        internal
        view
        returns (Seating memory s)
    {
        return permit(Kind.Sit, table, n, seat, amount, maxRake, nonce);
    }

    /// A permit to top up.
    function refill(bytes32 table, uint256 n, uint8 seat, uint64 amount, uint64 maxRake, uint64 nonce)
        internal
        view
        returns (Seating memory s)
    {
        return permit(Kind.TopUp, table, n, seat, amount, maxRake, nonce);
    }

    function permit(Kind kind, bytes32 table, uint256 n, uint8 seat, uint64 amount, uint64 maxRake, uint64 nonce)
        internal
        view
        returns (Seating memory s)
    {
        s = Seating(seat, player(n), amount, maxRake, uint64(block.timestamp + 600), nonce, 0, 0, 0);
        return signed(kind, table, n, s);
    }

    function signed(Kind kind, bytes32 table, uint256 n, Seating memory s) internal view returns (Seating memory) {
        bytes32 typeHash = keccak256(
            bytes.concat(
                kind == Kind.Sit ? bytes("Sit") : bytes("TopUp"),
                "Permit(bytes32 tableId,uint8 seat,address player,uint64 amount,uint64 maxTotalRake,uint64 expiry,uint64 nonce)"
            )
        );
        bytes32 digest = hashTyped(
            keccak256(
                abi.encode(typeHash, table, s.seat, s.player, s.amount, s.maxTotalRake, s.expiry, s.nonce)
            )
        );
        (s.v, s.r, s.s) = vm.sign(key(n), digest);
        return s;
    }

    function voucher(uint256 signerKey, uint256 n, uint64 amount, uint64 nonce, uint64 deadline)
        internal
        view
        returns (bytes memory)
    {
        bytes32 typeHash = keccak256("Voucher(address player,uint64 amount,uint64 nonce,uint64 deadline)");
        bytes32 digest = hashTyped(keccak256(abi.encode(typeHash, player(n), amount, nonce, deadline)));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(signerKey, digest);
        return abi.encodePacked(r, s, v);
    }

    function item(bytes32 table, uint64 seq, Kind kind, bytes memory data) internal pure returns (Item memory) {
        return Item(table, seq, seq, kind, data);
    }

    function nextSeq(bytes32 table) internal view returns (uint64) {
        return vault.tableOf(table).seq + 1;
    }

    function settle(Item memory one) internal {
        Item[] memory items = new Item[](1);
        items[0] = one;
        vm.prank(operator);
        vault.settleEntries(items);
    }

    /// Settles one item and expects it to be rejected for this reason, with nothing changed.
    function rejects(Item memory one, bytes4 reason) internal {
        uint64 before = vault.tableOf(one.tableId).seq;
        bytes32 state = stateOf(one.tableId);
        vm.expectEmit(address(vault));
        emit IPurrVault.ItemRejected(one.tableId, one.firstSeq, reason);
        settle(one);
        eq(vault.tableOf(one.tableId).seq, before, "a rejected item moves no sequence");
        check(stateOf(one.tableId) == state, "a rejected item changes nothing");
    }

    /// Everything a bad item could change.
    function stateOf(bytes32 table) internal view returns (bytes32) {
        uint64[10] memory free;
        for (uint256 n = 0; n < 10; n++) {
            free[n] = vault.balanceOf(player(n));
        }
        return keccak256(
            abi.encode(
                vault.tableOf(table), vault.seatsOf(table), free, vault.reserve(), vault.totalHeld(), vault.outflowLeft()
            )
        );
    }

    function sit(uint256 n, uint8 seat, uint64 amount) internal {
        sitWithRake(n, seat, amount, 100 * USDC);
    }

    function sitWithRake(uint256 n, uint8 seat, uint64 amount, uint64 maxRake) internal {
        uint64 nonce = ++permitsSigned << 32;
        settle(item(tableId, nextSeq(tableId), Kind.Sit, abi.encode(permit(tableId, n, seat, amount, maxRake, nonce))));
    }

    /// Players 0 to 5 at seats 0 to 5, each with this stack and as much again in the free balance.
    function sitSix(uint64 stack) internal {
        for (uint8 n = 0; n < 6; n++) {
            fund(n, 2 * stack);
            sit(n, n, stack);
        }
    }

    function hands(uint64 count, uint256[] memory lanes) internal view returns (Item memory) {
        uint64 first = nextSeq(tableId);
        return Item(tableId, first, first + count - 1, Kind.Hands, packed(keccak256("root"), lanes));
    }

    function packed(bytes32 root, uint256[] memory lanes) internal pure returns (bytes memory data) {
        data = bytes.concat(root);
        for (uint256 i = 0; i < lanes.length; i++) {
            data = bytes.concat(data, bytes17(uint136(lanes[i])));
        }
    }

    function two(uint256 a, uint256 b) internal pure returns (uint256[] memory lanes) {
        lanes = new uint256[](2);
        (lanes[0], lanes[1]) = (a, b);
    }

    function three(uint256 a, uint256 b, uint256 c) internal pure returns (uint256[] memory lanes) {
        lanes = new uint256[](3);
        (lanes[0], lanes[1], lanes[2]) = (a, b, c);
    }

    function lane(uint256 seat, int256 delta, uint256 rake) internal pure returns (uint256) {
        return HandLanes.make(seat, rake, delta);
    }

    function leaving(uint256 n, uint8 seat, uint64 stack) internal view returns (Item memory) {
        return item(tableId, nextSeq(tableId), Kind.Leave, abi.encode(seat, player(n), stack));
    }

    function stackOf(uint8 seat) internal view returns (uint64) {
        return vault.seatOf(tableId, seat).stack;
    }

    /// Every token is somebody's: invariant 1 of the design, on chain.
    function assertConserved() internal view {
        uint256 sum = vault.reserve() + vault.tableOf(tableId).rake;
        SeatView[] memory seats = vault.seatsOf(tableId);
        for (uint256 i = 0; i < seats.length; i++) {
            sum += seats[i].stack;
        }
        for (uint256 n = 0; n < 10; n++) {
            sum += vault.balanceOf(player(n));
        }
        eq(sum, vault.totalHeld(), "parts add up to what is held");
        eq(token.balanceOf(address(vault)), vault.totalHeld(), "the vault has what it owes");
    }
}
