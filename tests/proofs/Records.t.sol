// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RecordRegistry} from "../../contracts/RecordRegistry.sol";
import {SVM, VM} from "./Symbolic.sol";

/// @title Nobody anchors, supersedes or marks in another contributor's name, from every state and for every call
contract RecordProofs {
    RecordRegistry private _records;

    function setUp() public {
        _records = new RecordRegistry();
        SVM.enableSymbolicStorage(address(_records));
    }

    /// @notice Whatever anybody calls, in another contributor's name no record is superseded or marked as erased and no
    /// page grows; and a record is anchored only by `anchorFromBatch`, which asks for its place in a batch of that
    /// contributor.
    /// @dev Symbolic: the registry's storage, the time, caller and all arguments. Bounded: proofs of two steps, two
    /// later batches.
    /// @custom:halmos --default-array-lengths 2
    function check_only_the_contributor_writes_in_its_name(
        address caller,
        address contributor,
        bytes32 recordId,
        uint64 page
    ) public {
        VM.warp(SVM.createUint(40, "time"));
        bytes32 anchor = _records.anchorOf(contributor, recordId);
        bytes32 successor = _records.successorOf(contributor, recordId);
        bytes32 head = _records.pageHead(contributor, page);
        uint40 erasedAt = _records.erasedAt(contributor, recordId);
        bytes4 called = _anyCall(caller);
        if (caller == contributor) return;
        assert(_records.successorOf(contributor, recordId) == successor);
        assert(_records.pageHead(contributor, page) == head);
        assert(_records.erasedAt(contributor, recordId) == erasedAt);
        assert(
            _records.anchorOf(contributor, recordId) == anchor
                || called == RecordRegistry.anchorFromBatch.selector
        );
    }

    function _anyCall(address caller) private returns (bytes4 called) {
        bytes memory data = SVM.createCalldata("RecordRegistry");
        VM.prank(caller);
        (bool done,) = address(_records).call(data);
        VM.assume(done);
        return bytes4(data);
    }
}
