"""How a keyholder speaks over HTTP: JSON documents, read and written by both sides with these models.

Bytes are ``0x`` and hex digits, counts are numbers below 2^53. What is signed or sealed travels as the very
bytes that its own format makes, so nothing is ever encoded a second time. A document with a field too many,
too few or of another shape is none.

Each verb of `Keyholder` is one POST to ``/v1/<verb>``; the journal is read by GET, a page at a time.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar, cast

from eth_utils.address import is_checksum_address
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer
from pydantic import WithJsonSchema as Schema
from pydantic.alias_generators import to_camel

from consentry.envelope.statement import SignedStatement
from consentry.keyholder import messages
from consentry.keyholder.journal import Row

Core = TypeVar("Core")

PREFIX = "/v1"
PAGE = 500
"""So many rows of a journal at most are one page."""


def _bytes(value: Any) -> Any:
    if not isinstance(value, str):
        return value if isinstance(value, bytes) else None
    found = bytes.fromhex(value[2:])
    if value[:2] != "0x" or len(value) != 2 + 2 * len(found):  # `fromhex` reads over blanks
        raise ValueError("no bytes")
    return found


def _word(value: bytes) -> bytes:
    if len(value) != 32:
        raise ValueError("not 32 bytes")
    return value


def _address(value: str) -> str:
    if not is_checksum_address(value):
        raise ValueError("no checksummed address")
    return value


def _hex(digits: str) -> Any:
    return Schema({"type": "string", "pattern": f"^0x{digits}$"})


_Plain = Annotated[bytes, BeforeValidator(_bytes), PlainSerializer(lambda v: "0x" + v.hex(), return_type=str)]
Bytes = Annotated[_Plain, _hex("([0-9a-fA-F]{2})*")]
Word = Annotated[_Plain, AfterValidator(_word), _hex("[0-9a-fA-F]{64}")]
Address = Annotated[str, AfterValidator(_address), _hex("[0-9a-fA-F]{40}")]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Verb = Annotated[str, Field(pattern="^[a-z_]{1,32}$")]


class Document(BaseModel, Generic[Core]):
    """A document, and the value of the core (``core``) whose fields it has."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
    )
    core: ClassVar[type[Any]]

    @classmethod
    def of(cls, value: object) -> Self:
        """The document of a value of the core."""
        return cls.model_validate(value, from_attributes=True)

    def value(self) -> Core:
        """The value of the core."""
        fields = {name: _core(getattr(self, name)) for name in type(self).model_fields}
        return cast("Core", self.core(**fields))


def _core(field: Any) -> Any:
    if isinstance(field, tuple):
        return tuple(_core(one) for one in field)
    return field.value() if isinstance(field, Document) else field


class SignedCall(Document[messages.Call]):
    """A caller's signed call to one keyholder; used once."""

    core = messages.Call
    caller: Address
    verb: Verb
    body: Bytes
    nonce: Word
    signature: Bytes


class Statement(Document[SignedStatement]):
    """A patient's statement on a segment, and her signature."""

    core = SignedStatement
    body: Bytes
    signature: Bytes


class Box(BaseModel):
    """The key box of a grant."""

    model_config = Document.model_config
    box: Bytes


class Part(BaseModel):
    """One keyholder's part of an envelope."""

    model_config = Document.model_config
    part: Bytes


class Stop(BaseModel):
    """A signed revocation."""

    model_config = Document.model_config
    patient: Word
    grant_id: Word
    signature: Bytes


class Acknowledgement(Document[messages.Signed]):
    """A keyholder's signed word, and where it stands in its journal."""

    core = messages.Signed
    keyholder: Annotated[int, Field(ge=1, le=255)]
    verb: Verb
    subject: Word
    block: Count
    row: Count
    row_hash: Word
    signature: Bytes


class Grants(BaseModel):
    """The grants whose key boxes the caller may fetch."""

    model_config = Document.model_config
    grants: tuple[Word, ...]


class FoundBox(Document[messages.BoxAnswer]):
    """A grant's key box with the statements of its segment."""

    core = messages.BoxAnswer
    box: Bytes
    statements: tuple[Statement, ...]
    signed: Acknowledgement


class Label(Document[messages.Listed]):
    """What a grantee gets of one record without an entry."""

    core = messages.Listed
    record_id: Word
    record_salt: Word
    version: Count
    session: Word
    contributor: Address
    session_wrap: Bytes
    label: Bytes


class Labels(BaseModel):
    """The labels that a grant shows."""

    model_config = Document.model_config
    records: tuple[Label, ...]


class Release(Document[messages.Released]):
    """An answer to an entry, sealed to its reply key, or what is handed over, sealed to who takes it."""

    core = messages.Released
    sealed: Bytes
    signed: Acknowledgement


class OwnRecord(Document[messages.OwnRecord]):
    """One of the patient's records: header and leaf, no share."""

    core = messages.OwnRecord
    header: Bytes
    open_part: Bytes
    sealed_part: Bytes


class Own(Document[messages.OwnAnswer]):
    """All that a keyholder holds of a patient, for herself."""

    core = messages.OwnAnswer
    statements: tuple[Statement, ...]
    records: tuple[OwnRecord, ...]
    boxes: tuple[Bytes, ...]


class JournalRow(Document[Row]):
    """One row of the journal; hash and signature are hex digits without ``0x``, as in a journal's file."""

    index: Count
    time: Count
    kind: str
    body: dict[str, str]
    hash: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    signature: Annotated[str, Field(pattern="^([0-9a-f]{2})*$")]

    def value(self) -> Row:
        """The row."""
        return Row.from_json(self.model_dump())


class Page(BaseModel):
    """Rows of the journal from the one that was asked for on; an empty page is the journal's end."""

    model_config = Document.model_config
    rows: tuple[JournalRow, ...]


class Excuse(BaseModel):
    """Why there is no answer: the same words whatever the reason."""

    error: str


REFUSED = Excuse(error="refused")
LATER = Excuse(error="try again later")
