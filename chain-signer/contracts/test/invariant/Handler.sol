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
    /// Who approved a call first, by its hash. Its number is part of it.
    mapping(bytes32 action => address admin) private approvedBy;
    bytes private lastCall;
    /// Tokens that were sent to the vault without a deposit, and not swept since.
    uint256 public strayed;
    /// What the reserve bore of each table's shortfalls.
    uint256[2] private borne;
    /// What vouchers paid, and what players brought in all.
    uint256 private vouchered;
    uint256 private broughtByAll;

    /// Time moves, or the limit of sequences would end the run.
    modifier timed() {
        _;
        time += 20;
        vm.warp(time);
    }

    constructor() {
        setUp();
        ids = [tableId, openTable("second")];
        bytes memory add = abi.encodeCall(vault.addKey, (vm.addr(STOLEN_KEY), KeyRole.Operator, 0));
        _approve(ADMIN_A, add);
        check(_approve(ADMIN_B, add), "two admins add a key");
        time += 1 days;
        vm.warp(time);
        vm.prank(GUARDIAN);
        vault.revokeKey(vm.addr(STOLEN_KEY));
    }

    function limits() internal pure override returns (Limits memory l) {
        l = super.limits();
        l.exitDelay = 5 minutes;
        (l.outflowLimit, l.playerOutflow, l.tableReserve) = (2_000 * USDC, 500 * USDC, 10 * USDC);
    }

    function deposit(uint256 n, uint64 amount) external timed {
        n = n % PLAYERS;
        amount = uint64(bound(amount, 1, 500 * USDC));
        fund(n, amount);
        brought[n] += amount;
        broughtByAll += amount;
    }

    function withdraw(uint256 n, uint64 amount) external timed {
        n = n % PLAYERS;
        uint64 most = vault.withdrawable(player(n));
        uint64 deadline = uint64(block.timestamp);
        bytes memory beyond = voucher(VOUCHER_KEY, n, most + 1, ++nonce, deadline);
        try vault.withdraw(player(n), most + 1, nonce, deadline, beyond) {
            revert Fails("paid more than it said it would");
        } catch {}
        if (most == 0) return;
        amount = uint64(bound(amount, 1, most));
        vault.withdraw(player(n), amount, ++nonce, deadline, voucher(VOUCHER_KEY, n, amount, nonce, deadline));
        paid[n] += amount;
        vouchered += amount;
        uint256 limit = 2_000 * USDC;
        check(vouchered <= broughtByAll + limit + limit * (time - START) / 1 days + 1, "vouchers stay within the limit");
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
        uint64 before = vault.reserve();
        _settleWithRubbish(hands(uint64(length % 8 + 1), a < b ? two(down, up) : two(up, down)));
        borne[table % 2] += before - vault.reserve();
        uint256 share = 10 * USDC;
        check(borne[table % 2] <= share + share * (time - START) / 1 days + 1, "the reserve bears a table's share");
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
        if (amount % 4 != 0) return;
        bytes memory call_ = abi.encodeCall(vault.payHouse, (address(0xCAFE), vault.reserve(), vault.actionNumber()));
        _approve(ADMIN_A, call_);
        _approve(ADMIN_B, call_);
    }

    /// Any admin approves anything, also what was approved under an older number or by somebody else, or takes an
    /// approval back.
    function approve(uint8 who, uint8 what, uint64 amount, uint8 age) external timed {
        address admin = [ADMIN_A, ADMIN_B, ADMIN_C][who % 3];
        if (what % 6 == 0) {
            if (lastCall.length != 0) _withdrawApproval(admin);
            return;
        }
        uint64 number = vault.actionNumber();
        if (age % 4 == 0 && number != 0) number -= 1;
        bytes memory call_;
        if (what % 6 == 1) call_ = abi.encodeCall(vault.payHouse, (address(0xCAFE), amount % 3 + 1, number));
        else if (what % 6 == 2) call_ = abi.encodeCall(vault.unpause, (number));
        else if (what % 6 == 3) call_ = abi.encodeCall(vault.setGuardian, (GUARDIAN, number));
        else if (what % 6 == 4) call_ = abi.encodeCall(vault.sweepStray, (address(token), address(0xCAFE), number));
        else call_ = lastCall;
        if (call_.length != 0) _approve(admin, call_);
    }

    /// No admin and no number of tries ends the only key that settles.
    function stopSettling(uint8 who) external timed {
        vm.prank([ADMIN_A, ADMIN_B, ADMIN_C][who % 3]);
        try vault.revokeKey(operator) {
            revert Fails("one admin stopped settlement");
        } catch {}
    }

    function stray(uint64 amount) external timed {
        amount = uint64(bound(amount, 1, 50 * USDC));
        token.mint(address(vault), amount);
        strayed += amount;
    }

    function voidNext(uint8 table, uint8 length) external timed {
        uint64 first = nextSeq(_table(table));
        bytes memory call_ =
            abi.encodeCall(vault.voidRange, (_table(table), first, first + length % 8, vault.actionNumber()));
        _approve(ADMIN_A, call_);
        if (length % 3 != 0) _approve(ADMIN_C, call_);
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
        return (token.balanceOf(address(vault)) - strayed, vault.totalHeld(), parts);
    }

    function freeOf(uint256 n) external view returns (uint256) {
        return vault.balanceOf(player(n));
    }

    function houseHolds() external view returns (uint256) {
        return vault.reserve() + vault.tableOf(ids[0]).rake + vault.tableOf(ids[1]).rake;
    }

    function vaultTokens() external view returns (uint256) {
        return token.balanceOf(address(vault)) - strayed;
    }

    /// True where it executed. The call may be refused; where it is taken, two admins make an execution, one makes none.
    function _approve(address admin, bytes memory call_) private returns (bool executed) {
        bytes32 action = keccak256(call_);
        bool isSecond = approvedBy[action] != address(0) && approvedBy[action] != admin;
        uint64 number = vault.actionNumber();
        vm.prank(admin);
        (bool taken, bytes memory answer) = address(vault).call(call_);
        if (!taken) return false;
        executed = abi.decode(answer, (bool));
        check(executed == isSecond, "an action takes two admins");
        eq(vault.actionNumber(), executed ? number + 1 : number, "each execution raises the number");
        approvedBy[action] = executed ? address(0) : admin;
        lastCall = call_;
        if (executed && bytes4(call_) == vault.sweepStray.selector) strayed = 0;
    }

    function _withdrawApproval(address admin) private {
        bytes32 action = keccak256(lastCall);
        vm.prank(admin);
        try vault.withdrawApproval(action) {
            eq(approvedBy[action], admin, "only who approved withdraws");
            approvedBy[action] = address(0);
        } catch {
            check(approvedBy[action] != admin, "who approved may withdraw");
        }
    }

    function _seat(Kind kind, uint256 n, uint8 seat, uint64 amount, uint8 table, uint8 spoil) private {
        tableId = _table(table);
        uint64 free = vault.balanceOf(player(n));
        amount = uint64(bound(amount, 1, spoil % 8 == 0 ? free + 100 : free / 2 + 1));
        Seating memory s = permit(kind, tableId, n, seat, amount, amount / 10, ++nonce);
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
