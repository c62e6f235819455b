// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {VaultTest} from "./base/VaultTest.sol";

contract ReceiptsTest is VaultTest {
    bytes32 private constant DELTAS = keccak256("deltas");
    bytes32 private constant RECORD = keccak256("record");

    function receipt(uint256 signerKey, uint64 seq) private view returns (bytes memory) {
        bytes32 typeHash = keccak256("HandReceipt(bytes32 tableId,uint64 seq,bytes32 deltasHash,bytes32 recordHash)");
        bytes32 digest = hashTyped(keccak256(abi.encode(typeHash, tableId, seq, DELTAS, RECORD)));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(signerKey, digest);
        return abi.encodePacked(r, s, v);
    }

    function test_a_receipt_of_an_operator_key_is_valid() public view {
        (bool valid, address signer) = vault.verifyReceipt(tableId, 9, DELTAS, RECORD, receipt(OPERATOR_KEY, 9));
        check(valid && signer == operator, "valid");
    }

    function test_a_receipt_stays_evidence_after_its_key_is_revoked() public {
        vm.prank(GUARDIAN);
        vault.revokeKey(operator);
        (bool valid,) = vault.verifyReceipt(tableId, 9, DELTAS, RECORD, receipt(OPERATOR_KEY, 9));
        check(valid, "still valid");
    }

    function test_a_receipt_of_anybody_else_or_for_another_hand_is_not() public view {
        (bool valid,) = vault.verifyReceipt(tableId, 9, DELTAS, RECORD, receipt(VOUCHER_KEY, 9));
        check(!valid, "a voucher key");
        (valid,) = vault.verifyReceipt(tableId, 8, DELTAS, RECORD, receipt(OPERATOR_KEY, 9));
        check(!valid, "another sequence");
        (valid,) = vault.verifyReceipt(tableId, 9, RECORD, DELTAS, receipt(OPERATOR_KEY, 9));
        check(!valid, "other hashes");
        (valid,) = vault.verifyReceipt(tableId, 9, DELTAS, RECORD, "short");
        check(!valid, "no signature at all");
    }

    function test_a_hand_is_proven_in_the_root_of_its_range() public view {
        bytes32[3] memory leaves;
        for (uint64 i = 0; i < 3; i++) {
            leaves[i] = keccak256(abi.encode(uint256(i + 1), DELTAS, RECORD));
        }
        // The odd last node is carried up as it is.
        bytes32 root = pair(pair(leaves[0], leaves[1]), leaves[2]);
        bytes32[] memory proof = new bytes32[](2);
        (proof[0], proof[1]) = (leaves[0], leaves[2]);
        check(vault.verifyHand(root, 2, DELTAS, RECORD, proof), "in it");
        check(!vault.verifyHand(root, 1, DELTAS, RECORD, proof), "not with another number");
        bytes32[] memory last = new bytes32[](1);
        last[0] = pair(leaves[0], leaves[1]);
        check(vault.verifyHand(root, 3, DELTAS, RECORD, last), "the carried one");
        check(vault.verifyHand(leaves[0], 1, DELTAS, RECORD, new bytes32[](0)), "a single hand is its own root");
    }

    function pair(bytes32 a, bytes32 b) private pure returns (bytes32) {
        return a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
    }
}
