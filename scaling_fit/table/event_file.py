"""TensorBoard's event files without TensorBoard: scalars and hyperparameters of one file.

A file is a row of records (length, checksum, message, checksum); a message is a protocol buffer `Event`. The numbers of fields
are those of tensorflow/core/util/event.proto, summary.proto, tensor.proto and tensorboard/plugins/hparams/plugin_data.proto.
Checksums are not looked at: a record that a crash cut off ends the file.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

STEP, SUMMARY = 2, 5  # of Event
TAG, SIMPLE, TENSOR, METADATA = 1, 2, 8, 9  # of Summary.Value
KIND, CONTENT, FLOATS, DOUBLES = 1, 4, 5, 6  # of TensorProto
FORMATS = {1: "<f", 2: "<d"}  # DT_FLOAT, DT_DOUBLE
SESSION_START = 3  # of HParamsPluginData

Message = dict[int, list[bytes]]
"""Field number -> its values in order, numbers as little-endian bytes."""


@dataclass(frozen=True)
class Scalar:
    tag: str
    step: int
    value: float


def read_events(content: bytes) -> tuple[list[Scalar], dict[str, object]]:
    """All scalars in their order, as `add_scalar` of PyTorch (a number) and of TensorFlow 2 (a tensor) write them, and the
    hyperparameters of `hparams`, if there are any."""
    scalars: list[Scalar] = []
    hparams: dict[str, object] = {}
    for event in map(_message, _records(content)):
        step = _signed(event.get(STEP, [b"\0"])[0])
        for value in (_message(one) for summary in event.get(SUMMARY, []) for one in _message(summary).get(1, [])):
            tag = value.get(TAG, [b""])[0].decode("utf-8", "replace")
            if METADATA in value:
                hparams |= _hparams(value[METADATA][0])
            number = _number(value)
            if number is not None:
                scalars.append(Scalar(tag, step, number))
    return scalars, hparams


def _records(content: bytes) -> Iterator[bytes]:
    at = 0
    while at + 12 <= len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        if at + 16 + length > len(content):
            return
        yield content[at + 12 : at + 12 + length]
        at += 16 + length


def _message(data: bytes) -> Message:
    """The fields of a protocol buffer, unread. Errors: ValueError for what is none."""
    fields: Message = {}
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        wire = key & 7
        if wire == 0:
            number, at = _varint(data, at)
            value = number.to_bytes(8, "little")
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
            value, at = data[at : at + size], at + size
        elif wire == 2:
            length, at = _varint(data, at)
            value, at = data[at : at + length], at + length
        else:
            raise ValueError(f"no event file: a field of kind {wire}")
        fields.setdefault(key >> 3, []).append(value)
    return fields


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("no event file: a number without an end")
        byte, at = data[at], at + 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value & (2**64 - 1), at


def _signed(number: bytes) -> int:
    return int.from_bytes(number, "little", signed=True)


def _number(value: Message) -> float | None:
    """The number of a Summary.Value; None where it is a histogram, a text or an image."""
    if SIMPLE in value:
        return struct.unpack("<f", value[SIMPLE][0])[0]
    tensor = _message(value[TENSOR][0]) if TENSOR in value else {}
    kind = FORMATS.get(_signed(tensor.get(KIND, [b"\0"])[0]), "")
    told = [*tensor.get(CONTENT, []), *tensor.get(FLOATS, []), *tensor.get(DOUBLES, [])]
    return struct.unpack(kind, told[0])[0] if kind and len(told) == 1 and len(told[0]) == struct.calcsize(kind) else None


def _hparams(metadata: bytes) -> dict[str, object]:
    """The hyperparameters in a Summary.Value's metadata: numbers, texts and booleans by name."""
    found: dict[str, object] = {}
    for plugin in map(_message, _message(metadata).get(1, [])):
        if plugin.get(1) != [b"hparams"]:
            continue
        starts = [one for content in plugin.get(2, []) for one in _message(content).get(SESSION_START, [])]
        for entry in (_message(one) for start in starts for one in _message(start).get(1, [])):
            value = _message(entry.get(2, [b""])[0])
            if 2 in value:
                found[entry[1][0].decode()] = struct.unpack("<d", value[2][0])[0]
            elif 3 in value:
                found[entry[1][0].decode()] = value[3][0].decode()
            elif 4 in value:
                found[entry[1][0].decode()] = bool(value[4][0][0])
    return found
