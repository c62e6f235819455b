// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPurrVault, Item, Kind, Seating, SeatView, TableConfig} from "../src/interfaces/IPurrVault.sol";
import {PurrVault} from "../src/PurrVault.sol";
import {VaultTest} from "./base/VaultTest.sol";

contract SeatingTest is VaultTest {
    function setUp() public override {
        super.setUp();
        fund(0, 100 * USDC);
        fund(1, 100 * USDC);
    }

    function sitItem(Seating memory s) private view returns (Item memory) {
        return item(tableId, nextSeq(tableId), Kind.Sit, abi.encode(s));
    }

    function topUpItem(Seating memory s) private view returns (Item memory) {
        return item(tableId, nextSeq(tableId), Kind.TopUp, abi.encode(s));
    }

    /// The number is used, nothing else happens.
    function refuses(Item memory one, address who, uint64 nonce, bytes4 reason) private {
        SeatView[] memory seats = vault.seatsOf(tableId);
        uint64 free = vault.balanceOf(who);
        vm.expectEmit(address(vault));
        emit IPurrVault.SeatingRefused(tableId, who, one.firstSeq, nonce, reason);
        settle(one);
        eq(vault.tableOf(tableId).seq, one.firstSeq, "the table goes on");
        eq(vault.balanceOf(who), free, "no chip moved");
        check(keccak256(abi.encode(vault.seatsOf(tableId))) == keccak256(abi.encode(seats)), "no seat changed");
    }

    function test_the_tables_id_is_the_hash_of_what_never_changes() public view {
        TableConfig memory c = config("main");
        bytes32 typeHash = keccak256(
            "PurrTable(uint256 chainId,address vault,bytes32 uid,uint8 seats,uint16 rakeBps,uint64 rakeCap,uint64 bigBlind)"
        );
        bytes32 expected = keccak256(
            abi.encode(typeHash, block.chainid, address(vault), c.uid, c.seats, c.rakeBps, c.rakeCap, c.bigBlind)
        );
        check(tableId == expected, "tableId");
    }

    function test_a_table_opens_once_and_within_bounds() public {
        vm.prank(operator);
        vm.expectRevert(IPurrVault.TableAlreadyOpen.selector);
        vault.openTable(config("main"));
        TableConfig[5] memory bad;
        for (uint256 i = 0; i < 5; i++) {
            bad[i] = config("bad");
        }
        bad[0].seats = 1;
        bad[1].seats = 11;
        bad[2].rakeBps = 1001;
        bad[3].rakeCap = 1 << 56;
        bad[4].bigBlind = 0;
        for (uint256 i = 0; i < 5; i++) {
            vm.prank(operator);
            vm.expectRevert(IPurrVault.BadTableConfig.selector);
            vault.openTable(bad[i]);
        }
    }

    function test_a_permit_seats_its_player() public {
        vm.expectEmit(address(vault));
        emit IPurrVault.Seated(tableId, player(0), 1, 4, 60 * USDC, 5 * USDC, 42);
        settle(sitItem(permit(tableId, 0, 4, 60 * USDC, 5 * USDC, 42)));
        SeatView memory seat = vault.seatOf(tableId, 4);
        eq(seat.player, player(0), "player");
        eq(seat.stack, 60 * USDC, "stack");
        eq(seat.rakeLeft, 5 * USDC, "rake left");
        eq(vault.balanceOf(player(0)), 40 * USDC, "free");
        check(vault.tablesOf(player(0))[0] == tableId, "listed");
        check(vault.isPermitNonceUsed(player(0), 42), "number used");
        assertConserved();
    }

    function test_a_permit_binds_every_value_it_signs() public {
        Seating memory good = permit(tableId, 0, 4, 60 * USDC, 5 * USDC, 42);
        for (uint256 i = 0; i < 6; i++) {
            Seating memory bad = abi.decode(abi.encode(good), (Seating));
            if (i == 0) bad.amount += 1;
            if (i == 1) bad.maxTotalRake += 1;
            if (i == 2) bad.expiry += 1;
            if (i == 3) bad.nonce += 1;
            if (i == 4) bad.player = player(1);
            if (i == 5) bad.seat = 3;
            rejects(sitItem(bad), IPurrVault.BadSignature.selector);
        }
        Seating memory other = permit(keccak256("other table"), 0, 4, 60 * USDC, 5 * USDC, 42);
        rejects(sitItem(other), IPurrVault.BadSignature.selector);
        vm.chainId(424242);
        other = permit(tableId, 0, 4, 60 * USDC, 5 * USDC, 42);
        vm.chainId(31337);
        rejects(sitItem(other), IPurrVault.BadSignature.selector);
        PurrVault mine = vault;
        vault = newVault();
        other = permit(tableId, 0, 4, 60 * USDC, 5 * USDC, 42);
        vault = mine;
        rejects(sitItem(other), IPurrVault.BadSignature.selector);
        settle(sitItem(good));
        eq(stackOf(4), 60 * USDC, "the good one still counts");
    }

    function test_a_permit_to_sit_tops_up_nothing_and_the_other_way_round() public {
        rejects(sitItem(refill(tableId, 0, 4, 60 * USDC, 5 * USDC, 42)), IPurrVault.BadSignature.selector);
        settle(sitItem(permit(tableId, 0, 4, 60 * USDC, 5 * USDC, 42)));
        rejects(topUpItem(permit(tableId, 0, 4, 10 * USDC, 5 * USDC, 43)), IPurrVault.BadSignature.selector);
        settle(topUpItem(refill(tableId, 0, 4, 10 * USDC, 5 * USDC, 43)));
        eq(stackOf(4), 70 * USDC, "topped up");
    }

    function test_the_vault_says_which_permits_it_takes() public view {
        eq(vault.permitVersion(), 2, "SitPermit and TopUpPermit");
    }

    function test_a_signature_with_high_s_is_refused() public {
        Seating memory s = permit(tableId, 0, 4, 60 * USDC, 5 * USDC, 42);
        uint256 n = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        (s.s, s.v) = (bytes32(n - uint256(s.s)), s.v == 27 ? 28 : 27);
        rejects(sitItem(s), IPurrVault.BadSignature.selector);
    }

    function test_a_permit_counts_once() public {
        Seating memory s = permit(tableId, 0, 4, 30 * USDC, 5 * USDC, 42);
        settle(sitItem(s));
        refuses(topUpItem(refill(tableId, 0, 4, 30 * USDC, 5 * USDC, 42)), player(0), 42, IPurrVault.NonceUsed.selector);
        settle(leaving(0, 4, 30 * USDC));
        refuses(sitItem(s), player(0), 42, IPurrVault.NonceUsed.selector);
    }

    function test_a_cancelled_permit_seats_nobody_and_the_table_goes_on() public {
        Seating memory s = permit(tableId, 0, 4, 30 * USDC, 5 * USDC, 42);
        vm.prank(player(0));
        vault.cancelPermit(42);
        refuses(sitItem(s), player(0), 42, IPurrVault.NonceUsed.selector);
        vm.prank(player(0));
        vm.expectRevert(IPurrVault.NonceUsed.selector);
        vault.cancelPermit(42);
    }

    function test_an_expired_permit_seats_nobody() public {
        Seating memory s = permit(tableId, 0, 4, 30 * USDC, 5 * USDC, 42);
        vm.warp(START + 601);
        refuses(sitItem(s), player(0), 42, IPurrVault.PermitExpired.selector);
    }

    function test_a_permit_for_more_than_the_free_balance_seats_nobody() public {
        Seating memory s = permit(tableId, 0, 4, 101 * USDC, 5 * USDC, 42);
        refuses(sitItem(s), player(0), 42, IPurrVault.InsufficientBalance.selector);
    }

    function test_a_player_has_one_seat_at_a_table() public {
        sit(0, 4, 10 * USDC);
        Seating memory s = permit(tableId, 0, 5, 10 * USDC, 0, 42);
        refuses(sitItem(s), player(0), 42, IPurrVault.AlreadySeated.selector);
    }

    function test_a_player_sits_at_sixteen_tables_at_most() public {
        bytes32 home = tableId;
        for (uint256 i = 0; i < 16; i++) {
            tableId = openTable(bytes32(i + 1));
            sit(0, 0, 1 * USDC);
        }
        tableId = home;
        Seating memory s = permit(tableId, 0, 5, 1 * USDC, 0, 42);
        refuses(sitItem(s), player(0), 42, IPurrVault.TooManyTables.selector);
    }

    function test_nobody_sits_while_the_guardian_has_paused() public {
        Seating memory s = permit(tableId, 0, 5, 1 * USDC, 0, 42);
        vm.prank(GUARDIAN);
        vault.pause();
        refuses(sitItem(s), player(0), 42, IPurrVault.SittingPaused.selector);
    }

    function test_nobody_sits_with_an_exit_pending() public {
        Seating memory s = permit(tableId, 0, 5, 1 * USDC, 0, 42);
        vm.prank(player(0));
        vault.requestExit();
        refuses(sitItem(s), player(0), 42, IPurrVault.ExitPending.selector);
    }

    function test_seats_that_are_taken_or_not_there_are_refused() public {
        sit(0, 4, 10 * USDC);
        rejects(sitItem(permit(tableId, 1, 4, 10 * USDC, 0, 42)), IPurrVault.SeatTaken.selector);
        rejects(sitItem(permit(tableId, 1, 6, 10 * USDC, 0, 42)), IPurrVault.BadSeat.selector);
        rejects(sitItem(permit(tableId, 1, 5, 0, 0, 42)), IPurrVault.ZeroAmount.selector);
        rejects(topUpItem(refill(tableId, 1, 4, 10 * USDC, 0, 42)), IPurrVault.WrongPlayer.selector);
        rejects(topUpItem(refill(tableId, 1, 5, 10 * USDC, 0, 42)), IPurrVault.SeatEmpty.selector);
        Item memory spanning = sitItem(permit(tableId, 1, 5, 10 * USDC, 0, 42));
        spanning.lastSeq += 1;
        rejects(spanning, IPurrVault.BadRange.selector);
    }

    function test_a_top_up_adds_chips_and_rake() public {
        sitWithRake(0, 4, 10 * USDC, 2 * USDC);
        settle(topUpItem(refill(tableId, 0, 4, 20 * USDC, 3 * USDC, 42)));
        eq(stackOf(4), 30 * USDC, "stack");
        eq(vault.seatOf(tableId, 4).rakeLeft, 5 * USDC, "rake left");
        settle(topUpItem(refill(tableId, 0, 4, 20 * USDC, type(uint64).max, 43)));
        eq(vault.seatOf(tableId, 4).rakeLeft, type(uint64).max, "rake left has a ceiling");
        assertConserved();
    }

    function test_leaving_credits_the_free_balance_and_sends_no_token() public {
        sit(0, 4, 10 * USDC);
        uint256 held = token.balanceOf(address(vault));
        vm.expectEmit(address(vault));
        emit IPurrVault.Left(tableId, player(0), 2, 4, 10 * USDC);
        settle(leaving(0, 4, 10 * USDC));
        eq(vault.balanceOf(player(0)), 100 * USDC, "free");
        eq(token.balanceOf(address(vault)), held, "no token moved");
        eq(vault.seatOf(tableId, 4).player, address(0), "the seat is free");
        eq(vault.tablesOf(player(0)).length, 0, "not listed");
        sit(1, 4, 10 * USDC);
        assertConserved();
    }

    function test_leaving_names_the_right_player_and_stack() public {
        sit(0, 4, 10 * USDC);
        rejects(leaving(1, 4, 10 * USDC), IPurrVault.WrongPlayer.selector);
        rejects(leaving(0, 4, 10 * USDC + 1), IPurrVault.StackMismatch.selector);
        rejects(leaving(0, 3, 10 * USDC), IPurrVault.SeatEmpty.selector);
        rejects(leaving(0, 6, 10 * USDC), IPurrVault.BadSeat.selector);
    }

    function test_leaving_one_of_several_tables_keeps_the_others_listed() public {
        bytes32 home = tableId;
        sit(0, 0, 1 * USDC);
        bytes32 second = openTable("second");
        bytes32 third = openTable("third");
        (tableId) = second;
        sit(0, 1, 2 * USDC);
        tableId = third;
        sit(0, 2, 3 * USDC);
        tableId = home;
        settle(leaving(0, 0, 1 * USDC));
        bytes32[] memory rest = vault.tablesOf(player(0));
        eq(rest.length, 2, "two left");
        check(rest[0] == third && rest[1] == second, "the last took the place of the first");
        tableId = third;
        settle(leaving(0, 2, 3 * USDC));
        tableId = second;
        settle(leaving(0, 1, 2 * USDC));
        eq(vault.tablesOf(player(0)).length, 0, "none left");
        eq(vault.balanceOf(player(0)), 100 * USDC, "all back");
    }

    function testFuzz_sitting_and_leaving_gives_back_what_was_brought(uint64 amount, uint8 seat, uint64 nonce) public {
        amount = uint64(bound(amount, 1, 100 * USDC));
        seat = uint8(bound(seat, 0, 5));
        settle(sitItem(permit(tableId, 0, seat, amount, 0, nonce)));
        eq(stackOf(seat), amount, "stack");
        settle(leaving(0, seat, amount));
        eq(vault.balanceOf(player(0)), 100 * USDC, "free");
        assertConserved();
    }
}
