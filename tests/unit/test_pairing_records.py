"""Values of pairs and unpaired put together from bodies are those of the codec."""

from typing import Any

import pytest

from dualgate.processors.pairing.records import LATE, NO_ANSWER, NO_CHALLENGER, NO_INCUMBENT, Writer
from dualgate.schemas.codec import HEADER_SIZE
from dualgate.schemas.records import Pair, Query, Response, Unpaired
from support.traffic import CHALLENGER, CODEC, INCUMBENT, RERUN, answer, query

WRITER = Writer(CODEC.header(Pair), CODEC.header(Unpaired))
SENT = [query("q", 5, note="?"), *(answer(role, "q", 6, note=f"a{role}") for role in (INCUMBENT, CHALLENGER, RERUN))]
BODIES = [(sent.value or b"")[HEADER_SIZE:] for sent in SENT]
RECORDS: list[Any] = [
    CODEC.decode(cls, sent.value) for cls, sent in zip((Query, Response, Response, Response), SENT, strict=True)
]


@pytest.mark.parametrize("with_rerun", [False, True])
def test_a_pair_is_the_concatenation_of_its_fields(with_rerun: bool) -> None:
    """The codec writes the same bytes as the concatenation."""
    query_, incumbent, challenger, rerun = RECORDS
    pair = Pair(query=query_, incumbent=incumbent, challenger=challenger, rerun=rerun if with_rerun else None)
    assert WRITER.pair(BODIES[0], BODIES[1], BODIES[2], BODIES[3] if with_rerun else None) == CODEC.encode(pair)


@pytest.mark.parametrize(
    ("reason", "silent"), [(NO_ANSWER, None), (NO_CHALLENGER, "challenger"), (NO_INCUMBENT, "incumbent"), (LATE, None)]
)
@pytest.mark.parametrize("given", range(16))
def test_unpaired_is_what_the_codec_writes(reason: tuple[str, bytes], silent: str | None, given: int) -> None:
    """For every reason and every choice of bodies."""
    chosen = [given >> role & 1 == 1 for role in range(4)]
    fields = [record if there else None for record, there in zip(RECORDS, chosen, strict=True)]
    names = dict(zip(("query", "incumbent", "challenger", "rerun"), fields, strict=True))
    expected = Unpaired(migration_id="m", query_id="é" * 100, reason=reason[0], silent_arm=silent, **names)  # type: ignore[arg-type]
    bodies = [body if there else None for body, there in zip(BODIES, chosen, strict=True)]
    assert WRITER.unpaired(f"m/{'é' * 100}".encode(), reason[1], bodies) == CODEC.encode(expected)
