// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Item, Kind, KeyRole, Limits, Seating, SeatView} from "../../src/interfaces/IPurrVault.sol";
import {VaultTest} from "../base/VaultTest.sol";

/// Everything that players, the operator, admins and passers-by may do, in any order, over two tables. Keeps beside
/// the vault what each player brought and signed for.
contract Handler is VaultTest {
    uint256 public constant PLAYERS = 8;
    uint256 private constant STOLEN_KEY = 0x57013;

    bytes32[2] private ids;
    uint64[2] private highest;
    mapping(uint256 n => uint256) public brought;
    mapping(uint256 n => uint256) public signedFor;
    /// What the player was sent, and what late losses and the clock could not touch.
    mapping(uint256 n => uint256) public paid;
    uint64 private nonce;
    uint256 private time = START;

    /// Time moves, or the limit of sequences would end the run.
    modifier timed() {
        _;
        time += 20;
        vm.warp(time);
    }

    constructor() {
        setUp();
        ids = [tableId, openTable("second")];
        vm.prank(ADMIN_A);
        vault.addKey(vm.addr(STOLEN_KEY), KeyRole.Operator);
        vm.prank(ADMIN_B);
        vault.addKey(vm.addr(STOLEN_KEY), KeyRole.Operator);
        time += 1 days;
        vm.warp(time);
        vm.prank(GUARDIAN);
        vault.revokeKey(vm.addr(STOLEN_KEY));
    }

    function limits() internal pure override returns (Limits memory l) {
        l = super.limits();
        l.exitDelay = 5 minutes;
        l.outflowLimit = 1e15;
    }

    function deposit(uint256 n, uint64 amount) external timed {
        n = n % PLAYERS;
        amount = uint64(bound(amount, 1, 500 * USDC));
        fund(n, amount);
        brought[n] += amount;
    }

    function withdraw(uint256 n, uint64 amount) external timed {
        n = n % PLAYERS;
        uint64 free = vault.balanceOf(player(n));
        if (free == 0) return;
        amount = uint64(bound(amount, 1, free));
        uint64 deadline = uint64(block.timestamp);
        vault.withdraw(player(n), amount, ++nonce, deadline, voucher(VOUCHER_KEY, n, amount, nonce, deadline));
        paid[n] += amount;
    }

    /// Also permits that are worth nothing: no money behind them, cancelled, an exit pending, seated already.
    function sit(uint256 n, uint8 seat, uint64 amount, uint8 table, uint8 spoil) external timed {
        _seat(Kind.Sit, n % PLAYERS, seat % 6, amount, table, spoil);
    }

    function topUp(uint8 seat, uint64 amount, uint8 table, uint8 spoil) external timed {
        seat = seat % 6;
        for (uint256 n = 0; n < PLAYERS; n++) {
            if (vault.seatOf(_table(table), seat).player == player(n)) {
                _seat(Kind.TopUp, n, seat, amount, table, spoil);
                return;
            }
        }
    }

    /// A hand between two seats. Where it is not allowed (too much lost, too much raked) it must change nothing,
    /// which the invariants see.
    function hand(uint8 table, uint8 a, uint8 b, uint64 lost, uint64 rake, uint8 length) external timed {
        (a, b) = (a % 6, b % 6);
        if (a == b) return;
        SeatView memory loser = vault.seatOf(_table(table), a);
        lost = uint64(bound(lost, 0, loser.vacated ? 50 * USDC : loser.stack + loser.stack / 8));
        rake = uint64(bound(rake, 0, lost < 4 * USDC ? lost : 4 * USDC));
        uint256 down = lane(a, -int256(uint256(lost)), 0);
        uint256 up = lane(b, int256(uint256(lost - rake)), rake);
        tableId = _table(table);
        _settleWithRubbish(hands(uint64(length % 8 + 1), a < b ? two(down, up) : two(up, down)));
    }

    function leaveSeat(uint8 table, uint8 seat) external timed {
        seat = seat % 6;
        tableId = _table(table);
        SeatView memory view_ = vault.seatOf(tableId, seat);
        if (view_.player == address(0)) return;
        settle(item(tableId, nextSeq(tableId), Kind.Leave, abi.encode(seat, view_.player, view_.stack)));
        check(vault.seatOf(tableId, seat).player == address(0), "a leave frees the seat");
        _sequences();
    }

    function exit(uint256 n, bool cancel) external timed {
        address who = player(n % PLAYERS);
        uint64 readyAt = vault.exitReadyAt(who);
        if (readyAt == 0) {
            vm.prank(who);
            vault.requestExit();
        } else if (block.timestamp >= readyAt) {
            finalise(n % PLAYERS);
        } else if (cancel) {
            vm.prank(who);
            vault.cancelExit();
        }
    }

    /// Pays all that is the player's, whatever the operator did before.
    function finalise(uint256 n) public {
        address who = player(n);
        uint256 due = vault.balanceOf(who);
        for (uint8 table = 0; table < 2; table++) {
            SeatView[] memory seats = vault.seatsOf(ids[table]);
            for (uint256 i = 0; i < seats.length; i++) {
                if (seats[i].player == who) due += seats[i].stack;
            }
        }
        uint256 before = token.balanceOf(who);
        vault.finaliseExit(who);
        eq(token.balanceOf(who) - before, due, "an exit pays everything");
        paid[n] += due;
    }

    function house(uint64 amount, uint8 table) external timed {
        amount = uint64(bound(amount, 1, 20 * USDC));
        token.mint(address(this), amount);
        token.approve(address(vault), amount);
        vault.fundReserve(amount);
        if (vault.tableOf(_table(table)).rake != 0) vault.sweepRake(_table(table));
        uint64 all = vault.reserve();
        vm.prank(ADMIN_A);
        vault.payHouse(address(0xCAFE), all);
        if (amount % 2 == 0) return;
        vm.prank(ADMIN_B);
        vault.payHouse(address(0xCAFE), all);
    }

    function voidNext(uint8 table, uint8 length) external timed {
        uint64 first = nextSeq(_table(table));
        vm.prank(ADMIN_A);
        vault.voidRange(_table(table), first, first + length % 8);
        vm.prank(ADMIN_C);
        vault.voidRange(_table(table), first, first + length % 8);
        _sequences();
    }

    function stolenKey(uint8 table) external timed {
        tableId = _table(table);
        Item[] memory items = new Item[](1);
        items[0] = hands(1, two(lane(0, 0, 0), lane(1, 0, 0)));
        vm.prank(vm.addr(STOLEN_KEY));
        try vault.settleEntries(items) {
            revert Fails("a revoked key settled");
        } catch {}
    }

    function later(uint16 seconds_) external timed {
        time += seconds_ % 400;
    }

    /// For the end of a run: everybody goes, whatever state their exit is in.
    function everybodyExits() external {
        for (uint256 n = 0; n < PLAYERS; n++) {
            if (vault.exitReadyAt(player(n)) == 0) {
                vm.prank(player(n));
                vault.requestExit();
            }
        }
        time += 5 minutes;
        vm.warp(time);
        for (uint256 n = 0; n < PLAYERS; n++) {
            finalise(n);
        }
    }

    function held() external view returns (uint256 tokens, uint256 total, uint256 parts) {
        parts = vault.reserve();
        for (uint256 table = 0; table < 2; table++) {
            parts += vault.tableOf(ids[table]).rake;
            SeatView[] memory seats = vault.seatsOf(ids[table]);
            for (uint256 i = 0; i < seats.length; i++) {
                parts += seats[i].stack;
            }
        }
        for (uint256 n = 0; n < PLAYERS; n++) {
            parts += vault.balanceOf(player(n));
        }
        return (token.balanceOf(address(vault)), vault.totalHeld(), parts);
    }

    function freeOf(uint256 n) external view returns (uint256) {
        return vault.balanceOf(player(n));
    }

    function houseHolds() external view returns (uint256) {
        return vault.reserve() + vault.tableOf(ids[0]).rake + vault.tableOf(ids[1]).rake;
    }

    function vaultTokens() external view returns (uint256) {
        return token.balanceOf(address(vault));
    }

    function _seat(Kind kind, uint256 n, uint8 seat, uint64 amount, uint8 table, uint8 spoil) private {
        tableId = _table(table);
        uint64 free = vault.balanceOf(player(n));
        amount = uint64(bound(amount, 1, spoil % 8 == 0 ? free + 100 : free / 2 + 1));
        Seating memory s = permit(tableId, n, seat, amount, amount / 10, ++nonce);
        if (spoil % 8 == 1) {
            vm.prank(player(n));
            vault.cancelPermit(nonce);
        }
        if (spoil % 8 == 2) s.amount += 1;
        _settleWithRubbish(item(tableId, nextSeq(tableId), kind, abi.encode(s)));
        if (vault.isPermitNonceUsed(player(n), nonce) && spoil % 8 != 1) signedFor[n] += amount;
    }

    /// A good item must go through between two bad ones.
    function _settleWithRubbish(Item memory one) private {
        Item[] memory items = new Item[](3);
        items[0] = item(tableId, type(uint64).max, Kind.Hands, "rubbish");
        items[1] = one;
        items[2] = item("nowhere", 1, Kind.Sit, "");
        vm.prank(operator);
        vault.settleEntries(items);
        _sequences();
    }

    function _sequences() private {
        for (uint256 i = 0; i < 2; i++) {
            uint64 seq = vault.tableOf(ids[i]).seq;
            check(seq >= highest[i], "a sequence only grows");
            highest[i] = seq;
        }
    }

    function _table(uint8 n) private view returns (bytes32) {
        return ids[n % 2];
    }
}
