// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// The part of forge's cheatcodes that these tests use (forge-std is not on npm in a maintained form).
interface Vm {
    struct Gas {
        uint64 gasLimit;
        uint64 gasTotalUsed;
        uint64 gasMemoryUsed;
        int64 gasRefunded;
        uint64 gasRemaining;
    }

    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function addr(uint256 key) external pure returns (address);
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function prank(address sender) external;
    function warp(uint256 timestamp) external;
    function chainId(uint256 id) external;
    function assume(bool condition) external pure;
    function expectRevert(bytes4 selector) external;
    function expectRevert(bytes calldata data) external;
    function expectEmit(address emitter) external;
    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
    function lastCallGas() external view returns (Gas memory);
    function getCode(string calldata artifact) external view returns (bytes memory);
    function cool(address account) external;
    function etch(address account, bytes calldata code) external;
    function label(address account, string calldata name) external;
}

abstract contract Cheats {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// forge prints it with -vv.
    event log_named_uint(string key, uint256 value);

    error Differs(uint256 left, uint256 right, string what);
    error Fails(string what);

    function eq(uint256 left, uint256 right, string memory what) internal pure {
        if (left != right) revert Differs(left, right, what);
    }

    function eq(address left, address right, string memory what) internal pure {
        if (left != right) revert Differs(uint160(left), uint160(right), what);
    }

    function check(bool condition, string memory what) internal pure {
        if (!condition) revert Fails(what);
    }

    function bound(uint256 x, uint256 low, uint256 high) internal pure returns (uint256) {
        return low + x % (high - low + 1);
    }
}
