// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "../../contracts/interfaces/IERC1271.sol";

/// @title The cheat codes that the proofs use
interface Vm {
    function assume(bool condition) external pure;
    function prank(address sender) external;
    function warp(uint256 timestamp) external;
    function store(address account, bytes32 slot, bytes32 word) external;
}

/// @title Symbols: values of which nothing is known
interface Svm {
    function createUint(uint256 bits, string memory name) external view returns (uint256);
    function createBytes(uint256 size, string memory name) external view returns (bytes memory);
    function createBytes32(string memory name) external view returns (bytes32);
    function createCalldata(string memory contractName) external view returns (bytes memory);
    function enableSymbolicStorage(address account) external;
}

Vm constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
Svm constant SVM = Svm(address(uint160(uint256(keccak256("svm cheat code")))));

/// @dev As `a && b`, without the jump: each jump doubles the paths that a proof follows.
function both(bool a, bool b) pure returns (bool yes) {
    assembly {
        yes := and(a, b)
    }
}

/// @dev As `a || b`, without the jump.
function either(bool a, bool b) pure returns (bool yes) {
    assembly {
        yes := or(a, b)
    }
}

/// @title A contract of which nothing is known
/// @notice Whatever it is asked, it answers with any two words: it stands for every registry.
contract Anybody {
    fallback(bytes calldata) external returns (bytes memory) {
        return abi.encode(SVM.createBytes32("answer"), SVM.createBytes32("answer"));
    }
}

/// @title A wallet (ERC-1271) and a verifier (ERC-7913) of which nothing is known
/// @notice Asked about the digest that is expected it answers with any one word, with zero about every other.
contract Wallet {
    bytes32 public answer;
    bytes32 private _expected;

    function expect(bytes32 digest) external {
        _expected = digest;
    }

    fallback(bytes calldata question) external returns (bytes memory) {
        bool wallet = bytes4(question) == IERC1271.isValidSignature.selector;
        bytes32 asked = bytes32(wallet ? question[4:36] : question[36:68]);
        return abi.encode(asked == _expected ? answer : bytes32(0));
    }
}
