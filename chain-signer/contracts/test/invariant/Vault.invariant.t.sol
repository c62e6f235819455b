// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPurrVault} from "../../src/interfaces/IPurrVault.sol";
import {Cheats, Vm} from "../base/Cheats.sol";
import {Handler} from "./Handler.sol";

contract VaultInvariantTest is Cheats {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Handler private handler;

    function setUp() public {
        handler = new Handler();
    }

    /// forge asks which functions to call.
    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](17);
        selectors[0] = Handler.deposit.selector;
        selectors[1] = Handler.withdraw.selector;
        selectors[2] = Handler.sit.selector;
        selectors[3] = Handler.topUp.selector;
        selectors[4] = Handler.hand.selector;
        selectors[5] = Handler.leaveSeat.selector;
        selectors[6] = Handler.exit.selector;
        selectors[7] = Handler.house.selector;
        selectors[8] = Handler.voidNext.selector;
        selectors[9] = Handler.stolenKey.selector;
        selectors[10] = Handler.later.selector;
        selectors[11] = Handler.approve.selector;
        selectors[12] = Handler.stopSettling.selector;
        selectors[13] = Handler.stray.selector;
        // Listed again so that seats fill up.
        selectors[14] = Handler.sit.selector;
        selectors[15] = Handler.hand.selector;
        selectors[16] = Handler.approve.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    function targetContracts() public view returns (address[] memory contracts) {
        contracts = new address[](1);
        contracts[0] = address(handler);
    }

    /// Token balance = balances + stacks + rake + reserve; and no player is below what their permits allow. The
    /// handler itself checks after every call that sequences only grow, that a revoked key can do nothing, that bad
    /// items stop no good one, that an action takes two admins under one number, and that vouchers and the reserve stay
    /// within their limits.
    function invariant_money_is_conserved_and_losses_are_bounded_by_permits() public view {
        (uint256 tokens, uint256 total, uint256 parts) = handler.held();
        eq(tokens, total, "the vault has what it owes");
        eq(parts, total, "parts add up to what is held");
        for (uint256 n = 0; n < handler.PLAYERS(); n++) {
            uint256 safe = handler.freeOf(n) + handler.paid(n) + handler.signedFor(n);
            check(safe >= handler.brought(n), "nothing was lost beyond what permits allow");
        }
    }

    /// The invariants say nothing of states that no call reaches.
    function test_the_handler_reaches_every_kind_of_outcome() public {
        bytes32[17] memory wanted = [
            IPurrVault.Seated.selector,
            IPurrVault.ToppedUp.selector,
            IPurrVault.SeatingRefused.selector,
            IPurrVault.HandsSettled.selector,
            IPurrVault.Shortfall.selector,
            IPurrVault.LateWinnings.selector,
            IPurrVault.Left.selector,
            IPurrVault.SeatVacated.selector,
            IPurrVault.RangeVoided.selector,
            IPurrVault.ItemRejected.selector,
            IPurrVault.Withdrawn.selector,
            IPurrVault.ExitCancelled.selector,
            IPurrVault.ExitFinalised.selector,
            IPurrVault.HousePaid.selector,
            IPurrVault.AdminApproved.selector,
            IPurrVault.ApprovalWithdrawn.selector,
            IPurrVault.StraySwept.selector
        ];
        uint256 seen;
        for (uint256 run = 0; run < 40 && seen != (1 << wanted.length) - 1; run++) {
            vm.recordLogs();
            for (uint256 i = 0; i < 50; i++) {
                _call(uint256(keccak256(abi.encode(run, i))));
            }
            Vm.Log[] memory logs = vm.getRecordedLogs();
            for (uint256 i = 0; i < logs.length; i++) {
                for (uint256 k = 0; k < wanted.length; k++) {
                    if (logs[i].topics[0] == wanted[k]) seen |= 1 << k;
                }
            }
        }
        eq(seen, (1 << wanted.length) - 1, "one bit for each outcome");
    }

    function _call(uint256 r) private {
        uint64 amount = uint64(r);
        uint8 a = uint8(r >> 64);
        uint8 b = uint8(r >> 72);
        uint8 table = uint8(r >> 80);
        uint8 length = uint8(r >> 88);
        uint256 pick = (r >> 128) % 18;
        if (pick == 0) handler.deposit(a, amount);
        else if (pick == 1) handler.withdraw(a, amount);
        else if (pick < 5) handler.sit(a, b, amount, table, length);
        else if (pick == 5) handler.topUp(b, amount, table, length);
        else if (pick < 10) handler.hand(table, a, b, amount, amount >> 8, length);
        else if (pick == 10) handler.leaveSeat(table, b);
        else if (pick == 11) handler.exit(a, b % 4 == 0);
        else if (pick == 12) handler.house(amount, table);
        else if (pick == 13) handler.voidNext(table, length);
        else if (pick == 14) handler.stray(amount);
        else if (pick == 15) handler.stopSettling(a);
        else handler.approve(a, b, amount, length);
    }

    /// Whatever happened, every exit completes, and what is left is the house's.
    function afterInvariant() public {
        handler.everybodyExits();
        eq(handler.vaultTokens(), handler.houseHolds(), "only the house's money is left");
    }
}
